"""tag_detector over a real graph: a camera that is a picture, and whoever needs the pose."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from nav_msgs.msg import Odometry
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import CameraInfo, Image

from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.fields import ObservationError, extract, stamp_ns
from bc_core.frames import FrameAssembler
from bc_core.tags.config import Pose, TagsConfig, dictionary
from bc_msgs.msg import TaskState, TickDone
from bc_nodes import qos
from bc_nodes.convert import to_ns, to_stamp
from bc_nodes.testing import domain_of_its_own
from bc_policy_node.tag_detector import TagDetector

CONFIG = Path(__file__).parents[3] / "config"
TAGS = TagsConfig.load(CONFIG / "tags" / "cube.yaml")
WIDTH, HEIGHT, FOCAL = 640, 480, 800.0
MATRIX = [FOCAL, 0.0, 319.5, 0.0, FOCAL, 239.5, 0.0, 0.0, 1.0]
SEEN = Pose(np.array([0.02, 0.01, 0.5]), Rotation.from_euler("zx", [30.0, 140.0], degrees=True))
PERIOD = 1_000_000_000 // 15


def picture(pose: Pose) -> npt.NDArray[np.uint8]:
    """The cube's upper tag alone, on grey."""
    kind, side = dictionary(TAGS.dictionary), 240
    face = np.pad(cv2.aruco.generateImageMarker(kind, 4, side), 40, constant_values=255)
    corners, _ = cv2.projectPoints(
        TAGS.corners(4), pose.rotation.as_rotvec(), pose.position, np.reshape(MATRIX, (3, 3)), np.zeros(5)
    )
    low, high = 39.5, 279.5
    drawn = np.float32([[low, low], [high, low], [high, high], [low, high]])
    target = ((corners.reshape(4, 2) + 0.5) * 4 - 0.5).astype(np.float32)
    turn, size = cv2.getPerspectiveTransform(drawn, target), (4 * WIDTH, 4 * HEIGHT)
    mask = cv2.warpPerspective(np.full_like(face, 255), turn, size)
    large = np.where(mask > 127, cv2.warpPerspective(face, turn, size), 90).astype(np.uint8)
    return np.asarray(cv2.resize(large, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), dtype=np.uint8)


PICTURE, EMPTY = picture(SEEN), np.full((HEIGHT, WIDTH), 90, dtype=np.uint8)


class Graph:
    """The detector, a camera and a listener."""

    def __init__(self) -> None:
        self.detector, self.probe = TagDetector(), Node("probe")
        self.odometry: list[Odometry] = []
        self.told: list[DiagnosticStatus] = []
        self.done: list[TickDone] = []
        self._images = self.probe.create_publisher(Image, "camera/image_raw", qos.stream_out(15))
        self._infos = self.probe.create_publisher(CameraInfo, "camera/camera_info", qos.stream_out(15))
        self._ticks = self.probe.create_publisher(TaskState, "task/state", qos.EVENT)
        self.probe.create_subscription(Odometry, "object/tag_odometry", self.odometry.append, qos.SENSOR_IN_ALL)
        self.probe.create_subscription(TickDone, "sim/tick_done", self.done.append, qos.EVENT)
        self.probe.create_subscription(
            DiagnosticArray, "/diagnostics", lambda msg: self.told.extend(msg.status), qos.EVENT
        )
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.detector)
        self._executor.add_node(self.probe)
        self.detector.bring_up()
        self.until(lambda: self._images.get_subscription_count() and self._infos.get_subscription_count())
        self.until(lambda: self.probe.count_publishers("object/tag_odometry"))

    def until(self, condition: Callable[[], Any]) -> None:
        for _ in range(4000):
            if condition():
                return
            self._executor.spin_once(timeout_sec=0.01)
        raise AssertionError(f"the graph never got there; it told {[status.message for status in self.told]}")

    def image(self, number: int, pixels: npt.NDArray[np.uint8] = PICTURE, encoding: str = "mono8") -> None:
        """Stamped number / 15 s."""
        msg = Image(height=HEIGHT, width=WIDTH, encoding=encoding, step=WIDTH, data=pixels.tobytes())
        msg.header.stamp = to_stamp(number * PERIOD)
        self._images.publish(msg)

    def info(self, **changes: Any) -> None:
        right: dict[str, Any] = {"distortion_model": "plumb_bob", "d": [0.0] * 5, "k": MATRIX}
        before = self.detector._info
        self._infos.publish(CameraInfo(width=WIDTH, height=HEIGHT, **{**right, **changes}))
        self.until(lambda: self.detector._info is not before)

    def tick(self, time_ns: int) -> None:
        state = TaskState()
        state.header.stamp = to_stamp(time_ns)
        self._ticks.publish(state)

    def hears(self, level: bytes, words: str) -> None:
        self.until(lambda: any(words in status.message and status.level == level for status in self.told))
        self.told.clear()

    def close(self) -> None:
        self._executor.shutdown()
        self.detector.destroy_node()
        self.probe.destroy_node()


