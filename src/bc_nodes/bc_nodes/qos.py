"""Quality of service by name (docs/protocol.md, "Names"): no node states a profile of its own."""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy


def _profile(depth: int, reliable: bool = True, latched: bool = False) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


COMMAND = _profile(4)  # chunks and requests: an old one is worth nothing, a lost one is refused or asked again
EVENT = _profile(50)  # acknowledgements, manifests, cycle status: each counts
STATE = _profile(10)  # periodic state
LATCHED = _profile(10, latched=True)  # control mode: a late joiner must know it, and two quick changes both count
SENSOR_OUT = _profile(50)  # publishers of sensor data: reliable, so that a recorder may ask for every sample
SENSOR_IN = _profile(10, reliable=False)  # consumers of sensor data: the newest, never a backlog
SENSOR_IN_ALL = _profile(1000)  # consumers that must see every sample: recorder, lock step
RECORD = _profile(1000)  # the recorder's side of everything that is not latched
_REPAIR = 10.0  # [s] a recorder's queue holds of a fast topic
RECORD_LATCHED = _profile(1000, latched=True)  # the same for latched topics: changes may follow each other closely


def record(rate: float) -> QoSProfile:
    """The recorder's side of a topic of so many messages per second; 0: it comes when it comes.

    A message that the transport drops is sent again only after the writer's heartbeat (Fast DDS: 3 s), and those behind
    it wait in the reader's queue until then: a queue shorter than that overflows though nobody is slow. The publisher's
    history must reach as far back.
    """
    return _profile(max(RECORD.depth, round(_REPAIR * rate)))
