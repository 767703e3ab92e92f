"""A learned policy in virtual time: frames from the cell's messages, as policy_node assembles them."""

from typing import Any

import numpy as np

from bc_bringup.virtual.cell import VirtualCell
from bc_bringup.virtual.streams import VirtualStreams
from bc_controllers import ModeChange
from bc_core.chunks import Array
from bc_core.contract import Contract
from bc_core.cycle import Request
from bc_core.errors import BcError
from bc_core.frames import FrameAssembler
from bc_core.policies.base import Policy


def sees_camera(policy: Policy) -> bool:
    """Whether pictures must be rendered for it."""
    return any(policy.contract.observations[stream].is_image for stream in policy.streams)


class Student:
    """Answers requests at the time of their tick. BcError: it was trained on another contract, or observes what these
    streams do not tell.
    """

    def __init__(self, policy: Policy, contract: Contract, cell: VirtualCell, streams: VirtualStreams) -> None:
        policy.contract.check_same(contract, "the policy", f"contract '{contract.name}'", streams=policy.streams)
        self.policy, self._streams, self._contract = policy, streams, contract
        self._assembler = FrameAssembler(contract, policy.streams, policy.n_obs_steps)
        self._seeds = np.random.default_rng(0)
        self._by_topic: dict[str, list[str]] = {}
        for stream in policy.streams:
            topic = contract.observations[stream].topic
            if topic not in streams.observed:
                raise BcError(
                    f"the policy observes '{stream}', but in virtual time there is no {topic}: roll it out in real "
                    "time (bcros rollout, bcros dagger --expert operator), or train a policy without it"
                )
            self._by_topic.setdefault(topic, []).append(stream)
        streams.listeners.append(self._hear)
        cell.on_mode.append(self._on_mode)

    def begin(self, seed: int) -> None:
        """A new episode, with sampling noise of its own."""
        self._seeds = np.random.default_rng(seed)

    def __call__(self, request: Request) -> Array:
        """The chunk (H, D) for a request."""
        self._streams.catch_up(self._contract.grid.time(request.tick))
        frame = self._assembler.frame(request.tick)
        return self.policy.infer(
            frame,
            request.prefix,
            frozen=request.frozen,
            execution_horizon=request.execution_horizon,
            mask=request.mask,
            seed=int(self._seeds.integers(2**31)),
        )

    def _hear(self, topic: str, time_ns: int, message: Any) -> None:
        for stream in self._by_topic.get(topic, ()):
            self._assembler.take(stream, message)

    def _on_mode(self, change: ModeChange) -> None:
        self._assembler.begin(change.stamp_ns)
