"""Skills: what a robot can do by name, when it may begin and is over, and who chooses the next (docs/skills.md)."""
