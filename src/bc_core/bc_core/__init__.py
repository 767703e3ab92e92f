"""Behaviour cloning without ROS: everything here is pure, and a clock is always an argument."""
