"""episode_recorder in a real graph of its own domain, against a robot that the test plays."""
