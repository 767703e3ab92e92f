"""episode_recorder: the contract's topics into one bag per episode, as received. A shell over bc_teleop.recording."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.serialization import serialize_message
from std_srvs.srv import SetBool, Trigger

from bc_core.cdr import header_stamp
from bc_core.contract import Contract
from bc_core.episode_writer import OUTCOMES, RecordingError
from bc_core.errors import BcError
from bc_msgs.msg import EpisodeOutcome, EpisodeStatus, TaskState, TickDone
from bc_msgs.srv import StartEpisode, StopEpisode
from bc_nodes import qos
from bc_nodes.convert import to_stamp
from bc_nodes.diagnostics import Diagnostics, Level
from bc_nodes.lifecycle import BcLifecycleNode
from bc_nodes.main import run_node
from bc_teleop.chunk_audit import ChunkAudit
from bc_teleop.content_check import ContentCheck
from bc_teleop.episode_request import EpisodeRequest
from bc_teleop.provenance import provenance
from bc_teleop.raw_topics import Arrival, RawTopics
from bc_teleop.recorded_stream import RecordedStream
from bc_teleop.recorder_status import status_message
from bc_teleop.recording import OUTCOME_TOPIC, Ended, EpisodeRecording, RecorderSettings

TICK_TOPIC = "task/state"  # lock step: published once at every tick
FLUSH_PERIOD = 0.4  # [s]; with the poll's period and the writing it stays below half a second
POLL_PERIOD = 0.05  # [s]; every wake-up costs, and no queue fills in this time
TAKE_SECONDS = 0.1  # [s] of taking messages at once: services, and the flush, wait no longer, whatever is published
DRAIN_SECONDS = 5.0  # [s]; what has arrived before a stop is recorded, if it takes no longer
TICK_PATIENCE = 0.02  # [s] of waiting for the rest of a tick at once; then the poll timer does
PAUSE = 0.0005  # [s] between two looks for messages while waiting for them
MEBIBYTE = 1 << 20


class EpisodeRecorder(BcLifecycleNode):
    """Records between the services episode/start and episode/stop.

    In lock step it is a participant: TickDone follows when every observation up to the tick is written, so that no
    queue can overflow however fast simulated time passes.
    """

    def __init__(self) -> None:
        super().__init__("recorder")
        self.parameter("contract", "", "path of the contract (config/contracts/*.yaml)")
        self.parameter("directory", "out/episodes", "where episodes go, one directory each")
        self.parameter("lockstep", False, "the simulation waits at every tick until its messages are written")
        self.parameter("participant", "recorder", "this node's name in lock step")
        self.parameter("compression", "zstd", "of the bags: none or zstd")
        self.parameter("optional", [""], "observation streams of the contract without which an episode may start")
        self.parameter("documents", [""], "YAML files to store with every episode: the robot's gains, calibrations")
        self.parameter("longest_episode", 60.0, "an episode that cannot last this long for want of room is refused [s]")
        self.parameter("min_free_mb", 200, "an episode ends when less is free on the disk [MiB]")
        self.parameter(
            "tick_timeout", 1.0, "lock step: after how long a tick is answered though samples are missing [s]"
        )
        self.parameter("start_timeout", 3.0, "how long a start waits for streams that do not come yet [s]")
        self._recording: EpisodeRecording | None = None
        self._simulated_ns = 0
        self._tick_ns: int | None = None  # a tick that is not answered yet
        self._tick_since = 0.0
        self._flushed = time.monotonic()

    def configure(self) -> None:
        if not self.value("contract"):
            raise BcError("parameter 'contract' of node 'recorder' is empty: give the path of a contract file")
        if self.value("compression") not in ("none", "zstd"):
            raise BcError(f"parameter 'compression' is '{self.value('compression')}': use none or zstd")
        contract = Contract.load(self.value("contract"))
        settings = RecorderSettings(
            directory=Path(self.value("directory")).expanduser().resolve(),
            compression=self.value("compression"),
            min_free_bytes=self.value("min_free_mb") * MEBIBYTE,
            optional=frozenset(filter(None, self.value("optional"))),
            longest_episode=self.value("longest_episode"),
            provenance=provenance(filter(None, self.value("documents"))),
        )
        self._lockstep, self._simulated = self.value("lockstep"), self.value("use_sim_time")
        recording = EpisodeRecording(contract, settings)
        self._topics, self._contents, self._chunks = RawTopics(self), ContentCheck(contract), ChunkAudit()
        for stream in recording.streams.values():
            if stream.name != OUTCOME_TOPIC:  # this node's own: written, not listened to
                profile = qos.RECORD_LATCHED if stream.latched else qos.record(stream.nominal_hz)
                self._topics.add(stream.name, stream.type_name, profile)
        if TICK_TOPIC not in recording.streams and self._lockstep:
            raise BcError(f"contract '{contract.name}' does not record '{TICK_TOPIC}', which lock step needs: add it")
        self._outcomes = self.create_publisher(EpisodeOutcome, OUTCOME_TOPIC, qos.EVENT)
        self._statuses = self.create_publisher(EpisodeStatus, "episode/status", qos.STATE)
        self._ticks_done = self.create_publisher(TickDone, "sim/tick_done", qos.EVENT)
        recording.recorded_names = self._topics.resolved_names | {OUTCOME_TOPIC: self._outcomes.topic_name}
        self._diagnostics = Diagnostics(self)
        self.create_service(StartEpisode, "episode/start", self._on_start)
        self.create_service(StopEpisode, "episode/stop", self._on_stop)
        self.create_service(SetBool, "episode/pause", self._on_pause)
        self.create_service(Trigger, "episode/rerecord", self._on_rerecord)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(POLL_PERIOD, self._poll, clock=steady)
        self.create_timer(FLUSH_PERIOD, self._on_flush, clock=steady)
        if self._lockstep:  # the simulation stands still from its tick's TaskState on: do not wait for the timer
            self.create_subscription(TaskState, TICK_TOPIC, self._on_tick, qos.RECORD, raw=True)
        self._recording = recording

    def deactivate(self) -> None:
        self._end("the recorder was deactivated")

    def close(self) -> None:
        self._end("the recorder was shut down")

    # --- messages ---------------------------------------------------------------------------------------------------

    def _poll(self) -> None:
        """Record what has arrived since the last time, in the order in which it did."""
        recording = self._recording
        if recording is None:
            return
        for arrival in self._topics.take_all(TAKE_SECONDS):
            if self._lockstep:
                self._follow_time(recording.streams[arrival.topic], arrival.data)
            received_ns = self._reception_ns(arrival)
            self._contents.look(arrival.topic, received_ns, arrival.data)
            self._chunks.look(arrival.topic, received_ns, arrival.data)
            try:
                recording.receive(arrival.topic, received_ns, arrival.data)
            except RecordingError as error:
                self._report_end(error)
        for topic, messages in self._chunks.never_came(self._now_ns()).items():
            self._topics.add_received_elsewhere(topic, messages)
        for topic, messages in self._topics.newly_lost().items():
            recording.count_lost(topic, messages, self._now_ns())
            self.get_logger().warning(recording.message, throttle_duration_sec=5.0)
        self._answer_tick(recording)

    def _on_tick(self, data: bytes) -> None:
        """Lock step: a tick has come; the little that may still be under way is waited for."""
        self._pump_until(lambda: self._tick_ns is None, TICK_PATIENCE)

    def _follow_time(self, stream: RecordedStream, data: bytes) -> None:
        """Lock step: /clock may lag behind the data, so the newest stamp of an observation or a tick is the time."""
        if stream.name == TICK_TOPIC:
            self._tick_ns, self._tick_since = header_stamp(data), time.monotonic()
        elif not stream.is_periodic:
            return
        self._simulated_ns = max(self._simulated_ns, header_stamp(data))

    def _reception_ns(self, arrival: Arrival) -> int:
        """On the ROS clock: in real time as the middleware noted it."""
        return arrival.received_ns if not (self._lockstep or self._simulated) else self._now_ns()

    def _now_ns(self) -> int:
        return self._simulated_ns if self._lockstep else int(self.get_clock().now().nanoseconds)

    def _answer_tick(self, recording: EpisodeRecording) -> None:
        """Let the simulation go on, once everything of its tick is written."""
        if self._tick_ns is None or not self._lockstep or not self.active:
            return
        if missing := recording.incomplete(self._tick_ns):
            if time.monotonic() - self._tick_since < self.value("tick_timeout"):
                return
            names = ", ".join(f"'{stream.name}'" for stream in missing)
            recording.message = f"no data on {names} for the tick at {self._tick_ns / 1e9:.3f} s: check its source"
            self.get_logger().warning(recording.message, throttle_duration_sec=5.0)
        done = TickDone(participant=self.value("participant"))
        done.header.stamp = to_stamp(self._tick_ns)
        self._ticks_done.publish(done)
        self._tick_ns = None

    def _on_flush(self) -> None:
        self._flushed = time.monotonic()
        recording = self._recording
        if recording is None:
            return
        self._poll()
        for topic in self._topics.adapt():
            self.get_logger().warning(
                f"'{topic}' is offered best effort only: what is lost on the way is not sent again"
            )
        try:
            recording.flush(self._now_ns())
        except RecordingError as error:
            self._report_end(error)
        warnings = self._warnings(recording)
        for text in warnings:
            self.get_logger().warning(text, throttle_duration_sec=5.0)
        text = "; ".join(warnings) or recording.message
        self._diagnostics.report(Level.WARN if text else Level.OK, text)
        self._publish_status()

    def _warnings(self, recording: EpisodeRecording) -> list[str]:
        """What is wrong with the streams now. Before an episode nothing is expected of them."""
        if not recording.is_recording:
            return []
        observed = [stream.name for stream in recording.streams.values() if stream.is_periodic]
        graph = [f"'{topic}' has more than one publisher: stop all but one" for topic in self._topics.crowded(observed)]
        graph += self._topics.mistyped(observed) + self._contents.faults(recording.streams)
        for text in graph:
            recording.note(text, self._now_ns())
        return recording.warnings(self._now_ns()) + graph

    # --- episodes ---------------------------------------------------------------------------------------------------

    def _on_start(self, request: StartEpisode.Request, response: StartEpisode.Response) -> StartEpisode.Response:
        recording = self._recording
        if recording is None or not self.active:
            response.message = "the recorder is not active: activate node 'recorder' first"
            return response
        now_ns = self._now_ns() if recording.is_recording else self._wait_for_streams(recording)
        if unmatched := self._topics.unmatched():
            self.get_logger().warning(f"not connected yet, its first messages may be missed: {', '.join(unmatched)}")
        wanted = EpisodeRequest(request.task, request.operator_name, request.seed, request.metadata)
        self._topics.begin()
        self._chunks.begin()
        try:
            if faults := self._contents.faults(recording.required):
                raise BcError("; ".join(faults))
            path = recording.start(wanted, now_ns)
        except BcError as error:
            absent = [stream.name for stream in recording.absent(now_ns)]
            response.message = "; ".join([str(error), *self._topics.mistyped(absent)])
            self.get_logger().error(f"episode refused: {response.message}")
            return response
        response.success, response.episode, response.path = True, path.name, str(path)
        self.get_logger().info(f"recording {path}")
        self._publish_status()
        return response

    def _wait_for_streams(self, recording: EpisodeRecording) -> int:
        """Until all required streams come, as the contract says, from publishers that are connected, or time is up.

        Returns the time of the last look, at which the episode begins: on a busy machine a stream that came may be old
        by the time that the look is over.
        """
        now_ns = self._now_ns()

        def ready() -> bool:
            nonlocal now_ns
            now_ns = self._now_ns()
            missing = recording.absent(now_ns) or self._topics.unmatched()
            return not (missing or self._contents.faults(recording.required))

        self._pump_until(ready, self.value("start_timeout"))
        return now_ns

    def _on_stop(self, request: StopEpisode.Request, response: StopEpisode.Response) -> StopEpisode.Response:
        recording = self._recording
        if recording is None or not recording.is_recording:
            response.message = (recording and recording.message) or "no episode is being recorded: start one first"
            return response
        if request.outcome >= len(OUTCOMES):
            response.message = f"unknown outcome {request.outcome}: use a constant of EpisodeOutcome"
            return response
        if self._lockstep:
            self._pump_until(lambda: self._tick_ns is None, self.value("tick_timeout"))
        self._drain()
        try:
            ended = self._stop(recording, OUTCOMES[request.outcome], request.reason, request.discard)
        except BcError as error:
            self._report_end(error)
            response.message = str(error)
            return response
        response.success, response.written, response.lost = True, ended.written, ended.lost
        response.path = str(ended.path or "")
        return response

    def _on_pause(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        """True: observations are left out; false: they are recorded again."""
        try:
            recording = self._active_recording()
            self._poll()
            (recording.pause if request.data else recording.resume)(self._now_ns())
        except BcError as error:
            response.message = str(error)
            return response
        response.success, response.message = True, recording.name
        self._publish_status()
        return response

    def _on_rerecord(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """The episode under way is deleted and begun anew; the message is its directory, or why not."""
        try:
            recording = self._active_recording()
            self._poll()
            response.message = str(recording.rerecord(self._now_ns()))
        except BcError as error:
            response.message = str(error)
            return response
        response.success = True
        self.get_logger().info(f"recording {response.message} anew")
        self._publish_status()
        return response

    def _active_recording(self) -> EpisodeRecording:
        if self._recording is None or not self.active:
            raise BcError("the recorder is not active: activate node 'recorder' first")
        return self._recording

    def _stop(self, recording: EpisodeRecording, outcome: str, reason: str, discard: bool = False) -> Ended:
        """End the episode with its outcome as the bag's last message, and tell everyone."""
        now_ns = self._now_ns()
        message = EpisodeOutcome(episode=recording.name, outcome=OUTCOMES.index(outcome), reason=reason)
        message.header.stamp = to_stamp(now_ns)
        ended = recording.stop(outcome, reason, now_ns, serialize_message(message), discard)
        self._outcomes.publish(message)
        self._publish_status()
        self.get_logger().info(
            f"{message.episode}: {outcome} ({reason}), "
            + (f"{ended.written} messages, {ended.lost} lost" if ended.path else "discarded")
        )
        return ended

    def _end(self, reason: str) -> None:
        """Close an episode that is under way: it is kept, as aborted."""
        if self._recording is not None and self._recording.is_recording:
            self._drain()
        if self._recording is not None and self._recording.is_recording:
            try:
                self._stop(self._recording, "aborted", reason)
            except BcError as error:
                self._report_end(error)

    def _report_end(self, error: BcError) -> None:
        """The episode is over, and not because anyone asked for it."""
        self.get_logger().error(str(error))
        self._diagnostics.report(Level.ERROR, str(error))
        self._publish_status()

    def _publish_status(self) -> None:
        recording = self._recording
        assert recording is not None
        self._statuses.publish(status_message(recording, self._now_ns(), self._warnings(recording)))

    def _drain(self) -> None:
        """Record what has arrived by now."""
        self._pump_until(lambda: not self._topics.backlog, DRAIN_SECONDS)

    def _pump_until(self, condition: Callable[[], bool], seconds: float) -> None:
        """Take messages until a condition holds or time is up.

        The executor does nothing else meanwhile: the flush that a killed recorder is measured by comes from here.
        """
        deadline = time.monotonic() + seconds
        while True:
            self._poll()
            if time.monotonic() - self._flushed > FLUSH_PERIOD:
                self._on_flush()
            if condition() or time.monotonic() > deadline:
                return
            time.sleep(PAUSE)


def main() -> None:
    sys.exit(run_node(EpisodeRecorder))


if __name__ == "__main__":
    main()
