"""The loop in one process and in virtual time, without ROS: robot, policy and hands that meet at exact moments."""
