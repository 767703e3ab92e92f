"""What the two nodes between policy and controller cost."""
