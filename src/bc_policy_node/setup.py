from setuptools import find_packages, setup

setup(
    name="bc_policy_node",
    version="0.1.0",
    packages=find_packages(exclude=["test"]),
    package_data={"bc_policy_node": ["py.typed"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/bc_policy_node"]),
        ("share/bc_policy_node", ["package.xml"]),
    ],
    zip_safe=True,
    maintainer="bc_ros maintainers",
    maintainer_email="maintainers@bc-ros.invalid",
    description="policy_node, chunk_scheduler, skill_selector and tag_detector",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "policy_node = bc_policy_node.policy_node:main",
            "chunk_scheduler = bc_policy_node.chunk_scheduler:main",
            "skill_selector = bc_policy_node.skill_selector:main",
            "tag_detector = bc_policy_node.tag_detector:main",
        ]
    },
)
