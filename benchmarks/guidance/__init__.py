"""What guidance costs."""
