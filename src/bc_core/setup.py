from setuptools import find_packages, setup

setup(
    name="bc_core",
    version="0.1.0",
    packages=find_packages(exclude=["test"]),
    package_data={
        "bc_core": ["py.typed"],
        "bc_core.evaluation": ["*.j2"],
        "bc_core.pretraining": ["*.j2"],
        "bc_core.report": ["*.j2"],
        "bc_core.survey": ["*.j2"],
    },
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/bc_core"]),
        ("share/bc_core", ["package.xml"]),
    ],
    zip_safe=True,
    maintainer="bc_ros maintainers",
    maintainer_email="maintainers@bc-ros.invalid",
    description="Behaviour cloning without ROS",
    license="Apache-2.0",
)
