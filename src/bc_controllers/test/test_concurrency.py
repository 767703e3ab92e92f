"""The loop and everybody else at once: nothing is allocated in it, and nothing is lost around it."""

import json
import subprocess
import threading
from collections import Counter
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from bc_controllers import Controller, Robot
from bc_core.chunks import ActionChunk
from bc_msgs.msg import ChunkAck

Array = npt.NDArray[np.float64]
Program = Callable[[str], str]


def run(*command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """A program with its output."""
    return subprocess.run(command, capture_output=True, text=True, check=check, timeout=120)


def test_the_control_loop_never_touches_the_heap(robot: Robot, program: Program) -> None:
    """A program that counts every heap call runs update() through all modes, rungs of the ladder and refusals."""
    reports = [json.loads(line) for line in run(program("allocation_test"), str(robot.urdf)).stdout.splitlines()]
    assert len({(report["output"], report["pose"]) for report in reports}) == 6
    for report in reports:
        assert (report["modes"], report["rungs"], report["reasons"]) == (5, 4, 12)
        assert report["periods"] > 8000
        assert report["heap_calls"] == 0


def test_the_counter_of_that_program_counts(robot: Robot, program: Program) -> None:
    """One allocation a period, made on purpose, is found: otherwise the test above would prove nothing."""
    output = run(program("allocation_test"), str(robot.urdf), "--allocate").stdout
    for report in map(json.loads, output.splitlines()):
        assert report["heap_calls"] >= report["periods"]


def test_address_and_undefined_behaviour_sanitizers_find_nothing(robot: Robot, program: Program) -> None:
    """Every output through all modes, refusals and live settings, and a fork of it."""
    done = run(program("memory_test"), str(robot.urdf), check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["periods"] > 6 * 8000


def test_thread_sanitizer_finds_nothing_in_the_hand_over(program: Program) -> None:
    """Chunks, requests, settings and state, from five threads at once."""
    done = run(program("hand_over_test"), check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["periods"] > 0 and report["answers"] > 0


def test_thread_sanitizer_finds_a_race_made_on_purpose(program: Program) -> None:
    done = run(program("hand_over_test"), "--race", check=False)
    assert done.returncode != 0 and "data race" in done.stderr


@pytest.mark.parametrize("source", ["policy", "human", "planner"])
def test_every_chunk_from_another_thread_is_answered_once(
    controller: Controller, robot: Robot, make_chunk: Callable[..., ActionChunk], source: str
) -> None:
    home, total = np.array(robot.home), 300
    rows = np.hstack([np.tile(home, (3, 1)), np.full((3, 1), 0.04)])
    start = 10_000_000_000
    chunks = [make_chunk(rows, start, mode_epoch=1, dt_ns=1_000_000_000) for _ in range(total)]

    def send() -> None:
        for chunk in chunks:
            controller.submit(source, chunk)

    sender = threading.Thread(target=send)
    sender.start()
    answered: Counter[int] = Counter()
    now = start
    while sender.is_alive() or now < start + 50_000_000:
        controller.update(now, now, home, np.zeros(7), 0.04)
        answered.update(ack.sequence for ack in controller.poll_acks())
        now += 1_000_000
    sender.join()
    controller.update(now, now, home, np.zeros(7), 0.04)
    answered.update(ack.sequence for ack in controller.poll_acks())
    assert answered == Counter(range(1, total + 1))
    status = controller.status()
    assert status.chunks_in_force + status.chunks_refused == total
    assert status.acks_lost == 0
    assert sum(status.refused_by_reason) == status.chunks_refused
    assert status.refused_by_reason[ChunkAck.NONE] == 0
