"""Benchmarks of bc_ros; run them through the Makefile."""
