"""Motions of the PLANNER: homing, episode reset, approach and retreat, checked for collisions."""
