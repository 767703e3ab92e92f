"""A hand beside a session: every device is offered, and one that reads a terminal is started in it."""

import os
import pty
import signal
import subprocess
import sys

import pytest

from bc_bringup import resources
from bc_bringup.cli import parser
from bc_bringup.commands import dagger, teleop
from bc_bringup.commands.common import Setup
from bc_bringup.launching.domain import nodes_present
from bc_bringup.launching.expand import declared_arguments
from bc_core.errors import BcError
from bc_nodes.testing import domain_of_its_own
from bc_teleop.device_names import DEVICES, EXPERTS, HANDS, KEYBOARD

LAUNCHED = {*HANDS, teleop.LAUNCHED_BY_HAND} - {KEYBOARD}


@pytest.mark.parametrize(
    ("name", "experts"), [("collect", {"scripted"}), ("rollout", {"intervening"}), ("dagger", {"intervening"})]
)
def test_launch_files_offer_every_device_that_needs_no_terminal(name: str, experts: set[str]) -> None:
    (device,) = [found for found in declared_arguments(resources.launch_path(name)) if found.name == "device"]
    assert set(device.choices) == LAUNCHED | experts and len(device.choices) == len(LAUNCHED | experts)
    assert experts <= set(EXPERTS)


@pytest.mark.parametrize("device", HANDS)
def test_commands_offer_every_hand(device: str) -> None:
    for command in (["dagger", "demonstrations"], ["collect", "--episodes", "1"], ["teleop"]):
        assert parser().parse_args([*command, "--device", device]).device == device
    assert dagger.OPERATORS[0] == "intervening"  # unless another is named


def test_only_the_keyboard_is_started_by_hand() -> None:
    here = Setup(namespace="left", robot="panda")
    started = {device: teleop.launched(device)["device"] for device in DEVICES}
    assert started == {**{device: device for device in DEVICES}, KEYBOARD: teleop.LAUNCHED_BY_HAND}
    assert teleop.by_hand(here, KEYBOARD) == {"/left/teleop": "bcros teleop --device keyboard --namespace left"}
    assert teleop.by_hand(Setup(), KEYBOARD) == {"/teleop": "bcros teleop --device keyboard"}
    assert not any(teleop.by_hand(here, device) for device in DEVICES if device != KEYBOARD)
    with pytest.raises(BcError, match="unknown robot 'nix'"):
        teleop.command(Setup(robot="nix"), "joy")


@pytest.mark.parametrize("command", [["dagger", "demonstrations"], ["collect", "--episodes", "1"], ["teleop"]])
def test_a_pad_of_another_maker_is_named_beside_the_device(command: list[str]) -> None:
    args = parser().parse_args([*command, "--device", "joy", "--layout", "playstation"])
    assert teleop.launched(args.device, args.layout) == {"device": "joy", "layout": "playstation"}
    with pytest.raises(BcError, match=r"unknown layout 'arcade' \(known: browser, game_controller"):
        teleop.launched("joy", "arcade")


def test_the_keyboard_gets_the_terminal_of_the_command() -> None:
    """The node is there under the name that a session waits for, and would not be without a terminal."""
    outside, inside = pty.openpty()
    bcros = [sys.executable, "-m", "bc_bringup.cli", "teleop", "--namespace", "left"]
    with domain_of_its_own():
        refused = subprocess.run(
            bcros, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False
        )
        assert refused.returncode != 0 and "needs a terminal" in refused.stderr + refused.stdout
        node = subprocess.Popen(bcros, stdin=inside)
        try:
            (name,) = teleop.by_hand(Setup(namespace="left"), KEYBOARD)
            assert name in nodes_present(60.0, lambda present: name in present)
        finally:
            node.send_signal(signal.SIGINT)
            node.wait(30)
            for descriptor in (outside, inside):
                os.close(descriptor)
