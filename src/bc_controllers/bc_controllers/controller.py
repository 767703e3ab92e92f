"""Controller and Arbiter as Python sees them: the native classes, fed with chunks of any of their shapes."""

from typing import Any

from bc_controllers import _binding
from bc_controllers.wire import to_wire

SOURCES = ("policy", "human", "planner")


class Controller(_binding.Controller):
    """One robot's controller. Controller(config: ControllerConfig, urdf: str), a path or the XML itself.

    `update` is for one thread only (bc_sim's plant calls it natively); everything else may be called from others.
    Raises ConfigError (a BcError) for values the robot's description contradicts.

    update(now_ns, steady_ns, position (N,), velocity (N,), gripper) -> (torque (N,) [Nm], or of a position output the
    positions (N,) [rad]; gripper reference [m]).
    change_mode(request, reason) -> ticket: applied in the next update, answered through poll_results().
    relocate(reason): the robot was put elsewhere by force (a simulation's reset): the next update drops every chunk,
    falls to HOLD (a STOPPED robot stays so) and starts the reference from the measured position.
    end(now_ns, reason), begin_again(reason): for a loop that stands still at times, in its own thread. end: nobody
    commands any more. begin_again: as relocate, and what came meanwhile moves nothing. faulted: STOPPED by a fault.
    set_gains, use_preset, set_payload, set_wrench: reached at a limited rate; ConfigError names what is refused.
    A wrench (force, moment that the tool applies, along the base frame's axes) is dropped unless renewed.
    """

    def submit(self, source: str, chunk: Any) -> None:
        """Hand over a chunk (bc_core ActionChunk, or shaped like bc_msgs/ActionChunk) that came by topic `source`.

        Never refuses by itself: every verdict, also on malformed chunks, comes through poll_acks().
        Raises ValueError for an unknown source only.
        """
        super().submit(source, to_wire(chunk))


class Arbiter(_binding.Arbiter):
    """Arbiter and reference alone, in virtual time. Arbiter(config, position (N,), gripper).

    The configuration must hold position_lower and position_upper: there is no URDF here.
    advance(now_ns) runs every control period from the last call's time to now_ns (that at now_ns included, also
    when the time is the same) and returns the reference there, shape (D,). A chunk arrives in the first period run
    after its submit: to let it arrive at exactly t, advance to t, submit, and advance to t again.
    update(now_ns, steady_ns) runs one period at any readings of the ROS and the steady clock: for clocks that jump.
    """

    def submit(self, source: str, chunk: Any) -> None:
        """As Controller.submit."""
        super().submit(source, to_wire(chunk))
