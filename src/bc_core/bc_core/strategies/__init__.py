"""Ways to chain action chunks while inference takes time."""
