"""The `controller:` section of a robot file to the native library's configuration."""

from collections.abc import Mapping
from typing import Any

from bc_controllers import _binding
from bc_controllers._binding import ConfigError, GroupLayout, Preset

SPACES = {"joint_position": 1, "cartesian_pose": 2, "gripper": 3}

# section -> key -> attribute of the native configuration; a trailing "_ns" there converts seconds
SCHEMA: dict[str, dict[str, str]] = {
    "": {
        "period": "period_ns",
        "base_frame": "base_frame",
        "tcp_frame": "tcp_frame",
        "blend_time": "blend_time_ns",
        "output": "output",
    },
    "impedance": {
        "stiffness": "stiffness",
        "damping": "damping",
        "gravity_compensation": "gravity_compensation",
        "coriolis_compensation": "coriolis_compensation",
        "inertia_compensation": "inertia_compensation",
    },
    "cartesian": {
        "stiffness_frame": "cartesian.stiffness_frame",
        "stiffness": "cartesian.stiffness",
        "damping_ratio": "cartesian.damping_ratio",
        "least_damping": "cartesian.least_damping",
        "nullspace_stiffness": "cartesian.nullspace_stiffness",
        "nullspace_damping_ratio": "cartesian.nullspace_damping_ratio",
        "projector": "cartesian.projector",
        "inertia_shaping": "cartesian.inertia_shaping",
        "shaped_inertia": "cartesian.shaped_inertia",
        "translation_error": "cartesian.translation_error",
        "rotation_error": "cartesian.rotation_error",
    },
    "kinematics": {
        "posture": "kinematics.posture",
        "posture_time": "kinematics.posture_time",
        "error_time": "kinematics.error_time",
        "damping": "kinematics.damping",
        "manipulability": "kinematics.manipulability",
    },
    "friction": {
        "coulomb": "friction.coulomb",
        "viscous": "friction.viscous",
        "velocity": "friction.velocity",
    },
    "payload": {"mass": "payload.mass", "center": "payload.center"},
    "gains": {
        "preset": "settings.preset",
        "presets": "settings.presets",
        "most": "settings.most",
        "time": "settings.time",
        "payload_mass": "settings.payload_mass",
        "wrench_force": "settings.wrench_force",
        "wrench_torque": "settings.wrench_torque",
        "wrench_time": "settings.wrench_time_ns",
    },
    "limits": {
        "position_margin": "position_margin",
        "velocity": "velocity",
        "acceleration": "acceleration",
        "peak_acceleration": "peak_acceleration",
        "velocity_margin": "velocity_margin",
        "joint_error": "joint_error",
        "repulsion": "repulsion",
        "torque": "torque",
        "torque_rate": "torque_rate",
        "gripper_opening": "gripper_opening",
        "gripper_velocity": "gripper_velocity",
    },
    "workspace": {
        "lower": "workspace.lower",
        "upper": "workspace.upper",
        "linear_velocity": "workspace.linear_velocity",
        "angular_velocity": "workspace.angular_velocity",
        "linear_acceleration": "workspace.linear_acceleration",
        "angular_acceleration": "workspace.angular_acceleration",
        "peak_acceleration": "workspace.peak_acceleration",
    },
    "ladder": {
        "hold_time": "hold_time_ns",
        "lease_time": "lease_time_ns",
        "compliant_time": "compliant_time_ns",
        "compliant_scale": "compliant_scale",
        "recovery_time": "recovery_time_ns",
    },
    "safety": {
        "clock_tolerance": "clock_tolerance_ns",
        "receive_time": "receive_time_ns",
        "frozen_encoder_motion": "frozen_encoder_motion",
    },
}

# What an output does without, or what is off unless it is given: whole sections, and keys of limits.
OPTIONAL_SECTIONS = {"impedance", "cartesian", "kinematics", "friction", "payload", "gains"}
OPTIONAL_KEYS = {"limits.repulsion", "limits.torque", "limits.torque_rate"}


