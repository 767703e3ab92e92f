from setuptools import find_packages, setup

setup(
    name="bc_planner",
    version="0.1.0",
    packages=find_packages(exclude=["test"]),
    package_data={"bc_planner": ["py.typed"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/bc_planner"]),
        ("share/bc_planner", ["package.xml"]),
    ],
    entry_points={"console_scripts": ["motion_planner = bc_planner.motion_planner:main"]},
    zip_safe=True,
    maintainer="bc_ros maintainers",
    maintainer_email="maintainers@bc-ros.invalid",
    description="Collision-checked motions as PLANNER: homing, episode reset, approach and retreat",
    license="Apache-2.0",
)
