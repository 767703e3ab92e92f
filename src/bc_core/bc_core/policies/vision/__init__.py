"""Image encoders of policies: what a camera's pictures become before the trunk sees them."""
