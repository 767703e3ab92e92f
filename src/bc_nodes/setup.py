from setuptools import find_packages, setup

setup(
    name="bc_nodes",
    version="0.1.0",
    packages=find_packages(exclude=["test"]),
    package_data={"bc_nodes": ["py.typed", "fastdds.xml"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/bc_nodes"]),
        ("share/bc_nodes", ["package.xml"]),
    ],
    zip_safe=False,
    maintainer="bc_ros maintainers",
    maintainer_email="maintainers@bc-ros.invalid",
    description="What the Python nodes of bc_ros share",
    license="Apache-2.0",
)
