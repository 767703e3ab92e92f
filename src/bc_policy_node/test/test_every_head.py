"""Every shipped policy behind policy_node: a request over ROS is answered by the chunk that its checkpoint infers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
import torch
import yaml
from nav_msgs.msg import Odometry
from rclpy.experimental import EventsExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image, JointState
from two_joints import write_yaml

from bc_core.checkpoint import load_policy, save_policy
from bc_core.contract import Contract
from bc_core.frames import Frame, FrameAssembler
from bc_core.mask import Mask
from bc_core.normalisation import Normaliser
from bc_core.policies.chunk_policy import ChunkPolicy, input_layout
from bc_core.policies.config import PolicyConfig, TrainConfig
from bc_msgs.msg import ChunkRequest, ControllerState, PolicyChunk
from bc_nodes import qos
from bc_nodes.testing import domain_of_its_own
from bc_policy_node.policy_node import PolicyNode

CONFIG = Path(__file__).parents[3] / "config"
NEEDS_A_BACKBONE = {"camera_mae", "camera_resnet18", "camera_vit"}
"""Encoders that begin with weights from elsewhere; bc_core's test_pretraining.py and test_pretrained.py have them."""
SHIPPED = sorted(path.stem for path in (CONFIG / "policies").glob("*.yaml") if path.stem not in NEEDS_A_BACKBONE)
SMALL: dict[str, dict[str, Any]] = {
    "implicit": {"samples": 8, "sampling_steps": 5},
    "vqbet": {"quantiser_steps": 2},
    "lerobot_act": {"vae_layers": 1, "feedforward": 32},
    "lerobot_diffusion": {"blocks": 2, "channels": [16, 32], "sampling_steps": 4},
}
ENCODINGS = ("absolute", "relative", "delta")
POSE = {
    "hand": {"space": "cartesian_pose", "tip": "panda_hand", "frame_id": "panda_link0"},
    "gripper": {"space": "gripper", "names": ["panda_gripper"]},
}
PATIENCE, DT = 20.0, 50_000_000  # s, far beyond what is needed; ns


def configured(name: str, **changed: Any) -> PolicyConfig:
    """A shipped policy, narrow."""
    document = yaml.safe_load((CONFIG / "policies" / f"{name}.yaml").read_text())
    document["policy"] |= {"width": 32, "blocks": 1, **SMALL.get(name, {}), **changed}
    return TrainConfig.from_document(document, name).policy


def checkpoint(folder: Path, contract: Contract, config: PolicyConfig) -> Path:
    """Of random weights, in every layer; its head has seen actions, as before a training."""
    torch.manual_seed(0)
    encoder, features, streams, _ = input_layout(contract, config)
    ones = {
        stream: np.ones((config.n_obs_steps, len(seen.fields) * max(1, len(seen.names))))
        for stream in streams
        if not (seen := contract.observations[stream]).is_image
    }
    size, scale = features(ones).size, np.full((config.horizon, encoder.width), 0.1)
    mean = np.linspace(0.1, 0.9, scale.size).reshape(scale.shape)
    policy = ChunkPolicy(contract, config, Normaliser(np.zeros(size), np.ones(size)), Normaliser(mean, scale))
    for parameter in policy.network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    actions = torch.randn(64, *scale.shape).cumsum(1) / 4.0
    policy.network.head.prepare(actions, torch.ones(64, config.horizon, dtype=torch.bool), torch.Generator())
    save_policy(policy, folder, {})
    return folder


class Asker(Node):
    """A robot that sends all streams of the contract, and asks for chunks."""

    def __init__(self, contract: Contract) -> None:
        super().__init__("asker")
        self.answers: list[PolicyChunk] = []
        arm, gripper = (contract.observations[stream].names for stream in ("arm", "gripper"))
        self._names, self._random = [*arm, *gripper], np.random.default_rng(0)
        self._joints = self.create_publisher(JointState, "joint_states", qos.stream_out(200))
        self._state = self.create_publisher(ControllerState, "controller/state", qos.STATE)
        self._object = self.create_publisher(Odometry, "object/odometry", qos.stream_out(100))
        self._camera = self.create_publisher(Image, "camera/image_raw", qos.stream_out(15))
        self._depth = self.create_publisher(Image, "camera/depth/image_raw", qos.stream_out(15))
        self._request = self.create_publisher(ChunkRequest, "policy/request", qos.COMMAND_OUT)
        self.create_subscription(PolicyChunk, "policy/chunk", self.answers.append, qos.EVENT)
        self.create_timer(0.01, self._send)
        self.create_timer(0.06, self._show)

    def ask(self, policy: Path, mask: Mask, prefix: np.ndarray, frozen: int) -> None:
        request = ChunkRequest(
            sequence=len(self.answers) + 1, tick=self.get_clock().now().nanoseconds // DT, policy=str(policy),
            mask=int(mask), frozen=frozen, execution_horizon=3, beta=5.0, prefix_rows=len(prefix),
            prefix=prefix.ravel().tolist(),
        )  # fmt: skip
        self._request.publish(request)

    def _send(self) -> None:
        joints, state, cube = JointState(name=self._names), ControllerState(), Odometry()
        joints.position = self._random.uniform(0.0, 0.1, len(self._names)).tolist()
        state.tcp.position.x, state.tcp.orientation.w = self._random.uniform(0.3, 0.5), 1.0
        cube.pose.pose.position.x, cube.pose.pose.orientation.w = self._random.uniform(0.3, 0.5), 1.0
        for publisher, message in ((self._joints, joints), (self._state, state), (self._object, cube)):
            message.header.stamp = self.get_clock().now().to_msg()
            publisher.publish(message)

    def _show(self) -> None:
        image = Image(height=96, width=96, encoding="rgb8", step=3 * 96)
        image.data = self._random.integers(0, 256, 3 * 96 * 96, dtype=np.uint8).tobytes()
        depth = Image(height=96, width=96, encoding="16UC1", step=2 * 96)
        depth.data = self._random.integers(0, 3000, 96 * 96, dtype=np.uint16).tobytes()  # mm
        for publisher, message in ((self._camera, image), (self._depth, depth)):
            message.header.stamp = self.get_clock().now().to_msg()
            publisher.publish(message)


