"""A page that drives the robot, served by teleop_node to a phone or a computer with a gamepad."""
