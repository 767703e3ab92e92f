"""Runs ROS 2 YAML launch files where ROS's `launch` is not installed: the subset that docs/launch.md describes.

document: YAML -> entities with line numbers; substitution: $(...) ; expand: entities + arguments -> processes;
graph: processes, from start to the last signal; console: their output; domain: who else is on the ROS domain.
"""
