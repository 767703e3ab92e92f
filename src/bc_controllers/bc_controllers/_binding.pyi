"""The native library: see the classes of the package `bc_controllers`, which wrap these. All units SI, times in ns."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Values = Sequence[float] | npt.NDArray[np.floating]

class ConfigError(Exception):
    """A configuration the library refuses (a bc_core.errors.BcError at run time): names thing, value and remedy."""

class GroupLayout:
    """One group of the robot's row layout; `space` as in bc_msgs/ActionGroup."""

    def __init__(self, name: str, space: int, names: Sequence[str], tip: str = "", frame_id: str = "") -> None: ...
    name: str
    space: int
    names: list[str]
    tip: str
    frame_id: str

class WorkspaceLimits:
    """Box and motion of the tool centre point."""

    def __init__(self) -> None: ...
    lower: list[float]
    upper: list[float]
    linear_velocity: float
    angular_velocity: float
    linear_acceleration: float
    angular_acceleration: float
    peak_acceleration: float

class Preset:
    """Named factors on the configured gains."""

    def __init__(self, name: str, stiffness: float, damping_ratio: float) -> None: ...
    name: str
    stiffness: float
    damping_ratio: float

class Payload:
    """Mass [kg] and its centre in the axes of the tool centre point [m]."""

    def __init__(self, mass: float, center: Sequence[float]) -> None: ...
    mass: float
    center: list[float]

class CartesianConfig:
    stiffness_frame: str
    stiffness: list[float]
    damping_ratio: list[float]
    nullspace_stiffness: list[float]
    nullspace_damping_ratio: float
    projector: str
    inertia_shaping: bool
    shaped_inertia: list[float]
    least_damping: list[float]
    translation_error: float
    rotation_error: float

class KinematicsConfig:
    posture: list[float]
    posture_time: float
    error_time: float
    damping: float
    manipulability: float

class FrictionConfig:
    coulomb: list[float]
    viscous: list[float]
    velocity: float

class SettingsConfig:
    presets: list[Preset]
    preset: str
    most: float
    time: float
    payload_mass: float
    wrench_force: float
    wrench_torque: float
    wrench_time_ns: int

class ControllerConfig:
    """Plain values; what each means stands in config/robots/panda.yaml."""

    def __init__(self) -> None: ...
    output: str  # joint_impedance, cartesian_impedance or position
    cartesian: CartesianConfig
    kinematics: KinematicsConfig
    friction: FrictionConfig
    payload: Payload
    settings: SettingsConfig
    armature: list[float]
    period_ns: int
    base_frame: str
    tcp_frame: str
    groups: list[GroupLayout]
    joints: list[str]  # that carry a pose
    workspace: WorkspaceLimits
    peak_acceleration: float
    stiffness: list[float]
    damping: list[float]
    gravity_compensation: bool
    coriolis_compensation: bool
    inertia_compensation: bool
    position_lower: list[float]  # empty: from the URDF, less position_margin
    position_upper: list[float]
    position_margin: float
    velocity: list[float]
    acceleration: list[float]
    velocity_margin: float
    joint_error: list[float]
    repulsion: list[float]
    torque: list[float]
    torque_rate: float
    gripper_lower: float
    gripper_upper: float
    gripper_velocity: float
    blend_time_ns: int
    hold_time_ns: int
    lease_time_ns: int
    compliant_time_ns: int
    compliant_scale: float
    recovery_time_ns: int
    frozen_encoder_motion: float
    clock_tolerance_ns: int
    receive_time_ns: int
    @property
    def joint_names(self) -> list[str]: ...
    @property
    def width(self) -> int:
        """Columns of a row."""

class WireGroup:
    """A group as a message claims it, right or wrong."""

    def __init__(
        self, name: str, space: int, names: Sequence[str], tip: str, frame_id: str, offset: int, width: int
    ) -> None: ...

class WireChunk:
    """A chunk as it came in: nothing about it is trusted."""

    def __init__(self) -> None: ...
    stamp_ns: int
    dt_ns: int
    horizon: int
    producer: str
    producer_id: int
    sequence: int
    mode_epoch: int
    groups: list[WireGroup]
    @property
    def actions(self) -> Array: ...
    @actions.setter
    def actions(self, values: Array) -> None: ...
    frozen: int
    release: bool

class Ack:
    """bc_msgs/ChunkAck."""

    stamp_ns: int
    source: str
    producer: str
    producer_id: int
    sequence: int
    verdict: int
    reason: int
    detail: str
    mode_epoch: int
    effective_ns: int
    row: float
    raw_jump: float
    raw_jump_rotation: float
    raw_jump_gripper: float
    clamped: int

