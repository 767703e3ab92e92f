"""A lifecycle node that can bring itself up: launch files in YAML have no lifecycle action."""

import secrets
import traceback
from collections.abc import Callable
from typing import Any

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from bc_core.errors import BcError


class BcLifecycleNode(LifecycleNode):
    """Subclasses override `configure` (load, warm up), `activate` (let out commands), `deactivate` and `close`.

    Parameter `autostart` (bool, default true): configure and activate at start. Without it a manager, or
    `ros2 lifecycle set`, brings the node up. A BcError in a hook fails the transition and is logged as one line; any
    other exception is logged with its traceback. (rclpy itself drops exceptions of transition callbacks.)
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.process_id = secrets.randbits(63)  # tells this process from its predecessor: producer_id, scheduler_id
        self.active = False
        self._failure: Exception | None = None
        self.parameter("autostart", True, "configure and activate at start")

    def configure(self) -> None:
        """Load what the parameters name; raise BcError if it cannot be had."""

    def activate(self) -> None:
        """Begin to act."""

    def deactivate(self) -> None:
        """Stop acting; what was loaded stays."""

    def close(self) -> None:
        """Last words before the process ends: called once, however the node got there."""

    def parameter(self, name: str, default: Any, description: str, read_only: bool = True) -> None:
        """Declare a parameter; its type is that of the default."""
        self.declare_parameter(name, default, ParameterDescriptor(description=description, read_only=read_only))

    def value(self, name: str) -> Any:
        """Current value of a declared parameter."""
        return self.get_parameter(name).value

    def bring_up(self) -> None:
        """Configure and activate if `autostart` says so; re-raises what went wrong."""
        if self.value("autostart"):
            for trigger in (self.trigger_configure, self.trigger_activate):
                if trigger() != TransitionCallbackReturn.SUCCESS:
                    raise self._failure or BcError(f"node '{self.get_name()}' could not be brought up")

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._transition(self.configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        result = self._transition(self.activate)
        if result == TransitionCallbackReturn.SUCCESS:
            self.active = True
            super().on_activate(state)
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.active = False
        super().on_deactivate(state)
        return self._transition(self.deactivate)

    def _transition(self, hook: Callable[[], None]) -> TransitionCallbackReturn:
        try:
            hook()
        except BcError as error:
            self._failure = error
            self.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        except Exception as error:
            self._failure = error
            self.get_logger().fatal(traceback.format_exc())
            return TransitionCallbackReturn.ERROR
        return TransitionCallbackReturn.SUCCESS
