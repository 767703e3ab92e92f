"""The two nodes between policy and controller."""
