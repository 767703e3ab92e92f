"""Action heads: from the embedding of an observation to a chunk. What they share lies in bc_core.policies.trunks."""
