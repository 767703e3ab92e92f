"""Teleoperation: devices, human action chunks, episode recording."""