class Graph:
    """policy_node with a library of policies, and who asks."""

    def __init__(self, contract: Contract) -> None:
        self.executor, self.asker, self.node = EventsExecutor(), Asker(contract), PolicyNode()
        for node in (self.asker, self.node):
            self.executor.add_node(node)
        self.node.bring_up()
        self._spin(lambda: bool(self.asker.count_subscribers("policy/request")))
        end = self.asker.get_clock().now().nanoseconds + 300_000_000  # every stream has been sent
        self._spin(lambda: self.asker.get_clock().now().nanoseconds > end)

    def answer(self, policy: Path, mask: Mask, prefix: np.ndarray, frozen: int) -> PolicyChunk:
        before = len(self.asker.answers)
        self.asker.ask(policy, mask, prefix, frozen)
        self._spin(lambda: len(self.asker.answers) > before)
        return self.asker.answers[-1]

    def _spin(self, until: Any) -> None:
        end = self.asker.get_clock().now().nanoseconds + PATIENCE * 1e9
        while not until():
            assert self.asker.get_clock().now().nanoseconds < end, "it never happened"
            self.executor.spin_once(timeout_sec=0.05)

    def close(self) -> None:
        self.executor.shutdown()
        self.node.close()
        for node in (self.node, self.asker):
            node.destroy_node()


@pytest.fixture(params=["joints", "pose"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Graph, list[Path]]]:
    """The graph, and its checkpoints: every shipped policy, commanding joints; or, of a flow policy, every encoding of
    joints or of poses."""
    document = yaml.safe_load((CONFIG / "contracts" / "panda_conveyor_depth.yaml").read_text())
    for observation in document["observations"].values():
        observation["max_age"] = PATIENCE  # staleness is not what is tested here
    configs = {f"flow_{encoding}": configured("flow", encoding=encoding) for encoding in ENCODINGS}
    if request.param == "pose":
        document["actions"] = POSE
    else:
        configs |= {name: configured(name) for name in SHIPPED}
    contract = Contract.load(write_yaml(tmp_path / "contract.yaml", document))
    folders = [checkpoint(tmp_path / name, contract, config) for name, config in configs.items()]
    for folder in folders:
        ends = {"success": {"within": {"gripper": {"panda_gripper": [0.01, 0.06]}}}}
        skill = {"skill": folder.name, "description": "any", "checkpoint": str(folder), "timeout": 5.0}
        write_yaml(tmp_path / "library" / f"{folder.name}.yaml", {**skill, "termination": ends})
    parameters = {"skills": tmp_path / "library", "contract": tmp_path / "contract.yaml"}
    overrides = [word for key, value in parameters.items() for word in ("-p", f"policy_node:{key}:={value}")]
    with domain_of_its_own():
        rclpy.init(args=["--ros-args", *overrides])
        graph = Graph(contract)
        yield graph, folders
        graph.close()
        rclpy.shutdown()


def test_every_shipped_policy_answers_over_ros_what_it_infers(
    served: tuple[Graph, list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit for bit, from the frame that the node assembled and the seed that it drew, with every mask it can serve."""
    graph, folders = served
    frames: list[Frame] = []
    assemble = FrameAssembler.frame

    def spy(assembler: FrameAssembler, tick: int) -> Frame:
        frames.append(assemble(assembler, tick))
        return frames[-1]

    monkeypatch.setattr(FrameAssembler, "frame", spy)
    seeds = np.random.default_rng(0)  # the node's own, by its parameter
    for folder in folders:
        policy = load_policy(folder)
        frozen, prefix = 2, np.empty((0, policy.width))
        for mask in sorted(policy.masks):
            rows = frozen if mask not in (Mask.FREE, Mask.COHERENT) else 0
            answer = graph.answer(folder, mask, prefix, rows)
            assert answer.status == PolicyChunk.OK, (folder.name, mask.name, answer.detail)
            chunk = np.frombuffer(answer.actions, dtype=np.float64).reshape(answer.horizon, answer.width)
            seed = int(seeds.integers(2**31))
            expected = policy.infer(frames[-1], prefix, rows, 3, mask, 5.0, seed)
            np.testing.assert_array_equal(chunk, expected, err_msg=f"{folder.name}, {mask.name}")
            prefix = chunk[3:]
