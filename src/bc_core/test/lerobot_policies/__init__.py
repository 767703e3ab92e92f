"""Policies of LeRobot: golden_cases.py has what it wrote and answered, make_golden.py makes it."""
