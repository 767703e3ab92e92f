"""Runs episodes over a graph of nodes: reset, record, (resume the policy), wait for the task's verdict, stop.

records: which seeds are done, from the bags on disk; manager: the ROS client of one graph; session: a launch file with
a manager, over many seeds; progress: what the user sees meanwhile.
"""
