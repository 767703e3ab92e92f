"""Tests of training share the task in swing.py."""
