"""The C++ arbiter keeps docs/protocol.md: scripted chunks, requests, faults and clock readings in virtual time."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bc_controllers import Arbiter, ControllerConfig
from bc_core.chunks import ActionGroup, Space
from bc_msgs.msg import ChunkAck, ControllerState, ControlMode
from bc_msgs.srv import ChangeMode
from scenarios import load, refuse_unknown

START = 10.0  # s
PERIOD_NS = 1_000_000
JOINTS = ["a", "b"]
CONFIG = {
    "period": PERIOD_NS / 1e9,
    "base_frame": "base",
    "tcp_frame": "tip",
    "blend_time": 0.1,
    "output": "joint_impedance",
    "groups": [
        {"name": "arm", "space": "joint_position", "names": JOINTS},
        {"name": "gripper", "space": "gripper", "names": ["g"]},
    ],
    "impedance": {
        "stiffness": [100.0, 100.0],
        "damping": [10.0, 10.0],
        "gravity_compensation": True,
        "coriolis_compensation": True,
        "inertia_compensation": False,
    },
    "limits": {
        "position_margin": 0.0,
        "velocity": [2.0, 2.0],
        "acceleration": [10.0, 10.0],
        "peak_acceleration": 10.0,
        "velocity_margin": 0.1,
        "joint_error": [0.2, 0.2],
        "torque": [10.0, 10.0],
        "torque_rate": 1000.0,
        "gripper_opening": [0.0, 0.08],
        "gripper_velocity": 1.0,
    },
    "workspace": {
        "lower": [-1.0, -1.0, -1.0],
        "upper": [1.0, 1.0, 1.0],
        "linear_velocity": 1.0,
        "angular_velocity": 2.0,
        "linear_acceleration": 5.0,
        "angular_acceleration": 10.0,
        "peak_acceleration": 10.0,
    },
    "ladder": {
        "hold_time": 0.3,
        "lease_time": 0.25,
        "compliant_time": 2.0,
        "compliant_scale": 0.3,
        "recovery_time": 1.0,
    },
    "safety": {"clock_tolerance": 0.5, "receive_time": 5.0, "frozen_encoder_motion": 0.1},
}


def arbiter_config() -> ControllerConfig:
    config = ControllerConfig.from_dict(CONFIG)
    config.position_lower, config.position_upper = [-2.0, -2.0], [2.0, 2.0]
    return config


def to_ns(seconds: float) -> int:
    return round(seconds * 1e9)


class Driver:
    """Runs one scenario's steps on an arbiter."""

    def __init__(self) -> None:
        self.arbiter = Arbiter(arbiter_config(), [0.1, -0.2], 0.04)
        self.now_ns = to_ns(START)
        self.reference = self.arbiter.advance(self.now_ns)
        self.arbiter.poll_modes()

    def step(self, step: dict[str, Any]) -> None:
        refuse_unknown(step, {"at", "send", "request", "fault", "expect"})
        while self.now_ns < to_ns(step["at"]):
            self.now_ns += PERIOD_NS
            self.reference = self.arbiter.advance(self.now_ns)
        sends = step.get("send", [])
        for send in sends if isinstance(sends, list) else [sends]:
            self.arbiter.submit(send["source"], chunk(send))
        if "request" in step:
            self.arbiter.request(getattr(ChangeMode.Request, step["request"]), "scenario")
        if "fault" in step:
            self.arbiter.fault(step["fault"])
        if "expect" in step:
            self.check(step["expect"])

    def check(self, expect: dict[str, Any]) -> None:
        refuse_unknown(
            expect,
            {"mode", "epoch", "reference", "tolerance", "row", "acks", "modes", "results", "ladder", "moving"}
            | {"starved", "refused"},
        )
        if "mode" in expect:
            assert self.arbiter.mode == getattr(ControlMode, expect["mode"])
        if "epoch" in expect:
            assert self.arbiter.epoch == expect["epoch"]
        if "reference" in expect:
            np.testing.assert_allclose(self.reference, expect["reference"], atol=expect.get("tolerance", 1e-9))
        if "row" in expect:
            assert self.arbiter.row == pytest.approx(expect["row"], abs=0.03)
        if "ladder" in expect:
            assert self.arbiter.ladder == getattr(ControllerState, expect["ladder"])
        if "moving" in expect:
            assert bool(np.any(np.abs(self.arbiter.velocity) > 1e-6)) == expect["moving"]
        if "starved" in expect:
            low, high = expect["starved"]
            assert low <= self.arbiter.status().starved_periods <= high
        if "refused" in expect:
            assert self.arbiter.status().chunks_refused == expect["refused"]
        self.check_acks(expect.get("acks", []))
        self.check_modes(expect.get("modes", []))
        if "results" in expect:
            assert [result.success for result in self.arbiter.poll_results()] == expect["results"]

    def check_acks(self, expected: list[dict[str, Any]]) -> None:
        acks = self.arbiter.poll_acks()
        said = [(ack.sequence, ack.verdict, ack.reason, ack.detail) for ack in acks]
        assert len(acks) == len(expected), f"acknowledged: {said}"
        for ack, want in zip(acks, expected, strict=True):
            within = want.get("within", 1e-6)
            for key, value in want.items():
                if key in ("verdict", "reason"):
                    assert getattr(ack, key) == getattr(ChunkAck, value), f"{key} of {said}"
                elif key == "effective":
                    assert ack.effective_ns == pytest.approx(to_ns(value), abs=to_ns(within))
                elif key != "within":
                    assert getattr(ack, key) == pytest.approx(value, abs=within), key
            if ack.verdict == ChunkAck.REFUSED:
                assert ack.reason != ChunkAck.NONE
                assert ack.detail, "a refusal says why"

    def check_modes(self, expected: list[dict[str, Any]]) -> None:
        changes = self.arbiter.poll_modes()
        said = [(change.mode, change.epoch, change.reason) for change in changes]
        assert len(changes) == len(expected), f"modes: {said}"
        for change, want in zip(changes, expected, strict=True):
            assert change.mode == getattr(ControlMode, want["mode"]), said
            assert change.epoch == want.get("epoch", change.epoch), said
            assert change.reason == want.get("reason", change.reason), said
            if "previous" in want:
                assert change.previous_mode == getattr(ControlMode, want["previous"]), said


