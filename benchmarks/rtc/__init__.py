"""Strategies of chunking under delay, compared in virtual time."""
