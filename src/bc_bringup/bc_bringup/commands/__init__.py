"""The commands of `bcros`. Each module has add_arguments(parser) and run(args) -> exit code; its docstring is its help.

Heavy imports (rclpy, torch, mujoco) belong into the functions: `bcros --help` must be quick and need nothing built.
"""

from types import ModuleType

from bc_bringup.commands import (
    collect,
    convert,
    dagger,
    demo,
    description,
    doctor,
    evaluate,
    export_policy,
    gate,
    import_policy,
    inspect,
    label,
    launch,
    move,
    pretrain,
    repair,
    replay,
    rollout,
    skill,
    teleop,
    train,
    view,
)

COMMANDS: dict[str, ModuleType] = {
    "doctor": doctor, "launch": launch, "collect": collect, "pretrain": pretrain, "train": train, "eval": evaluate,
    "rollout": rollout, "skill": skill, "demo": demo, "dagger": dagger, "label": label, "gate": gate,
    "inspect": inspect, "repair": repair, "replay": replay, "move": move, "teleop": teleop, "convert": convert,
    "view": view, "description": description, "import": import_policy, "export": export_policy,
}  # fmt: skip
