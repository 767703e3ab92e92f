"""Which policy chunk_scheduler asks, and for how long: changed by a service, never in POLICY (docs/skills.md)."""

from dataclasses import dataclass
from typing import Any

from rclpy.node import Node

from bc_core.cycle import SchedulerConfig
from bc_core.delay import DelayEstimator
from bc_core.errors import BcError
from bc_core.grid import NANOSECONDS
from bc_core.scheduler import Scheduler
from bc_msgs.srv import ActivatePolicy


@dataclass
class Prepared:
    """The numbers of one policy; its delay is learned apart from the others'."""

    config: SchedulerConfig
    estimator: DelayEstimator


class Activation:
    """policies: by the key that requests name them with; "": the one that the graph began with, active at once."""

    def __init__(self, node: Node, scheduler: Scheduler, policies: dict[str, Prepared]) -> None:
        self.active: str | None = "" if "" in policies else None
        self.message = ""  # why nothing is asked in POLICY; empty: it is
        self._node, self._scheduler, self._policies = node, scheduler, policies
        self._policy_mode: bool | None = None  # None: the controller has not told
        self._time_limit = 0.0
        self._until: int | None = None  # tick from which on nothing is asked
        node.create_service(ActivatePolicy, "policy/activate", self._on_activate)

    def on_mode(self, policy: bool, epoch: int, tick: int) -> None:
        """The controller changed mode. policy: to POLICY, and chunks may be sent."""
        self._policy_mode = policy
        self._until = None
        if policy and self._time_limit > 0.0:
            self._until = tick + self._scheduler.grid.ceil(round(self._time_limit * NANOSECONDS))
        self.message = "POLICY, but no policy is active: choose a skill" if policy and self.active is None else ""
        self._scheduler.on_mode(policy and self.active is not None, epoch)

    def on_tick(self, tick: int) -> bool:
        """When its time is over a policy is not asked any more: the last rows end, and the controller holds.

        Whoever gave it the time ends it before; this is for the case that they are gone. True: it is over now.
        """
        if self._until is None or tick < self._until:
            return False
        self.active, self._until = None, None
        self._scheduler.on_mode(policy=False, epoch=0)
        self.message = (
            f"the policy's {self._time_limit:g} s are over and nobody has ended it: see whether skill_selector runs"
        )
        return True

    def _on_activate(self, request: Any, response: Any) -> Any:
        try:
            self._activate(request.checkpoint, request.time_limit)
            response.success = True
        except BcError as error:
            response.message = str(error)
            self._node.get_logger().warning(f"policy/activate refused: {error}")
        return response

    def _activate(self, key: str, time_limit: float) -> None:
        if key not in self._policies:
            known = ", ".join(name or "(its own)" for name in self._policies)
            raise BcError(
                f"chunk_scheduler has no checkpoint '{key}' (known: {known}): start it with this skill library"
            )
        if not 0.0 <= time_limit < 1e6:
            raise BcError(f"time_limit is {time_limit:g} s: give 0, or a time above it")
        if self._policy_mode is None:
            raise BcError("the controller has not told its mode yet: see whether it runs")
        if self._policy_mode:
            raise BcError("the policy cannot change in POLICY: ask the controller for HOLD first")
        prepared = self._policies[key]
        self._scheduler.switch(prepared.config, prepared.estimator)
        self.active, self._time_limit = key, time_limit
