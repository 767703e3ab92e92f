"""Servos on a bus: a pseudo-terminal that speaks protocol 2.0 (ping apart) as an X-series servo does."""

import os
import pty
import select
import struct
import threading
import tty

READ, WRITE, SYNC_READ, STATUS = 0x02, 0x03, 0x82, 0x55
HEADER = b"\xff\xff\xfd\x00"


def crc16(data: bytes) -> int:
    """CRC-16/UMTS (polynomial 0x8005), bit by bit."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = ((crc << 1) ^ 0x8005 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


class Servos:
    """positions: counts by id. torque: what was written, by id. mute: ids that do not answer. port: to open."""

    def __init__(self, positions: dict[int, int]) -> None:
        self.positions = dict(positions)
        self.torque: dict[int, int] = {}
        self.mute: set[int] = set()
        self.corrupt = False
        self._bus, self._line = pty.openpty()
        tty.setraw(self._line)
        self.port = os.ttyname(self._line)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        os.close(self._bus)
        os.close(self._line)

    def _run(self) -> None:
        waiting = b""
        while not self._stopping.is_set():
            if not select.select([self._bus], [], [], 0.01)[0]:
                continue
            waiting += os.read(self._bus, 512)
            while len(waiting) >= 7:
                assert waiting[:4] == HEADER
                end = 7 + struct.unpack_from("<H", waiting, 5)[0]
                if len(waiting) < end:
                    break
                self._obey(waiting[:end])
                waiting = waiting[end:]

    def _obey(self, packet: bytes) -> None:
        assert crc16(packet[:-2]) == struct.unpack("<H", packet[-2:])[0]
        number, instruction, parameters = packet[4], packet[7], packet[8:-2]
        if instruction == WRITE and number in self.positions:
            self.torque[number] = parameters[2]
            self._answer(number, b"")
        elif instruction == SYNC_READ:
            for asked in parameters[4:]:
                if asked in self.positions:
                    self._answer(asked, struct.pack("<i", self.positions[asked]))

    def _answer(self, number: int, parameters: bytes) -> None:
        if number in self.mute:
            return
        head = HEADER + bytes([number]) + struct.pack("<H", len(parameters) + 4) + bytes([STATUS, 0]) + parameters
        checksum = crc16(head) ^ (0xFFFF if self.corrupt else 0)
        os.write(self._bus, head + struct.pack("<H", checksum))
