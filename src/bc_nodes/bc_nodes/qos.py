"""Quality of service by name (docs/protocol.md, "Names"): no node states a profile of its own."""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy


def _profile(depth: int, reliable: bool = True, latched: bool = False) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


_HISTORY = 4.0  # [s] of a stream that its publisher keeps: what was dropped on the way is sent again
_REPAIR = 10.0  # [s] of a stream that a recorder's queue holds: what comes behind a dropped message waits there

COMMAND = _profile(4)  # consumers of chunks and requests: an old one is worth nothing
COMMAND_OUT = _profile(100)  # their publishers: the recorder wants each
EVENT = _profile(1000)  # acknowledgements, manifests, cycle status: each counts
STATE = _profile(10)  # consumers of periodic state
LATCHED = _profile(10, latched=True)  # control mode: a late joiner must know it, and two quick changes both count
SENSOR_IN = _profile(10, reliable=False)  # consumers of sensor data: the newest, never a backlog
SENSOR_IN_ALL = _profile(1000)  # consumers that must see every sample: recorder, lock step
RECORD = _profile(1000)  # the recorder's side of everything that is not latched
RECORD_LATCHED = _profile(1000, latched=True)  # the same for latched topics: changes may follow each other closely


def stream_out(rate: float) -> QoSProfile:
    """The publisher's side of a stream of so many messages per second: reliable, so that a recorder may ask for each.

    A dropped message is sent again only if the history still has it: after the writer's heartbeat (0.1 s with
    bc_nodes.transport; Fast DDS' own is 3 s) and however long a busy machine takes to hear of the gap.
    """
    return _profile(max(STATE.depth, round(_HISTORY * rate)))


def record(rate: float) -> QoSProfile:
    """The recorder's side of a topic of so many messages per second; 0: it comes when it comes.

    Messages behind a dropped one wait in the reader's queue until it was sent again: a queue shorter than that
    overflows though nobody is slow. The publisher's history must reach as far back (`stream_out`).
    """
    return _profile(max(RECORD.depth, round(_REPAIR * rate)))
