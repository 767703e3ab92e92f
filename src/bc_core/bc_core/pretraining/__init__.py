"""Image encoders learnt from the robot's own unlabelled camera frames."""