class ModeChange:
    """bc_msgs/ControlMode."""

    stamp_ns: int
    mode: int
    epoch: int
    previous_mode: int
    reason: str

class ModeResult:
    """Answer to change_mode: what bc_msgs/ChangeMode returns, with the ticket of the request."""

    ticket: int
    success: bool
    message: str
    mode: int
    epoch: int

class Gains:
    """What LiveSettings of the native library calls so: one value per joint, or six for the tool's axes."""

    stiffness: Array
    damping: Array
    cartesian_stiffness: Array
    cartesian_damping_ratio: Array
    nullspace_stiffness: Array
    nullspace_damping_ratio: float

class ControllerState:
    """bc_msgs/ControllerState. Vectors have one value per joint; poses are x y z qx qy qz qw in base_frame."""

    stamp_ns: int
    mode: int
    mode_epoch: int
    position: Array
    velocity: Array
    position_reference: Array
    velocity_reference: Array
    effort: Array
    position_command: Array
    gripper_position: float
    gripper_reference: float
    tcp: Array
    tcp_reference: Array
    ladder: int
    source: str
    producer_id: int
    sequence: int
    row: float
    stiffness_scale: float  # share of the gains' stiffness in use
    gains: Gains
    payload: Payload
    wrench: Array

class ControllerStatus:
    """The controller's counters of bc_msgs/ControllerStatus; the times of the loop come from whoever runs it."""

    periods: int
    chunks_in_force: int
    chunks_refused: int
    refused_by_reason: list[int]
    values_clamped: int
    starved_periods: int
    commands_overdue: int
    sources_silent: int
    nonfinite_inputs: int
    nonfinite_commands: int
    frozen_encoders: int
    velocity_limited: int
    acceleration_limited: int
    workspace_limited: int
    tcp_speed_limited: int
    kinematics_limited: int
    error_clipped: int
    limits_repelled: int
    overspeed: int
    torque_limited: int
    torque_rate_limited: int
    position_limited: int
    acks_lost: int  # acknowledgements nobody fetched in time
    modes_lost: int

class Arbiter:
    """Arbiter and reference without a robot, in virtual time."""

    def __init__(self, config: ControllerConfig, position: Values, gripper: float) -> None: ...
    def submit(self, source: str, chunk: WireChunk) -> None: ...
    def request(self, request: int, reason: str) -> int: ...
    def fault(self, reason: str) -> None: ...
    def advance(self, now_ns: int) -> Array: ...
    def update(self, now_ns: int, steady_ns: int) -> Array: ...
    def poll_acks(self) -> list[Ack]: ...
    def poll_modes(self) -> list[ModeChange]: ...
    def poll_results(self) -> list[ModeResult]: ...
    def status(self) -> ControllerStatus: ...
    @property
    def mode(self) -> int: ...
    @property
    def epoch(self) -> int: ...
    @property
    def ladder(self) -> int: ...
    @property
    def stiffness_scale(self) -> float: ...
    @property
    def row(self) -> float: ...
    @property
    def velocity(self) -> Array: ...

class Controller:
    def __init__(self, config: ControllerConfig, urdf: str) -> None: ...
    def submit(self, source: str, chunk: WireChunk) -> None: ...
    def update(
        self, now_ns: int, steady_ns: int, position: Values, velocity: Values, gripper: float
    ) -> tuple[Array, float]: ...
    def change_mode(self, request: int, reason: str) -> int: ...
    def relocate(self, reason: str) -> None: ...
    def end(self, now_ns: int, reason: str) -> None: ...
    def begin_again(self, reason: str) -> None: ...
    @property
    def faulted(self) -> bool: ...
    def set_gains(
        self,
        *,
        stiffness: Values | None = None,
        damping: Values | None = None,
        cartesian_stiffness: Values | None = None,
        cartesian_damping_ratio: Values | None = None,
        nullspace_stiffness: Values | None = None,
        nullspace_damping_ratio: float | None = None,
    ) -> None: ...
    def use_preset(self, name: str) -> None: ...
    def set_payload(self, mass: float, center: Values) -> None: ...
    def set_wrench(self, wrench: Values) -> None: ...
    def poll_acks(self) -> list[Ack]: ...
    def poll_modes(self) -> list[ModeChange]: ...
    def poll_results(self) -> list[ModeResult]: ...
    def state(self) -> ControllerState: ...
    def status(self) -> ControllerStatus: ...
    @property
    def joint_names(self) -> list[str]: ...
    @property
    def position_lower(self) -> Array: ...
    @property
    def position_upper(self) -> Array: ...
