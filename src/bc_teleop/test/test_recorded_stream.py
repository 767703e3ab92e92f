"""When a stream counts as alive, complete or interrupted."""

import struct

import pytest

from bc_core.cdr import header_stamp
from bc_core.contract import Contract
from bc_teleop.recorded_stream import RecordedStream, recorded_streams

MS = 1_000_000


def message(stamp_ns: int, order: str = "<") -> bytes:
    return bytes([0, order == "<", 0, 0]) + struct.pack(order + "iI", *divmod(stamp_ns, 1000 * MS)) + b"rest"


def camera() -> RecordedStream:
    return RecordedStream("camera", "t", latched=False, required=True, period_ns=66 * MS, max_age_ns=200 * MS)


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_stamp_is_read_in_either_byte_order(order: str) -> None:
    assert header_stamp(message(12_000_000_345, order)) == 12_000_000_345


def test_a_message_without_header_is_refused() -> None:
    with pytest.raises(ValueError, match="a message of 6 bytes"):
        header_stamp(b"\x00\x01\x00\x00ab")


def test_a_stream_is_alive_while_its_messages_come() -> None:
    stream = camera()
    assert not stream.is_alive(0)
    stream.receive(1000 * MS, message(990 * MS))
    assert stream.is_alive(1200 * MS)
    assert not stream.is_alive(1201 * MS)


def test_a_slow_stream_may_take_three_periods() -> None:
    stream = RecordedStream("slow", "t", latched=False, required=True, period_ns=1000 * MS, max_age_ns=200 * MS)
    stream.receive(0, message(0))
    assert stream.is_alive(3000 * MS)
    assert not stream.is_alive(3001 * MS)


@pytest.mark.parametrize(("stamp", "complete"), [(1000, True), (940, True), (934, False), (900, False)])
def test_a_tick_is_complete_once_no_further_sample_was_due_by_then(stamp: int, complete: bool) -> None:
    stream = camera()
    assert not stream.is_complete(1000 * MS)
    stream.receive(1000 * MS, message(stamp * MS))
    assert stream.is_complete(1000 * MS) is complete


def test_a_gap_is_told_also_while_it_lasts() -> None:
    stream = camera()
    for stamp in (0, 66, 132):
        stream.receive(stamp * MS, message(stamp * MS))
    assert stream.irregularities(200 * MS) == []
    (text,) = stream.irregularities(1000 * MS)
    assert "'camera' was silent for 0.87 s (limit 0.20 s)" in text
    stream.receive(1132 * MS, message(1132 * MS))
    (text,) = stream.irregularities(1140 * MS)
    assert "silent for 1.00 s" in text
    assert "last seen at 0.132 s" in text
    stream.begin()
    assert stream.irregularities(1140 * MS) == []


def test_a_stream_at_its_rate_is_no_cause_for_a_warning() -> None:
    stream = camera()
    for index in range(60):
        stream.receive(index * 66 * MS, message(index * 66 * MS))
        assert stream.warning(index * 66 * MS) == ""
    assert stream.rhythm.rate(59 * 66 * MS) == pytest.approx(stream.nominal_hz, rel=0.05)


def test_a_dead_a_slow_and_a_late_stream_are_told_apart_while_they_are() -> None:
    dead, slow, late, ahead = camera(), camera(), camera(), camera()
    for index in range(30):
        time = index * 66 * MS
        dead.receive(time, message(time))
        late.receive(time + 300 * MS, message(time))
        ahead.receive(time, message(time + 300 * MS))
    for time in range(0, 4001, 100):
        slow.receive(time * MS, message(time * MS))
    end = 29 * 66 * MS
    assert "'camera' is silent for 0.50 s (limit 0.20 s): check its source" in dead.warning(end + 500 * MS)
    assert "'camera' comes at 10.0 Hz, the contract says 15.1515 Hz" in slow.warning(4000 * MS)
    assert "0.30 s old when they arrive" in late.warning(end + 300 * MS)
    assert "0.30 s in the future" in ahead.warning(end)


def test_stamps_that_go_backwards_are_counted() -> None:
    stream = camera()
    for stamp in (100, 166, 120, 186):
        stream.receive(stamp * MS, message(stamp * MS))
    assert any("went backwards 1 times, first at 0.166 s" in text for text in stream.irregularities(190 * MS))


def test_a_clock_that_was_set_back_begins_a_new_rhythm() -> None:
    stream = camera()
    for time in (50_000, 50_066, 1000, 1066):
        stream.receive(time * MS, message(time * MS))
    assert stream.rhythm.rate(1066 * MS) == pytest.approx(10.0)  # two messages in the least window of 0.2 s
    assert stream.rhythm.bytes_per_second(1066 * MS) == pytest.approx(160.0)
    assert not stream.rhythm.is_settled(1066 * MS)


def test_streams_come_from_the_contract(contract: Contract) -> None:
    streams = recorded_streams(contract, frozenset({"camera", "gripper"}))
    assert {name for name, stream in streams.items() if stream.required} == {
        "joint_states",  # "arm" is on it as well as "gripper"
        "controller/state",
        "object/odometry",
    }
    assert streams["camera/image_raw"].period_ns == pytest.approx(1e9 / 15, abs=1)
    assert streams["controller/mode"].latched
    assert not streams["command/human"].is_periodic
