"""What bc_ros needs, whether it is here, and how to get it: the checks behind `bcros doctor`.

Every check is a function without arguments that returns its findings; nothing is changed, and a check that fails to
run is a finding too, never an exception.
"""

import ctypes.util
import importlib.metadata
import importlib.util
import os
import platform
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from bc_bringup.launching import domain
from bc_core.errors import BcError

REPEAT_SETUP = "run tools/setup.sh (make setup), then . ./env.sh"


class Status(Enum):
    OK = "ok"
    MISSING = "missing"  # needed: the demo cannot run
    ABSENT = "absent"  # optional: something works less well, or not at all


@dataclass(frozen=True)
class Finding:
    """One line of the report; remedy is empty when there is nothing to do."""

    group: str
    name: str
    status: Status
    detail: str
    remedy: str = ""


def _found(group: str, name: str, ok: bool, detail: str, remedy: str, optional: bool = False) -> Finding:
    status = Status.OK if ok else Status.ABSENT if optional else Status.MISSING
    return Finding(group, name, status, detail, "" if ok else remedy)


# module -> distribution that brings it from PyPI
PYTHON_MODULES = {
    "numpy": "numpy", "scipy": "scipy", "torch": "torch", "safetensors": "safetensors",
    "lightning_fabric": "lightning-fabric", "tensorboard": "tensorboard", "mujoco": "mujoco",
    "pinocchio": "pin", "pink": "pin-pink", "daqp": "daqp", "rosbags": "rosbags", "yaml": "PyYAML", "rich": "rich",
    "jinja2": "Jinja2", "matplotlib": "matplotlib", "av": "av", "cv2": "opencv-python-headless",
    "cv_bridge": "cv-bridge", "pyarrow": "pyarrow", "evdev": "evdev-binary",
    "OneEuroFilter": "OneEuroFilter", "ompl": "ompl", "toppra": "toppra",
}  # fmt: skip
# the same of single features: module -> (distribution, feature)
OPTIONAL_MODULES = {
    "diffusers": ("diffusers", "diffusion policies"), "tokenizers": ("tokenizers", "FAST policies"),
    "transformers": ("transformers", "image encoders: ViT, pre-trained; bcros pretrain"),
    "zarr": ("zarr", "bcros convert --to zarr"), "rerun": ("rerun-sdk", "bcros view"),
    "ray": ("ray", "bcros convert --ray"), "aiohttp": ("aiohttp", "device:=browser, selector:=vlm"),
    "cryptography": ("cryptography", "device:=browser"), "pyspacemouse": ("pyspacemouse", "device:=spacemouse"),
    "dynamixel_sdk": ("dynamixel-sdk", "leader arms of Dynamixel servos"),
}  # fmt: skip


# executables that the launch files start
EXECUTABLES = {
    "bc_sim": ["sim_node"],
    "bc_teleop": ["teleop_node", "episode_recorder"],
    "bc_policy_node": ["policy_node", "chunk_scheduler", "skill_selector", "tag_detector"],
    "bc_planner": ["motion_planner"],
}
LIBRARIES = ("bc_msgs", "bc_core", "bc_nodes", "bc_controllers", "bc_bringup")


def check_machine() -> Iterator[Finding]:
    """Python, compilers, cores, disk and shared memory."""
    group = "machine"
    version = platform.python_version()
    yield _found(
        group, "Python", sys.version_info[:2] in ((3, 11), (3, 12)), version,
        "use Python 3.11 (wheels), or 3.12 with ROS 2 Jazzy on Ubuntu 24.04",
    )  # fmt: skip
    for tool, package in (("g++", "g++"), ("cmake", "cmake"), ("make", "make"), ("git", "git")):
        path = shutil.which(tool)
        yield _found(group, tool, path is not None, path or "not on PATH", f"apt-get install {package}")
    cores = len(os.sched_getaffinity(0))
    yield _found(group, "processor", cores >= 2, f"{cores} cores", "use at least 2 cores: the control loop needs one")
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    yield _found(group, "disk", free > 5.0, f"{free:.1f} GB free here", "free 5 GB: packages, build and bags need them")
    shared = Path("/dev/shm")
    size = shutil.disk_usage(shared).free / 1e6 if shared.is_dir() else 0.0
    yield _found(
        group, "shared memory", size > 64.0, f"{size:.0f} MB free in /dev/shm",
        "without it DDS goes over the network loopback: docker run --shm-size=1g", optional=True,
    )  # fmt: skip


def check_python() -> Iterator[Finding]:
    """Modules that bc_ros imports."""
    for module, distribution in PYTHON_MODULES.items():
        present = importlib.util.find_spec(module) is not None
        yield _found("Python packages", distribution, present, _version(distribution) if present else "", REPEAT_SETUP)
    for module, (distribution, feature) in OPTIONAL_MODULES.items():
        present = importlib.util.find_spec(module) is not None
        detail = _version(distribution) if present else f"needed for {feature}"
        yield _found("Python packages", distribution, present, detail, f"pip install {distribution}", optional=True)
    robots = "example-robot-data"  # robot descriptions: files, no module
    present = robots in _distributions()
    yield _found("Python packages", robots, present, _version(robots) if present else "", REPEAT_SETUP)


