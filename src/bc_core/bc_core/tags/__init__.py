"""Pose of an object from the tags on it (ArUco, AprilTag): an explicit representation of a camera's image. No ROS."""
