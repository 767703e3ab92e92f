"""Defaults of the transport: given where the user gives none, and read by the middleware without complaint."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bc_nodes.transport import PROFILES, VARIABLE, repair_promptly


def test_given_where_the_user_gives_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    environment: dict[str, str] = {}
    repair_promptly(environment)
    assert environment == {VARIABLE: str(PROFILES)}
    mine = {VARIABLE: "/mine.xml"}
    repair_promptly(mine)
    assert mine == {VARIABLE: "/mine.xml"}
    (tmp_path / "DEFAULT_FASTRTPS_PROFILES.xml").write_text("<dds/>")
    beside: dict[str, str] = {}
    repair_promptly(beside)
    assert beside == {}


@pytest.mark.parametrize("broken", [False, True])
def test_the_middleware_reads_them(broken: bool, tmp_path: Path) -> None:
    """Fast DDS tells what it does not understand, and goes on: the file is right if it is silent."""
    text = PROFILES.read_text()
    profiles = tmp_path / "profiles.xml"
    profiles.write_text(text.replace("heartbeatPeriod", "heartbeatPeriode") if broken else text)
    ended = subprocess.run(
        [sys.executable, "-c", "import rclpy; rclpy.init(); rclpy.create_node('reader'); rclpy.shutdown()"],
        env=os.environ | {VARIABLE: str(profiles)}, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert ("XMLPARSER" in ended.stdout) == broken, ended.stdout
