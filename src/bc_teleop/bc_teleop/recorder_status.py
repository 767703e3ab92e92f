"""The recorder's condition as a message: what it wrote, what it lost, how every stream comes in."""

from bc_msgs.msg import EpisodeStatus
from bc_nodes.convert import to_stamp
from bc_teleop.recording import EpisodeRecording


def status_message(recording: EpisodeRecording, now_ns: int, warnings: list[str]) -> EpisodeStatus:
    """EpisodeStatus of the present or the last episode; `warnings` are those of this moment."""
    topics = recording.account.get("topics", {})
    streams = [recording.streams[topic] for topic in topics]
    left = recording.seconds_left(now_ns)
    status = EpisodeStatus(
        state=_state(recording),
        episode=recording.name,
        path=str(recording.path or ""),
        seconds=recording.seconds(now_ns),
        topics=list(topics),
        received=[topic["received"] for topic in topics.values()],
        written=[topic["written"] for topic in topics.values()],
        lost=[topic["lost"] for topic in topics.values()],
        rate_hz=[stream.rhythm.rate(now_ns) for stream in streams],
        nominal_hz=[stream.nominal_hz for stream in streams],
        age=[stream.age(now_ns) for stream in streams],
        free_bytes=recording.free_bytes(),
        seconds_left=-1.0 if left is None else left,
        warnings=warnings,
        message=recording.message,
    )
    status.header.stamp = to_stamp(now_ns)
    return status


def _state(recording: EpisodeRecording) -> int:
    if not recording.is_recording:
        return int(EpisodeStatus.IDLE)
    return int(EpisodeStatus.PAUSED if recording.is_paused else EpisodeStatus.RECORDING)
