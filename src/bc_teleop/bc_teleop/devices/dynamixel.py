"""A leader arm of Dynamixel servos on their bus (protocol 2.0, X series), through dynamixel-sdk.

The servos are read together (sync read of the present position), and their torque is off, so that a hand can move them.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bc_core.errors import BcError
from bc_teleop.devices.plugged import Plugged

LeaderReading = dict[str, float]
"""Angle from the middle of the servo's turn [rad], by id."""

TORQUE_ENABLE = 64  # control table of the X series: address ...
PRESENT_POSITION, POSITION_BYTES = 132, 4
COUNTS, MIDDLE = 4096, 2048  # of a turn
_MISSES = 3  # readings in a row that may fail: a packet is lost now and then, a cable that was pulled stays so
_BLOCK = 0.002  # [s] of waiting for bytes at once: without it the SDK spins, and keeps other threads from running


@dataclass(frozen=True)
class BusConfig:
    """port: of the adapter. baud: of the servos. ids: all that are read. rate [Hz]."""

    port: str = "/dev/ttyUSB0"
    baud: int = 1_000_000
    ids: tuple[int, ...] = ()
    rate: float = 100.0


class DynamixelSource:
    """An open bus, as plugged.Source. BcError: no port, or a servo that does not answer."""

    def __init__(self, config: BusConfig) -> None:
        self._sdk = sdk = _library()
        self._config, self.name = config, config.port
        self._port = sdk.PortHandler(config.port)
        self._packets = sdk.PacketHandler(2.0)
        self._open()
        self._group = sdk.GroupSyncRead(self._port, self._packets, PRESENT_POSITION, POSITION_BYTES)
        for number in config.ids:
            self._group.addParam(number)
        try:
            for number in config.ids:
                self._let_loose(number)
        except BcError:
            self._port.closePort()
            raise
        self._due = time.monotonic()
        self._missed = 0
        self._reading: LeaderReading = {}

    def poll(self, seconds: float) -> LeaderReading:
        """One reading per period; for a lost packet the one before. OSError: the bus does not answer any more."""
        self._due = max(self._due + 1.0 / self._config.rate, time.monotonic())
        time.sleep(min(max(self._due - time.monotonic(), 0.0), seconds))
        result = self._group.txRxPacket()
        self._missed = 0 if result == self._sdk.COMM_SUCCESS else self._missed + 1
        if self._missed >= _MISSES:
            raise OSError(self._packets.getTxRxResult(result))
        if not self._missed:
            self._reading = {str(number): self._angle(number) for number in self._config.ids}
        return self._reading

    def close(self) -> None:
        self._port.closePort()

    def _open(self) -> None:
        config = self._config
        try:
            opened = self._port.setBaudRate(config.baud)
        except OSError as error:  # serial.SerialException
            raise BcError(
                f"leader's bus '{config.port}' cannot be opened ({error}): plug the adapter in, correct "
                "`dynamixel.port`, and give this user access (group 'dialout')"
            ) from error
        if not opened:
            raise BcError(f"dynamixel.baud = {config.baud}: dynamixel-sdk has no such rate: use e.g. 57600 or 1000000")
        self._port.ser.timeout = _BLOCK

    def _let_loose(self, number: int) -> None:
        result, error = self._packets.write1ByteTxRx(self._port, number, TORQUE_ENABLE, 0)
        if result != self._sdk.COMM_SUCCESS or error != 0:
            reason = self._packets.getTxRxResult(result) if result else self._packets.getRxPacketError(error)
            raise BcError(
                f"servo {number} on '{self._config.port}' at {self._config.baud} baud: {reason} Correct "
                "`leader.joints` and `dynamixel.baud`, or power the bus"
            )

    def _angle(self, number: int) -> float:
        counts = self._group.getData(number, PRESENT_POSITION, POSITION_BYTES)
        signed = counts - (1 << 32) if counts >= 1 << 31 else counts
        return (signed - MIDDLE) * 2.0 * math.pi / COUNTS


def dynamixel(
    config: BusConfig, receive: Callable[[LeaderReading], None], say: Callable[[str], None]
) -> Plugged[LeaderReading]:
    """Reads the bus."""
    return Plugged("leader arm", lambda: DynamixelSource(config), receive, say)


def _library() -> Any:
    try:
        import dynamixel_sdk
    except ImportError as error:
        raise BcError(
            "leader.source 'dynamixel' needs dynamixel-sdk: pip install dynamixel-sdk==4.1.0, or use source 'topic'"
        ) from error
    return dynamixel_sdk
