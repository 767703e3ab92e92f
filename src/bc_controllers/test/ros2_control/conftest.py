"""The plugins in a real controller_manager; skipped where ros2_control is not installed."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="module")
def context() -> Iterator[None]:
    import rclpy

    rclpy.init()
    yield
    rclpy.shutdown()
