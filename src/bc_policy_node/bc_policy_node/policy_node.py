"""policy_node: answers each ChunkRequest with a chunk inferred from the frame of its tick."""

import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from rclpy.experimental import EventsExecutor

from bc_core.checkpoint import load_policy
from bc_core.chunks import Array
from bc_core.contract import Contract
from bc_core.dagger.help import HelpConfig
from bc_core.errors import BcError
from bc_core.fields import ObservationError
from bc_core.frames import Frame, FrameAssembler
from bc_core.mask import Mask
from bc_core.policies.base import Policy
from bc_msgs.msg import ChunkRequest, ControlMode, FrameManifest, PolicyChunk
from bc_nodes import qos
from bc_nodes.convert import to_ns, to_stamp
from bc_nodes.diagnostics import Diagnostics, Level
from bc_nodes.lifecycle import BcLifecycleNode
from bc_nodes.main import run_node
from bc_policy_node.asking import Asking
from bc_policy_node.checkpoints import checkpoints
from bc_policy_node.latency import InjectedLatency
from bc_policy_node.observations import subscribe
from bc_policy_node.warm_up import warm_up

PATIENCE = 0.015
"""How long a request waits for the samples of its tick, which are sent as it is [s]."""


class Loaded(NamedTuple):
    """A policy that may be asked, and the frames for it."""

    policy: Policy
    assembler: FrameAssembler


