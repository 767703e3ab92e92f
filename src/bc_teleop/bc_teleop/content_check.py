"""Do messages hold what the contract says: size of images, names of joints, numbers? No ROS.

The recorder stores messages undecoded, and a camera that was set to another size would be found out when somebody
trains on it. So now and then one message is decoded as training will decode it.
"""

from collections.abc import Iterable

from bc_core.contract import IMAGE_TYPE, Contract, Observation
from bc_core.errors import BcError
from bc_core.fields import extract
from bc_core.grid import NANOSECONDS
from bc_core.message_types import UNDECODABLE, installed_types

_PERIOD_NS = NANOSECONDS  # between two looks at a topic
_FAULTY_PERIOD_NS = NANOSECONDS // 5  # while it is not as it should be


class ContentCheck:
    """What is wrong with the newest message of each observed topic that was looked at."""

    def __init__(self, contract: Contract) -> None:
        self._observations: dict[str, list[Observation]] = {}
        for observation in contract.observations.values():
            self._observations.setdefault(observation.topic, []).append(observation)
        self._looked_ns: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        self._faults: dict[str, str] = {}

    def look(self, topic: str, received_ns: int, data: bytes) -> None:
        """Take note of a message; it is decoded if that is due, or if an image is not as large as the one before."""
        observations = self._observations.get(topic)
        if observations is None:
            return
        period = _FAULTY_PERIOD_NS if topic in self._faults else _PERIOD_NS
        is_due = not 0 <= received_ns - self._looked_ns.get(topic, -period) < period  # the clock may have been set
        resized = observations[0].type == IMAGE_TYPE and self._sizes.get(topic) != len(data)
        if not (is_due or resized):
            return
        self._looked_ns[topic], self._sizes[topic] = received_ns, len(data)
        if fault := _fault(observations, data):
            self._faults[topic] = fault
        else:
            self._faults.pop(topic, None)

    def faults(self, topics: Iterable[str]) -> list[str]:
        """What is wrong with these topics, and what to do."""
        return [self._faults[topic] for topic in topics if topic in self._faults]


def _fault(observations: list[Observation], data: bytes) -> str:
    first = observations[0]
    try:
        message = installed_types().deserialize_cdr(data, first.type)
    except UNDECODABLE as error:
        return f"a message on '{first.topic}' is no {first.type} ({error}): mend its publisher"
    for observation in observations:
        try:
            extract(observation, message)
        except BcError as error:
            return str(error)
    return ""