def check_ros() -> Iterator[Finding]:
    """ROS 2, sourced or from wheels."""
    group = "ROS 2"
    present = importlib.util.find_spec("rclpy") is not None
    origin = "from PyPI wheels" if "ros-rclpy" in _distributions() else "sourced"
    distribution = os.environ.get("ROS_DISTRO", "distribution unknown")
    yield _found(group, "rclpy", present, f"{distribution}, {origin}" if present else "", REPEAT_SETUP)
    for module, use in (("launch_ros", "ros2 launch; bcros launch runs the same files"), ("rosbag2_py", "ros2 bag")):
        there = importlib.util.find_spec(module) is not None
        yield _found(group, module, there, use, "not needed; comes with a ROS 2 installation", optional=True)


def check_workspace() -> Iterator[Finding]:
    """This workspace's packages and the executables that launch files start."""
    from ament_index_python.packages import PackageNotFoundError, get_package_prefix

    for package, executables in {**{library: [] for library in LIBRARIES}, **EXECUTABLES}.items():
        try:
            folder = Path(get_package_prefix(package)) / "lib" / package
        except PackageNotFoundError:
            yield _found("workspace", package, False, "not built, or not sourced", REPEAT_SETUP)
            continue
        absent = [name for name in executables if not os.access(folder / name, os.X_OK)]
        detail = f"without {', '.join(absent)}" if absent else str(folder.parents[1])
        yield _found("workspace", package, not absent, detail, REPEAT_SETUP)


def check_domain() -> Iterator[Finding]:
    """Who else is on the ROS domain."""
    group, name = "ROS 2", "domain"
    if importlib.util.find_spec("rclpy") is None:
        return
    try:
        others = sorted(domain.nodes_present())
        detail = f"{domain.domain_id()}: " + (f"in use by {', '.join(others[:4])}" if others else "free")
        yield _found(group, name, not others, detail, "end that run, or set ROS_DOMAIN_ID", optional=True)
    except BcError as error:
        yield _found(group, name, False, str(error), "correct ROS_DOMAIN_ID")


_RENDER = """
import mujoco
model = mujoco.MjModel.from_xml_string('<mujoco><worldbody><light pos="0 0 3"/><geom size=".1"/></worldbody></mujoco>')
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
with mujoco.Renderer(model, 96, 96) as renderer:
    renderer.update_scene(data)
    assert renderer.render().any(), "the picture is black"
"""


def check_graphics() -> Iterator[Finding]:
    """Off-screen rendering for the simulated camera, a display for the viewer."""
    group = "graphics"
    if importlib.util.find_spec("mujoco") is not None:
        command = [sys.executable, "-c", _RENDER]
        try:
            result = subprocess.run(
                command, env={**os.environ, "MUJOCO_GL": "egl"}, capture_output=True, text=True, timeout=60.0
            )
            ok, lines = result.returncode == 0, result.stderr.strip().splitlines()
        except subprocess.TimeoutExpired:
            ok, lines = False, ["no picture after 60 s"]
        library = ctypes.util.find_library("EGL") or "libEGL not found"
        yield _found(
            group, "off-screen camera", ok, library if ok else f"{library}: {lines[-1] if lines else 'no message'}",
            "apt-get install libegl1 libegl-mesa0 libgl1-mesa-dri libgl1, or start with camera:=false",
        )  # fmt: skip
    display = os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY") or ""
    yield _found(group, "display", bool(display), display or "none", "needed for viewer:=true only", optional=True)


def check_real_time() -> Iterator[Finding]:
    """What lets the control loop keep its 1 kHz, and a joystick."""
    group = "real time"
    is_root = os.geteuid() == 0
    limits = "raise it in /etc/security/limits.d: '@realtime - rtprio 98', '@realtime - memlock unlimited'"
    priority = resource.getrlimit(resource.RLIMIT_RTPRIO)[1]
    yield _found(
        group, "priority", is_root or priority != 0, "SCHED_FIFO allowed" if is_root or priority else "not allowed",
        limits, optional=True,
    )  # fmt: skip
    memory = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
    allowed = is_root or memory == resource.RLIM_INFINITY
    yield _found(group, "locked memory", allowed, "unlimited" if allowed else f"{memory} bytes", limits, optional=True)
    yield from _check_timer(group)
    sticks = sorted(str(path) for path in Path("/dev/input").glob("js*"))
    remedy = "plug one in for device:=joy (and run joy's joy_node)"
    yield _found("devices", "joystick", bool(sticks), ", ".join(sticks) or "none", remedy, optional=True)


def _check_timer(group: str) -> Iterator[Finding]:
    """A second of the control loop's wake-ups, with nothing to do in them."""
    if importlib.util.find_spec("bc_sim") is None:
        return
    from bc_sim._plant import timer_lateness

    timer = timer_lateness(1.0)
    share = 1 - timer.late_over_1ms / timer.periods
    yield _found(
        group, "1 kHz timer", share >= 0.999,
        f"{share:.2%} of the periods at most 1 ms late, worst {timer.late_max_us / 1000:.1f} ms ({timer.scheduling})",
        "end what else runs; a virtual machine whose host is busy cannot do better", optional=True,
    )  # fmt: skip


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    check_machine, check_python, check_ros, check_domain, check_workspace, check_graphics, check_real_time,
)  # fmt: skip


def examine() -> Iterator[Finding]:
    """Run every check."""
    for check in CHECKS:
        yield from check()


def _distributions() -> set[str]:
    return {str(distribution.name).lower() for distribution in importlib.metadata.distributions()}


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "version unknown"
