"""Policies: what they share, the flow-matching policy, and its network."""
