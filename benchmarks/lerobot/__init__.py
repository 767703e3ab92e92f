"""Inference of imported policies beside LeRobot's own, with the same weights, observation and noise."""
