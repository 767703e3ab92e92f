"""The simulated robot: MuJoCo scene and task, the native plant at 1 kHz, and the node that speaks the protocol."""
