"""The plugins in a real controller_manager; skipped where ros2_control is not installed."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ament_index_python.packages import PackageNotFoundError, get_package_prefix

sys.path.insert(0, str(Path(__file__).parent))

try:
    get_package_prefix("controller_manager")
except PackageNotFoundError:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="module")
def context() -> Iterator[None]:
    import rclpy

    rclpy.init()
    yield
    rclpy.shutdown()