@pytest.fixture
def make() -> Iterator[Callable[..., Graph]]:
    graphs: list[Graph] = []
    with domain_of_its_own():

        def start(**parameters: Any) -> Graph:
            given = {
                "contract": CONFIG / "contracts" / "panda_conveyor_tag.yaml",
                "tags": CONFIG / "tags" / "cube.yaml",
                **parameters,
            }
            overrides = [word for key, value in given.items() for word in ("-p", f"{key}:={value}")]
            rclpy.init(args=["--ros-args", *overrides])
            graphs.append(Graph())
            return graphs[-1]

        yield start
        for graph in graphs:
            graph.close()
        rclpy.try_shutdown()


def test_poses_bear_their_images_stamps_and_stop_with_the_tag(make: Callable[..., Graph]) -> None:
    """What is not seen is not repeated: the contract's frame then has no pose, or one that is too old."""
    graph = make()
    graph.image(1)
    graph.hears(DiagnosticStatus.ERROR, "no CameraInfo on 'camera/camera_info'")
    graph.info()  # the image has waited for it
    graph.hears(DiagnosticStatus.WARN, "was seen once")
    graph.image(2)
    graph.until(lambda: graph.odometry)
    graph.image(2)  # the same once more
    graph.image(3)
    graph.until(lambda: len(graph.odometry) == 2)
    assert [to_ns(msg.header.stamp) for msg in graph.odometry] == [2 * PERIOD, 3 * PERIOD]
    message = graph.odometry[-1]
    assert (message.header.frame_id, message.child_frame_id) == ("panda_link0", "cube")
    true = (TAGS.camera @ SEEN).values()
    given = message.pose.pose
    np.testing.assert_allclose([given.position.x, given.position.y, given.position.z], true[:3], atol=0.002)
    turn = [given.orientation.x, given.orientation.y, given.orientation.z, given.orientation.w]
    assert abs(np.dot(turn, true[3:])) > np.cos(np.deg2rad(1.0) / 2)
    assert abs(message.twist.twist.linear.x) < 1e-3 and 0.0 < message.pose.covariance[0] < 0.006**2
    for number in range(4, 12):
        graph.image(number, EMPTY)
    graph.hears(DiagnosticStatus.WARN, "no tag of 'cube' is seen: nothing is published")
    contract = Contract.load(CONFIG / "contracts" / "panda_conveyor_tag.yaml")
    assembler = FrameAssembler(contract, ("object",))
    for msg in graph.odometry:
        assembler.add("object", stamp_ns(msg), extract(contract.observations["object"], msg))
    last = contract.grid.floor(3 * PERIOD + contract.observations["object"].max_age_ns)
    assert len(assembler.frame(last).values["object"]) == 1
    with pytest.raises(ObservationError, match=r"object/tag_odometry is 0\.\d+ s old at tick 12"):
        assembler.frame(last + 1)
    assert len(graph.odometry) == 2


def test_what_the_camera_lacks_is_told_and_not_invented(make: Callable[..., Graph]) -> None:
    graph = make()
    cases: list[tuple[dict[str, Any], str]] = [
        ({"k": [0.0] * 9}, "no intrinsics"),
        ({"distortion_model": "equidistant", "d": [0.0] * 4}, "distortion model 'equidistant'"),
    ]
    for number, (changes, words) in enumerate(cases, start=1):
        graph.info(**changes)
        graph.image(number)
        graph.hears(DiagnosticStatus.ERROR, words)
    graph.info()
    graph.image(5, encoding="16UC1")
    graph.hears(DiagnosticStatus.ERROR, "camera/image_raw has encoding '16UC1'")
    assert graph.odometry == []


def test_lock_step_goes_on_when_the_tick_s_image_was_looked_at(make: Callable[..., Graph]) -> None:
    graph = make(lockstep="true")
    graph.until(lambda: graph._ticks.get_subscription_count())
    graph.info()
    graph.image(15)
    graph.tick(1_000_000_000)
    graph.until(lambda: graph.done)
    assert to_ns(graph.done[-1].header.stamp) == 1_000_000_000
    assert graph.done[-1].participant == "tag_detector"
    graph.tick(1_100_000_000)  # needs image 16, which does not come
    graph.hears(DiagnosticStatus.ERROR, "for a tick that needs one")
    graph.until(lambda: len(graph.done) == 2)


def test_a_contract_that_needs_no_poses_is_refused(make: Callable[..., Graph]) -> None:
    with pytest.raises(BcError, match="no stream of topic 'object/tag_odometry'"):
        make(contract=CONFIG / "contracts" / "panda_conveyor.yaml")
    rclpy.try_shutdown()