class PolicyNode(BcLifecycleNode):
    """Loads checkpoints, assembles frames, infers in a thread of its own so that observations keep coming in."""

    def __init__(self) -> None:
        super().__init__("policy_node")
        self.parameter("checkpoint", "", "directory of the policy")
        self.parameter("skills", "", "folder of skills: the policies that requests may name, loaded and warmed up, too")
        self.parameter("contract", "", "contract of the running robot; refused if the policy was trained on another")
        self.parameter("inject_latency", "none", "latency added: none or jitter (150-250 ms, rarely 400 ms)")
        self.parameter("seed", 0, "seed of sampling noise and injected latency")
        self.parameter("threads", 1, "threads of inference")
        self.parameter("help_threshold", 0.0, "disagreement from which on help is asked for (bcros gate); 0: never")
        self.parameter("help_patience", 2.0, "time after which the robot holds if nobody helps [s]")
        self.parameter("ensemble", "", "folder of checkpoints, one in each of its folders: members beside the policy")
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="inference")
        self._request: ChunkRequest | None = None  # that waits for the samples of its tick
        self._asking: Asking | None = None
        self._failure_told = ""  # why the last request had no chunk
        self._newest = 0  # sequence of the newest request: an older one still queued is not worth inferring

    def configure(self) -> None:
        # First, so that scheduler and recorder find the publishers while the policy loads.
        self._answers = self.create_publisher(PolicyChunk, "policy/chunk", qos.COMMAND_OUT)
        self._manifests = self.create_publisher(FrameManifest, "policy/manifest", qos.EVENT)
        self._diagnostics = Diagnostics(self)
        torch.set_num_threads(self.value("threads"))
        contract = Contract.load(self.value("contract"))
        found = checkpoints(self.value("checkpoint"), self.value("skills"))
        unique = {directory: self._load(directory, contract) for directory in dict.fromkeys(found.values())}
        self._policies = {key: unique[directory] for key, directory in found.items()}
        self._latency = InjectedLatency(self.value("inject_latency"), self.value("seed"))
        self._seeds = np.random.default_rng(self.value("seed"))
        for directory, loaded in unique.items():
            seconds = self._worker.submit(warm_up, loaded.policy).result()  # in the thread that will infer
            self.get_logger().info(f"policy '{directory}' warmed up: {1e3 * seconds:.1f} ms per guided chunk")
        self._asking = self._make_asking()
        self._patience = self.create_timer(PATIENCE, self._begin)
        self._patience.cancel()
        subscribe(self, contract, [loaded.assembler for loaded in unique.values()], self._on_sample)
        self.create_subscription(ControlMode, "controller/mode", self._on_mode, qos.LATCHED)
        self.create_subscription(ChunkRequest, "policy/request", self._on_request, qos.COMMAND)

    def close(self) -> None:
        self._worker.shutdown(wait=True, cancel_futures=True)

    def _load(self, directory: str, contract: Contract) -> "Loaded":
        """A policy, and what puts its frames together. BcError: it was trained under another contract."""
        policy = load_policy(directory)
        policy.contract.check_same(
            contract, f"checkpoint '{directory}'", f"contract '{self.value('contract')}'", streams=policy.streams
        )
        return Loaded(policy, FrameAssembler(contract, policy.streams, policy.n_obs_steps))

    def _on_mode(self, mode: ControlMode) -> None:
        """What was seen before tells nothing: a human may have moved things meanwhile, a reset has moved the robot."""
        for loaded in self._policies.values():
            loaded.assembler.begin(to_ns(mode.header.stamp))
        if self._asking is not None:
            self._asking.on_mode(mode)

    def _make_asking(self) -> Asking | None:
        """None: no help is asked for."""
        if self.value("help_threshold") == 0.0:
            return None
        if len(self._policies) > 1 or "" not in self._policies:
            raise BcError("an ensemble is of one policy: set help_threshold to 0, or leave skills empty")
        config = HelpConfig(self.value("help_threshold"), self.value("help_patience"))
        asking = Asking(self, self._policies[""].policy, self.value("ensemble"), config, self._report)
        self._worker.submit(asking.warm_up).result()
        return asking

    def _on_request(self, request: ChunkRequest) -> None:
        if not self.active:
            return
        if request.policy not in self._policies:
            known = ", ".join(key or "(its own)" for key in self._policies)
            detail = (
                f"policy_node has no checkpoint '{request.policy}' (known: {known}): start it with this skill library"
            )
            self._answer(request, PolicyChunk.FAILED, detail)
            return
        self._request = request
        if self._awaits(request):
            self._patience.reset()
        else:
            self._begin()

    def _awaits(self, request: ChunkRequest) -> bool:
        return self._policies[request.policy].assembler.awaits(request.tick)

    def _on_sample(self) -> None:
        if self._request is not None and not self._awaits(self._request):
            self._begin()

    def _begin(self) -> None:
        """The samples of the tick are there, or have been waited for long enough: what is missing then is stale."""
        self._patience.cancel()
        request, self._request = self._request, None
        if request is None:
            return
        try:
            frame = self._policies[request.policy].assembler.frame(request.tick)
        except ObservationError as error:
            self._answer(request, PolicyChunk.OBSERVATION, str(error))
            return
        self._newest = request.sequence
        self._worker.submit(self._infer, request, frame, int(self._seeds.integers(2**31)))

    def _infer(self, request: ChunkRequest, frame: Frame, seed: int) -> None:
        """In the worker thread."""
        if request.sequence != self._newest:
            return
        begin = time.monotonic()
        infer = partial(_chunk, request=request, frame=frame, seed=seed)
        actions: Array | None
        try:
            actions = infer(self._policies[request.policy].policy)
        except Exception as error:  # the scheduler must hear of any failure; the traceback goes to the log
            name = request.policy or self.value("checkpoint")
            failure = f"policy '{name}': inference for tick {request.tick} failed: {_remedied(error)}"
            self.get_logger().error(f"{failure}\n{traceback.format_exc()}")
            self._answer(request, PolicyChunk.FAILED, failure)
            actions = None
        else:
            time.sleep(self._latency.draw())
            self._answer(request, PolicyChunk.OK, "", time.monotonic() - begin, actions)
        self._manifests.publish(self._manifest(request, frame))  # after the answer, which is waited for
        if actions is not None and self._asking is not None:
            self._asking.measure(actions, frame, infer, lambda: request.sequence == self._newest)

    def _answer(
        self,
        request: ChunkRequest,
        status: int,
        detail: str,
        seconds: float = 0.0,
        actions: Array | None = None,
    ) -> None:
        msg = PolicyChunk(
            scheduler_id=request.scheduler_id,
            sequence=request.sequence,
            tick=request.tick,
            mode_epoch=request.mode_epoch,
            status=status,
            detail=detail,
            inference_seconds=seconds,
        )
        msg.header.stamp = self.get_clock().now().to_msg()
        if actions is not None:
            msg.horizon, msg.width = actions.shape
            msg.actions.frombytes(np.ascontiguousarray(actions, dtype=np.float64).tobytes())
        self._answers.publish(msg)
        self._failure_told = detail if status != PolicyChunk.OK else ""
        self._report()

    def _report(self) -> None:
        """What is wrong, or else what help is asked for."""
        asks = self._asking.message if self._asking is not None else ""
        level = Level.ERROR if self._failure_told else Level.WARN if asks else Level.OK
        self._diagnostics.report(level, self._failure_told or asks)

    def _manifest(self, request: ChunkRequest, frame: Frame) -> FrameManifest:
        msg = FrameManifest(
            tick=frame.tick,
            scheduler_id=request.scheduler_id,
            sequence=request.sequence,
            streams=[stream for stream, stamps in frame.stamps.items() for _ in stamps],
            stamps=[to_stamp(stamp) for stamps in frame.stamps.values() for stamp in stamps],
        )
        msg.header.stamp = request.header.stamp
        return msg


def _chunk(policy: Policy, request: ChunkRequest, frame: Frame, seed: int) -> Array:
    """What a policy answers to a request, with the noise of a seed."""
    rows = np.array(request.prefix, dtype=np.float64).reshape(-1, policy.width) if request.prefix_rows else None
    return policy.infer(
        frame,
        rows,
        frozen=request.frozen,
        execution_horizon=request.execution_horizon,
        mask=Mask(request.mask),
        beta=request.beta,
        seed=seed,
    )


def _remedied(error: Exception) -> str:
    """An error in words, with what to do: those of this project tell it themselves."""
    if isinstance(error, BcError):
        return str(error)
    return (
        f"{error!r}: the traceback in policy_node's log says where; if it lasts, check the checkpoint with bcros eval,"
        " or start policy_node with another one"
    )


def main() -> None:
    sys.exit(run_node(PolicyNode, executor_class=EventsExecutor))
