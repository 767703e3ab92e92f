"""ACT and diffusion policy in LeRobot's architecture: as encoder and head, so that their weights can come and go."""
