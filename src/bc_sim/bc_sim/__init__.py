"""The simulated robot: MuJoCo scene and task, the native plant at 1 kHz, and the node that speaks the protocol."""

import os

# Read by MuJoCo and Mesa when they are first loaded, which is after this line. EGL renders without a display; a
# software renderer must not spread over the cores that the control loop and the policy need.
os.environ.setdefault("MUJOCO_GL", "egl")
os.environ.setdefault("LP_NUM_THREADS", "1")
