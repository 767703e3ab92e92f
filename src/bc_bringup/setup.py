from pathlib import Path

from setuptools import find_packages, setup


def installed(folder: str) -> list[tuple[str, list[str]]]:
    """Every file of a top-level folder (launch/ and config/ here are links to them), for share/bc_bringup."""
    folders: dict[str, list[str]] = {}
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file():
            folders.setdefault(f"share/bc_bringup/{path.parent}", []).append(str(path))
    return sorted(folders.items())


setup(
    name="bc_bringup",
    version="0.1.0",
    packages=find_packages(exclude=["test"]),
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/bc_bringup"]),
        ("share/bc_bringup", ["package.xml"]),
        *installed("launch"),
        *installed("config"),
    ],
    # No [install] script_dir in a setup.cfg: the script goes to <prefix>/bin, which colcon's setup puts on PATH.
    entry_points={"console_scripts": ["bcros = bc_bringup.cli:main"]},
    zip_safe=True,
    maintainer="bc_ros maintainers",
    maintainer_email="maintainers@bc-ros.invalid",
    description="Launch files, configuration and the command line of bc_ros",
    license="Apache-2.0",
)
