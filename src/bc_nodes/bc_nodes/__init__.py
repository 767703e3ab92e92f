"""What every Python node of bc_ros shares."""
