"""Tests of the LeRobot format share the conftest's data set."""
