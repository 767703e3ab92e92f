"""The gains study: one policy on demonstrations made under each preset, compliant or stiff, over- or underdamped."""
