"""pyspacemouse's own device class, fed with the reports of a SpaceMouse Compact in the place of hidapi."""

import struct
import sys
from collections import deque
from types import SimpleNamespace

import pytest

from bc_core.errors import BcError
from bc_teleop.devices import spacemouse as module
from bc_teleop.devices.plugged import Plugged
from bc_teleop.devices.spacemouse import SpaceMouseSource, open_spacemouse

pyspacemouse = pytest.importorskip("pyspacemouse", reason="NOT TESTED: SpaceMouse, pyspacemouse is not installed")
FULL = 350  # counts at full deflection


class HidDevice:
    """What pyspacemouse uses of a device of easyhid: one report per read, an empty one where there is none."""

    product_string = manufacturer_string = serial_number = release_number = ""
    vendor_id, product_id = 0x256F, 0xC635  # a SpaceMouse Compact

    def __init__(self) -> None:
        self.reports: deque[bytes] = deque()
        self.pulled = False

    def open(self) -> None: ...

    def close(self) -> None: ...

    def set_nonblocking(self, nonblocking: bool) -> None: ...

    def read(self, size: int) -> bytes:
        if self.pulled:
            raise RuntimeError("hid_read failed")  # as easyhid's exception: no OSError
        return self.reports.popleft() if self.reports else b""

    def move(self, *, translation=(0, 0, 0), rotation=(0, 0, 0), buttons: int = 0) -> None:
        self.reports += [struct.pack("<B3h", 1, *translation), struct.pack("<B3h", 2, *rotation)]
        self.reports.append(struct.pack("<BH", 3, buttons))


@pytest.fixture
def hid(monkeypatch: pytest.MonkeyPatch) -> HidDevice:
    found = HidDevice()
    monkeypatch.setattr("pyspacemouse.api.Enumeration", lambda: SimpleNamespace(find=lambda: [found]))
    return found


def test_the_cap_moves_as_the_tool_does(hid: HidDevice) -> None:
    source = SpaceMouseSource(open_spacemouse(""))
    assert source.name == "SpaceMouseCompact"
    assert source.poll(0.0) == ([0.0] * 6, [0, 0])
    hid.move(translation=(0, -FULL, 0), buttons=1)  # HID: y towards the user; pushed away: forward
    axes, buttons = source.poll(1.0)
    assert axes == pytest.approx([1.0, 0.0, 0.0, 0.0, 0.0, 0.0]) and buttons == [1, 0]
    hid.move(translation=(-FULL, 0, -FULL), rotation=(0, 0, -FULL), buttons=2)  # left, up, counter-clockwise
    axes, buttons = source.poll(1.0)
    assert axes == pytest.approx([0.0, 1.0, 1.0, 0.0, 0.0, 1.0]) and buttons == [0, 1]


def test_a_mouse_that_was_pulled_out_is_an_end_of_readings(hid: HidDevice) -> None:
    said: list[str] = []
    source = SpaceMouseSource(open_spacemouse(""))
    hid.pulled = True
    with pytest.raises(OSError, match="hid_read failed"):
        source.poll(0.0)
    hid.pulled = False
    reader = Plugged("SpaceMouse", lambda: source, lambda reading: setattr(hid, "pulled", True), said.append)
    reader.start()
    reader._thread.join(0.5)
    reader.close()
    assert any("is gone" in text and "let go" in text for text in said)


def test_without_a_mouse_or_without_the_library_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyspacemouse.api.Enumeration", lambda: SimpleNamespace(find=list))
    with pytest.raises(BcError, match=r"no SpaceMouse .*plug one in"):
        open_spacemouse("")
    monkeypatch.setitem(sys.modules, "pyspacemouse", None)
    with pytest.raises(BcError, match="pip install pyspacemouse"):
        module.open_spacemouse("")
