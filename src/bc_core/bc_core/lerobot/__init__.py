"""Data sets in LeRobot's format v3.0: written out of bags, and read back into bags.

The format is documented with LeRobot (codebase version v3.0): Parquet tables of numbers, a video per camera, several
episodes to a file, and `meta/` that says where each episode lies. Nothing here needs LeRobot itself.
"""