def chunk(send: dict[str, Any]) -> SimpleNamespace:
    """The chunk that a `send` describes, sound or not: `rows`, or `hold`: n rows, or `ramp`: start and step."""
    refuse_unknown(
        send,
        {"source", "stamp", "dt", "rows", "hold", "ramp", "horizon", "epoch", "sequence", "producer_id"}
        | {"release", "joints", "alter"},
    )
    if "rows" in send:
        rows = np.array(send["rows"], dtype=float)
    elif "hold" in send:
        rows = np.tile([0.1, -0.2, 0.04], (send["hold"], 1))
    else:
        start, slope = np.array(send["ramp"], dtype=float)
        rows = start + np.arange(send["horizon"])[:, None] * slope
    fields = {
        "stamp_ns": to_ns(send["stamp"]),
        "dt_ns": to_ns(send.get("dt", 0.05)),
        "horizon": rows.shape[0],
        "groups": (
            ActionGroup("arm", Space.JOINT_POSITION, tuple(send.get("joints", JOINTS)), 0, 2),
            ActionGroup("gripper", Space.GRIPPER, ("g",), 2, 1),
        ),
        "actions": rows,
        "producer": send["source"],
        "producer_id": send.get("producer_id", 1),
        "sequence": send.get("sequence", 1),
        "mode_epoch": send.get("epoch", 1),
        "frozen": 0,
        "release": send.get("release", False),
    }
    return SimpleNamespace(**fields | send.get("alter", {}))


@pytest.mark.parametrize("steps", load("arbiter"))
def test_arbiter(steps: list[dict[str, Any]]) -> None:
    driver = Driver()
    for step in steps:
        driver.step(step)
