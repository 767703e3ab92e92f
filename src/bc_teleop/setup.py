from setuptools import find_packages, setup

setup(
    name="bc_teleop",
    version="0.1.0",
    packages=find_packages(exclude=["test"]),
    package_data={"bc_teleop": ["py.typed", "browser/page/*"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/bc_teleop"]),
        ("share/bc_teleop", ["package.xml"]),
    ],
    entry_points={
        "console_scripts": [
            "teleop_node = bc_teleop.teleop_node:main",
            "episode_recorder = bc_teleop.episode_recorder:main",
        ]
    },
    zip_safe=True,
    maintainer="bc_ros maintainers",
    maintainer_email="maintainers@bc-ros.invalid",
    description="Teleoperation devices, human action chunks and episode recording",
    license="Apache-2.0",
)
