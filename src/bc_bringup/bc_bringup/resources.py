"""What bc_bringup installs, and where packages are: names on the command line become paths here."""

from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_prefix

from bc_core.errors import BcError

KINDS = {
    "robot": "robots", "contract": "contracts", "task": "tasks", "policy": "policies", "teleop": "teleop",
    "layout": "teleop/layouts", "machine": "machines", "workspace": "workspaces", "vision": "vision", "tags": "tags",
}  # fmt: skip


class InstalledPackages:
    """Package locations from the ament index (the environment's AMENT_PREFIX_PATH)."""

    def prefix(self, package: str) -> Path:
        try:
            return Path(get_package_prefix(package))
        except PackageNotFoundError as error:
            raise BcError(
                f"package '{package}' is not installed: build it with colcon and source the environment (. ./env.sh)"
            ) from error


def share(package: str = "bc_bringup") -> Path:
    """share/<package> of an installed package. BcError when it is not installed."""
    return InstalledPackages().prefix(package) / "share" / package


def config_path(kind: str, name: str, root: Path | None = None) -> Path:
    """The configuration file for a name, or the file itself when `name` is a path.

    kind: one of KINDS. BcError names the known ones when there is no such file.
    """
    if name.endswith((".yaml", ".yml")) or "/" in name:
        path = Path(name)
        if not path.is_file():
            raise BcError(f"{kind} file {path} does not exist: give a {kind}'s name, or the path of its YAML file")
        return path.resolve()
    folder = (root or share()) / "config" / KINDS[kind]
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in folder.glob("*.yaml"))) or "none installed"
        raise BcError(f"unknown {kind} '{name}' (known: {known}; looked in {folder})")
    return path


def launch_path(name: str) -> Path:
    """A launch file by path, or by its name among the installed ones (`collect` or `collect.launch.yaml`)."""
    path = Path(name)
    if path.is_file():
        return path.resolve()
    folder = share() / "launch"
    for candidate in (folder / name, folder / f"{name}.launch.yaml"):
        if candidate.is_file():
            return candidate
    known = ", ".join(sorted(p.name for p in folder.glob("*.launch.yaml")))
    raise BcError(f"launch file '{name}' does not exist, and is none of those installed: {known}")
