"""LeRobot's policy checkpoints: read, checked and converted to ours, and back. Nothing in them can execute code."""
