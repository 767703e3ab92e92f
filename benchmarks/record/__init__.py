"""The recorder under load: what it loses, what it costs, what a killed one loses; `ros2 bag record` beside it."""