class ControllerConfig(_binding.ControllerConfig):
    """What a Controller needs to know of its robot; config/robots/panda.yaml explains every value."""

    @classmethod
    def from_dict(cls, section: Mapping[str, Any]) -> "ControllerConfig":
        """From the `controller` section; an unknown key is refused, a missing one too (ConfigError, a BcError).

        Sections that the output does without may be left out (docs/controllers.md lists them); a section that is
        there is whole. What the values must be among themselves, for the output and for the URDF is checked when a
        Controller is made of them.
        """
        config = cls()
        refuse_unknown(section, {*SCHEMA[""], *SCHEMA, "groups"} - {""}, "controller.")
        config.groups = _groups(_take(section, "groups"))
        for name, keys in SCHEMA.items():
            if name in OPTIONAL_SECTIONS and name not in section:
                continue
            values = section if name == "" else _take(section, name)
            if name:
                refuse_unknown(values, set(keys), f"controller.{name}.")
            for key, attribute in keys.items():
                where = f"{name}.{key}" if name else key
                if where in OPTIONAL_KEYS and key not in values:
                    continue
                _assign(config, attribute, _take(values, key, where), where)
        return config


def _take(section: Mapping[str, Any], key: str, where: str = "") -> Any:
    if key not in section:
        raise ConfigError(f"controller.{where or key} is missing: add it (config/robots/panda.yaml shows all keys)")
    return section[key]


def refuse_unknown(section: Any, known: set[str], where: str) -> None:
    """ConfigError when `section` is no mapping, or has a key outside `known`; `where` is its path with a final dot."""
    if not isinstance(section, Mapping):
        raise ConfigError(f"'{where.rstrip('.') or 'file'}' is {section!r}, not a mapping")
    for key in section:
        if key not in known:
            raise ConfigError(f"unknown key '{where}{key}': known are {', '.join(sorted(known))}")


def _groups(entries: Any) -> list[GroupLayout]:
    groups = []
    for entry in entries:
        refuse_unknown(entry, {"name", "space", "names", "tip", "frame_id"}, "controller.groups.")
        space = entry.get("space")
        if space not in SPACES:
            raise ConfigError(f"controller.groups: space '{space}' is unknown: use one of {', '.join(SPACES)}")
        names = [str(name) for name in entry.get("names", [])]
        tip, frame = str(entry.get("tip", "")), str(entry.get("frame_id", ""))
        groups.append(GroupLayout(str(entry["name"]), SPACES[space], names, tip, frame))
    return groups


def _presets(entries: Any) -> list[Preset]:
    if not isinstance(entries, Mapping):
        raise ConfigError(f"controller.gains.presets is {entries!r}, not a mapping from names to factors")
    presets = []
    for name, factors in entries.items():
        where = f"gains.presets.{name}"
        refuse_unknown(factors, {"stiffness", "damping_ratio"}, f"controller.{where}.")
        stiffness, ratio = (_take(factors, key, f"{where}.{key}") for key in ("stiffness", "damping_ratio"))
        presets.append(Preset(str(name), float(stiffness), float(ratio)))
    return presets


def _assign(config: Any, attribute: str, value: Any, where: str) -> None:
    part, _, rest = attribute.partition(".")
    if rest:
        _assign(getattr(config, part), rest, value, where)
        return
    try:
        if attribute == "gripper_opening":
            config.gripper_lower, config.gripper_upper = (float(limit) for limit in value)
        elif attribute == "presets":
            config.presets = _presets(value)
        elif attribute.endswith("_ns"):
            setattr(config, attribute, round(float(value) * 1e9))
        elif isinstance(value, list | tuple):
            setattr(config, attribute, [float(item) for item in value])
        else:
            setattr(config, attribute, value)
    except (TypeError, ValueError, OverflowError) as error:
        raise ConfigError(f"controller.{where} is {value!r}, which does not fit: {error}") from error
