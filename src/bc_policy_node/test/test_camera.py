"""policy_node with policies that see, loaded from checkpoints: they answer from the pictures of their manifest."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from little_graph import Robot, running
from sensor_msgs.msg import Image
from two_joints import CONTRACT, write_checkpoint, write_yaml

from bc_core.checkpoint import load_policy, save_policy
from bc_core.contract import Contract
from bc_core.fields import extract, stamp_ns
from bc_core.frames import Frame, FrameAssembler, manifest_stamps
from bc_core.policies.chunk_policy import ChunkPolicy
from bc_core.policies.vision.config import ResNetConfig, SpatialSoftmaxConfig, VisionConfig, VitConfig
from bc_msgs.msg import ControlMode, PolicyChunk
from bc_nodes import qos
from bc_nodes.convert import to_ns

SIDE, STEPS = 32, 2
CAMERA = {
    "topic": "camera/image_raw",
    "type": "sensor_msgs/msg/Image",
    "shape": [SIDE, SIDE, 3],
    "encoding": "rgb8",
    "rate": 25,
    "rule": "asof",
    "latency": 0.0,
    "max_age": 1.0,
}
ENCODERS = [
    SpatialSoftmaxConfig(maps=4),
    ResNetConfig(stem="small", maps=4),
    VitConfig(patch=8, width=16, depth=1, heads=2),
]


class SeeingRobot(Robot):
    """Sends another picture every 40 ms."""

    def __init__(self) -> None:
        super().__init__()
        self.pictures: list[Image] = []
        self._noise = np.random.default_rng(0)
        self._camera = self.create_publisher(Image, "camera/image_raw", qos.stream_out(25))
        self.create_timer(0.04, self._look)

    def _look(self) -> None:
        picture = Image(height=SIDE, width=SIDE, encoding="rgb8", step=3 * SIDE)
        picture.header.stamp = self.get_clock().now().to_msg()
        picture.data.frombytes(self._noise.integers(0, 256, 3 * SIDE * SIDE, dtype=np.uint8).tobytes())
        self.pictures.append(picture)
        self._camera.publish(picture)


@pytest.fixture(params=ENCODERS, ids=lambda encoder: encoder.type)
def files(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    """Checkpoint and contract."""
    if isinstance(request.param, VitConfig):
        pytest.importorskip("transformers")
    observations = {**CONTRACT["observations"], "camera": CAMERA}
    contract = write_yaml(tmp_path / "contract.yaml", {**CONTRACT, "observations": observations})
    vision = VisionConfig({"default": request.param})
    checkpoint = write_checkpoint(tmp_path / "checkpoint", contract, 16, ("arm", "camera"), vision, STEPS)
    policy = load_policy(checkpoint, trainable=True)
    with torch.no_grad():  # an untrained network's last layer is zero: it would say the same of every picture
        for parameter in policy.network.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    save_policy(policy, checkpoint, {})
    return checkpoint, contract


def test_a_policy_with_a_camera_answers_from_the_pictures_of_its_manifest(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[int, tuple[Any, ...]] = {}
    infer = ChunkPolicy.infer

    def spy(policy: ChunkPolicy, frame: Frame, *args: Any, **options: Any) -> Any:
        asked[frame.tick] = (args, options)
        return infer(policy, frame, *args, **options)

    monkeypatch.setattr(ChunkPolicy, "infer", spy)
    with running(*files, SeeingRobot) as graph:
        robot = graph.robot
        assert isinstance(robot, SeeingRobot)
        graph.bring_up()
        graph.until(lambda: all(map(robot.count_subscribers, ("controller/mode", "camera/image_raw"))))
        robot.mode(ControlMode.POLICY, 2)
        graph.until(lambda: len(robot.chunks) >= 3 and len(robot.manifests) >= 3)
    contract, policy = Contract.load(files[1]), load_policy(files[0])
    recorded = FrameAssembler(contract, n_obs_steps=STEPS, keep=None)
    for stream, sent in (("arm", robot.sent), ("camera", robot.pictures)):
        for msg in sent:
            recorded.add(stream, stamp_ns(msg), extract(contract.observations[stream], msg))
    answers = {answer.tick: answer for answer in robot.answers if answer.status == PolicyChunk.OK}
    for manifest in robot.manifests:
        assert manifest.streams == ["arm"] * STEPS + ["camera"] * STEPS
        frame = recorded.rebuild(manifest.tick, manifest_stamps(manifest.streams, map(to_ns, manifest.stamps)))
        args, options = asked[manifest.tick]
        answer = np.array(answers[manifest.tick].actions).reshape(16, 2)
        np.testing.assert_array_equal(answer, infer(policy, frame, *args, **options))
        dark = replace(frame, values={**frame.values, "camera": np.zeros_like(frame.values["camera"])})
        assert not np.array_equal(answer, infer(policy, dark, *args, **options))
