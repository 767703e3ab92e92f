"""skill_selector: one skill after another, chosen by name, a state machine or a model: a shell over bc_core.skills."""

import sys
from collections.abc import Callable
from typing import Any

from rclpy.experimental import EventsExecutor
from std_srvs.srv import Trigger

from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.modes import Mode
from bc_core.skills.asking import ModelSelector
from bc_core.skills.director import Director, Selector
from bc_core.skills.endpoint import Endpoint
from bc_core.skills.executive import Executive, Outcome, Phase
from bc_core.skills.library import Library
from bc_core.skills.machine import Machine, MachineSelector
from bc_core.skills.world import World
from bc_msgs.msg import ControlMode, SkillStatus
from bc_msgs.srv import SelectSkill
from bc_nodes import qos
from bc_nodes.convert import to_ns
from bc_nodes.diagnostics import Diagnostics, Level
from bc_nodes.lifecycle import BcLifecycleNode
from bc_nodes.main import run_node
from bc_nodes.ticks import TickTimer
from bc_policy_node.observations import subscribe
from bc_policy_node.skill_calls import Calls

SELECTORS = ("name", "machine", "vlm")
_PHASES = {phase: getattr(SkillStatus, phase.name) for phase in Phase}
_OUTCOMES = {outcome: getattr(SkillStatus, outcome.name) for outcome in Outcome}


class SkillSelector(BcLifecycleNode):
    """Watches preconditions and terminations at every tick, and asks controller, scheduler and planner accordingly."""

    def __init__(self) -> None:
        super().__init__("skill_selector")
        self.parameter("skills", "", "folder of skills, one YAML file each")
        self.parameter("contract", "", "contract of the running robot: what conditions may look at")
        self.parameter(
            "selector", "name", f"who chooses after skill/start: one of {', '.join(SELECTORS)} (name: nobody)"
        )
        self.parameter("machine", "", "selector machine: file of the state machine")
        self.parameter("endpoint", "", "selector vlm: URL of an OpenAI-compatible endpoint, up to the version")
        self.parameter("model", "", "selector vlm: name of the model")
        self.parameter("goal", "", "selector vlm: what is to be reached, in words")
        self.parameter("camera", "camera", "selector vlm: image observation that the model sees")
        self.parameter(
            "key_variable", "OPENAI_API_KEY", "selector vlm: environment variable with the key; empty: no key"
        )
        self.parameter("answer_timeout", 20.0, "selector vlm: time in which the whole answer must have come [s]")
        self._model: ModelSelector | None = None
        self._told: SkillStatus | None = None

    def configure(self) -> None:
        library = Library.load(self.value("skills"))
        contract = Contract.load(self.value("contract"))
        kind = self.value("selector")
        if kind not in SELECTORS:
            raise BcError(f"selector is '{kind}': choose one of {', '.join(SELECTORS)}")
        world = World(contract, library, self.value("camera") if kind == "vlm" else "")
        calls = Calls(self, contract.robot.base_frame)
        self._executive = calls.executive = Executive(library, world, calls, contract.grid)
        self._director = Director(self._executive, self._selector(kind, library, world))
        self._grid = contract.grid
        self._status = self.create_publisher(SkillStatus, "skill/status", qos.LATCHED)
        self._diagnostics = Diagnostics(self)
        subscribe(self, world.contract, world.assemblers, lambda: None)
        self.create_subscription(ControlMode, "controller/mode", self._on_mode, qos.LATCHED)
        self.create_service(SelectSkill, "skill/select", self._on_select)
        self.create_service(Trigger, "skill/start", self._on_start)
        self.create_service(Trigger, "skill/stop", self._on_stop)
        self._tell()

    def activate(self) -> None:
        self._ticks = TickTimer(self, self._grid, self._on_tick, half_over=True)

    def deactivate(self) -> None:
        self._ticks.cancel()
        self._director.stop(self._now_ns(), "skill_selector was deactivated")
        self._tell()

    def close(self) -> None:
        if self.active and self._executive.skill is not None:
            self._director.stop(self._now_ns(), "skill_selector ends")
        if self._model is not None:
            self._model.close()

    def _selector(self, kind: str, library: Library, world: World) -> Selector | None:
        if kind == "machine":
            return MachineSelector(Machine.load(self.value("machine"), library))
        if kind == "vlm":
            model = self.value("model")
            endpoint = Endpoint.configured(
                self.value("endpoint"), model, self.value("answer_timeout"), self.value("key_variable")
            )
            camera, goal = self.value("camera"), self.value("goal")
            self._model = ModelSelector(endpoint.ask, model, goal, library, world, camera)
        return self._model

    def _on_mode(self, msg: ControlMode) -> None:
        self._director.on_mode(Mode(msg.mode), msg.reason, to_ns(msg.header.stamp), self._now_ns())
        self._tell()

    def _on_tick(self, tick: int) -> None:
        self._director.on_tick(tick, self._now_ns())
        self._tell()

    def _on_select(self, request: Any, response: Any) -> Any:
        return self._respond(response, lambda: self._director.select(request.skill, self._now_ns()))

    def _on_start(self, request: Any, response: Any) -> Any:
        return self._respond(response, lambda: self._director.start(self._now_ns()))

    def _on_stop(self, request: Any, response: Any) -> Any:
        return self._respond(response, lambda: self._director.stop(self._now_ns(), "skill/stop was called"))

    def _respond(self, response: Any, act: Callable[[], None]) -> Any:
        try:
            if not self.active:
                raise BcError("skill_selector is not active: activate it first")
            act()
            response.success = True
        except BcError as error:
            response.message = str(error)
            self.get_logger().warning(str(error))
        self._tell()
        return response

    def _tell(self) -> None:
        """Every change, on skill/status and in the log."""
        director, executive = self._director, self._executive
        skill, last = executive.skill, executive.last
        status = SkillStatus(
            phase=_PHASES[executive.phase],
            skill=skill.name if skill else "",
            checkpoint=skill.checkpoint if skill else "",
            selector=director.selector.name if director.selector else "",
            choosing=director.active,
            state=director.state,
            message=director.message,
            ended=executive.ended,
            last_skill=last.skill if last else "",
            last_outcome=_OUTCOMES[last.outcome] if last else SkillStatus.NONE,
            last_reason=last.reason if last else "",
        )
        before = self._told
        if before is not None:
            status.header.stamp = before.header.stamp
        if status == before:
            return
        status.header.stamp = self.get_clock().now().to_msg()
        self._told = status
        self._status.publish(status)
        self._log(before, status)

    def _log(self, before: SkillStatus | None, status: SkillStatus) -> None:
        executive = self._executive
        last = executive.last
        if before is None:
            return
        if last is not None and status.ended != before.ended:
            good = last.outcome is Outcome.SUCCESS
            text = f"skill '{last.skill}': {last.outcome.value}" + (f": {last.reason}" if last.reason else "")
            log = self.get_logger()
            log.info(text) if good else log.warning(text)
            self._diagnostics.report(Level.OK if good else Level.WARN, "" if good else text)
        if status.skill and status.phase == SkillStatus.RUNNING and before.phase != SkillStatus.RUNNING:
            self.get_logger().info(f"skill '{status.skill}' runs")
        if status.message and status.message != before.message:
            self.get_logger().info(status.message)

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)


def main() -> None:
    sys.exit(run_node(SkillSelector, executor_class=EventsExecutor))
