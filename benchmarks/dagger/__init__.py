"""Behaviour cloning, batch DAgger and DAgger at equal numbers of expert rows, in virtual time."""
