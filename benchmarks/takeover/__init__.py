"""From the button to the robot: how long a takeover takes, and what the reference feels of it."""
