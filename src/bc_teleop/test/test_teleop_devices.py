"""Devices on teleop_node, from what a hand does with them to chunks in the graph, and back."""

import asyncio
import os
import pty
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import yaml
from diagnostic_msgs.msg import DiagnosticArray
from evdev import ecodes
from gamepad_stand_in import XBOX, Pad
from page_client import page_session
from sensor_msgs.msg import JointState, Joy
from teleop_graph import PATIENCE, Graph, spin_a_controller

from bc_core.errors import BcError
from bc_nodes import qos
from bc_nodes.convert import chunk_from_msg
from bc_teleop import device_shell
from bc_teleop.feedback import DENIED


def test_a_gamepad_drives_without_a_joy_node(graph: Callable[..., Graph], monkeypatch: pytest.MonkeyPatch) -> None:
    """Events of the kernel, the thread that reads them, the node, a chunk; and pulling the cable lets go."""
    pad = Pad(XBOX)

    def find(name: str) -> Pad:
        if pad.pulled:
            raise BcError("no gamepad")
        return pad

    monkeypatch.setattr(device_shell, "open_gamepad", find)
    world = graph(device="gamepad", layout="xbox", max_age=PATIENCE)
    world.up()
    look_until = partial(spin_a_controller, world)
    look_until(lambda: world.node.session.armed)  # the dead-man was seen released
    assert not world.chunks
    pad.emit((ecodes.EV_ABS, ecodes.ABS_Y, -32768), (ecodes.EV_KEY, ecodes.BTN_TL, 1))
    look_until(lambda: len(world.chunks) >= 5)
    forward = chunk_from_msg(world.chunks[-1]).actions
    assert np.abs(forward[-1, :7] - forward[0, :7]).max() > 1e-3
    pad.pull()
    look_until(lambda: world.chunks[-1].release)


def test_a_leader_arm_takes_hold_where_the_robot_is(
    graph: Callable[..., Graph], config_folder: Path, tmp_path: Path
) -> None:
    """The shipped file, with patient timeouts: JointState and a pedal's Joy in, chunks out, obstacles told."""
    document = yaml.safe_load((config_folder / "teleop" / "leader.yaml").read_text())
    document["leader"]["timeout"], document["joy"]["timeout"] = 0.5, 2.0
    (tmp_path / "layouts").symlink_to(config_folder / "teleop" / "layouts")
    (tmp_path / "leader.yaml").write_text(yaml.safe_dump(document))
    world = graph(device="leader", settings=tmp_path / "leader.yaml", max_age=PATIENCE)
    told: list[str] = []
    world.peer.create_subscription(
        DiagnosticArray, "/diagnostics", lambda msg: told.append(msg.status[0].message), qos.RECORD
    )
    world.up()
    names, home = document["leader"]["joints"], list(world.robot.home)
    pedal, angle = 0, 0.4

    def move() -> None:
        joints = [home[0], home[1], home[2], home[3] + angle, *home[4:]]
        world.publishers["leader"].publish(JointState(name=names, position=joints))
        world.publishers["joy"].publish(Joy(axes=[], buttons=[int(index == 4 and pedal) for index in range(9)]))

    spin_a_controller(world, lambda: any("panda_joint4 by -0.40" in text for text in told), move)
    pedal = 1
    spin_a_controller(world, lambda: bool(world.felt), move)
    assert world.felt[0] == pytest.approx(DENIED.intensity) and not world.chunks
    pedal, angle = 0, 0.05
    spin_a_controller(world, lambda: any("aligned" in text for text in told), move)
    pedal = 1
    spin_a_controller(world, lambda: len(world.chunks) >= 4, move)
    angle = 0.3
    sent = len(world.chunks)
    spin_a_controller(world, lambda: len(world.chunks) >= sent + 3, move)
    rows = chunk_from_msg(world.chunks[-1]).actions
    assert rows[-1, 3] - rows[0, 3] > 1e-3 and np.ptp(rows[:, [0, 1, 2, 4, 5, 6]], axis=0).max() < 1e-9


def test_a_page_drives_and_its_end_releases(
    graph: Callable[..., Graph], config_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    document = yaml.safe_load((config_folder / "teleop" / "browser.yaml").read_text())
    document["browser"]["port"], document["joy"]["timeout"] = 0, 2.0
    document["browser"]["lateness"] = 1.0
    (tmp_path / "browser.yaml").write_text(yaml.safe_dump(document))
    (tmp_path / "layouts").symlink_to(config_folder / "teleop" / "layouts")
    world = graph(device="browser", settings=tmp_path / "browser.yaml", max_age=PATIENCE)
    world.up()
    found = re.search(r"drive at (https://\S+)/\?token=(\S+)", capfd.readouterr().err)
    assert found is not None
    open_line, pressed, ended = threading.Event(), threading.Event(), threading.Event()

    async def drive() -> None:
        async with page_session() as session:
            await session.get(f"{found[1]}/?token={found[2]}")
            line = await session.ws_connect(f"{found[1]}/drive", origin=found[1])
            while not ended.is_set():
                buttons = [int(index == 4 and pressed.is_set()) for index in range(17)]
                await line.send_json({"t": 1000 * time.monotonic(), "axes": [0, -1.0, 0, 0], "buttons": buttons})
                with suppress(TimeoutError):
                    if (await line.receive_json(timeout=0.02)).get("open"):
                        open_line.set()

    visitor = threading.Thread(target=lambda: asyncio.run(drive()))
    visitor.start()
    try:
        spin_a_controller(world, lambda: open_line.is_set() and world.node.session.armed)
        assert not world.chunks
        pressed.set()
        spin_a_controller(world, lambda: len(world.chunks) >= 4)
        forward = chunk_from_msg(world.chunks[-1]).actions
        assert np.abs(forward[-1, :7] - forward[0, :7]).max() > 1e-3
    finally:
        ended.set()  # with the dead-man held
        visitor.join()
    spin_a_controller(world, lambda: world.chunks[-1].release)


def test_a_gamepad_that_lacks_a_button_of_its_settings_ends_the_node(
    graph: Callable[..., Graph], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes wrong with a reading from a device's own thread is not swallowed."""
    monkeypatch.setattr(
        device_shell, "open_gamepad", lambda name: Pad({**XBOX, ecodes.EV_KEY: XBOX[ecodes.EV_KEY][:5]})
    )
    world = graph(device="gamepad", layout="xbox")
    world.up()
    with pytest.raises(BcError, match="joystick has 5 of kind 'button'"):
        world.spin_until(lambda: False)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A terminal as standard input; what is written here are its keys."""
    outside, inside = pty.openpty()
    with os.fdopen(inside, "r") as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        yield outside
    os.close(outside)


def test_the_keys_of_a_terminal_drive_and_the_dead_man_goes_with_them(screen: int, graph: Callable[..., Graph]) -> None:
    world = graph(device="keyboard", max_age=PATIENCE)
    world.up()
    spin_a_controller(world, lambda: world.node.session.armed)
    assert not world.chunks
    spin_a_controller(world, lambda: len(world.chunks) >= 5, lambda: os.write(screen, b"w"))
    forward = chunk_from_msg(world.chunks[-1]).actions
    assert np.abs(forward[-1, :7] - forward[0, :7]).max() > 1e-3
    spin_a_controller(world, lambda: world.chunks[-1].release)  # no key comes any more
