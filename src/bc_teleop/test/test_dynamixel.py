"""The servos' bus through dynamixel-sdk itself, against a pseudo-terminal that answers as servos do."""

import math
from collections.abc import Iterator

import pytest
from servo_stand_in import Servos

from bc_core.errors import BcError
from bc_teleop.devices.dynamixel import BusConfig, DynamixelSource


@pytest.fixture
def servos() -> Iterator[Servos]:
    servos = Servos({1: 2048, 2: 3072, 3: -1024})
    yield servos
    servos.close()


def test_angles_are_read_together_and_the_torque_is_off(servos: Servos) -> None:
    source = DynamixelSource(BusConfig(servos.port, 1_000_000, (1, 2, 3), rate=500.0))
    assert servos.torque == {1: 0, 2: 0, 3: 0}
    angles = source.poll(1.0)
    assert angles == pytest.approx({"1": 0.0, "2": math.pi / 2, "3": -3 * math.pi / 2})
    servos.positions[1] = 1024
    assert source.poll(1.0)["1"] == pytest.approx(-math.pi / 2)
    source.close()


def test_a_lost_packet_repeats_the_reading_and_a_pulled_cable_is_told(servos: Servos) -> None:
    source = DynamixelSource(BusConfig(servos.port, 1_000_000, (1, 2), rate=500.0))
    before = source.poll(1.0)
    servos.corrupt, servos.positions[1] = True, 0
    assert source.poll(1.0) == before
    servos.corrupt = False
    assert source.poll(1.0) != before
    servos.mute = {2}
    with pytest.raises(OSError, match="no status packet"):
        for _ in range(10):
            source.poll(1.0)
    source.close()


def test_a_servo_that_is_not_there_and_a_port_that_is_not_there_are_named(servos: Servos) -> None:
    with pytest.raises(BcError, match=r"servo 7 on .*power the bus"):
        DynamixelSource(BusConfig(servos.port, 57600, (1, 7)))
    with pytest.raises(BcError, match=r"/dev/nowhere.*cannot be opened"):
        DynamixelSource(BusConfig("/dev/nowhere", 57600, (1,)))
    with pytest.raises(BcError, match="baud = 12345"):
        DynamixelSource(BusConfig(servos.port, 12345, (1,)))
