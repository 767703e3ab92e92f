"""tag_detector: pose of a tagged object out of a camera's images, as odometry: a shell over bc_core.tags.

A pose bears its image's stamp. Where the tags are not seen, or not well enough, nothing is published: whoever needs the
pose then sees it age, and refuses it by the contract's max_age.
"""

import sys

import numpy as np
from nav_msgs.msg import Odometry
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.experimental import EventsExecutor
from sensor_msgs.msg import CameraInfo, Image

from bc_core import images, resampling
from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.grid import NANOSECONDS
from bc_core.resampling import NoSampleError, Samples
from bc_core.tags.config import Pose, TagsConfig
from bc_core.tags.intrinsics import Intrinsics
from bc_core.tags.motion import Motion, MotionFilter
from bc_core.tags.pose import Estimate, Refusal, TagFinder, object_pose
from bc_msgs.msg import ControllerState, TaskState, TickDone
from bc_nodes import qos
from bc_nodes.convert import odometry_to_msg, pose_from_msg, to_ns, to_stamp
from bc_nodes.diagnostics import Diagnostics, Level
from bc_nodes.lifecycle import BcLifecycleNode
from bc_nodes.main import run_node

IMAGES, CAMERA_INFO, ODOMETRY = "camera/image_raw", "camera/camera_info", "object/tag_odometry"
WATCH_PERIOD = 1.0  # [s] in which there must be an image
TICK_PATIENCE = 1.0  # [s] of system time: lock step does not wait longer at a tick for its image
STATES_KEPT_NS = 2 * NANOSECONDS


class TagDetector(BcLifecycleNode):
    """Looks at each image once everything is there that its pose needs: the camera's intrinsics and, with the camera on
    the tool, the tool's pose before and after the image.

    In lock step it is a participant: TickDone follows when the images up to the tick have been looked at.
    """

    def __init__(self) -> None:
        super().__init__("tag_detector")
        self.parameter("contract", "", "path of the contract: base frame, and the stream that the poses are for")
        self.parameter("tags", "", "path of the tags file (config/tags/*.yaml)")
        self.parameter("lockstep", False, "the simulation waits for this node, by its name, at every tick")
        self._info: CameraInfo | None = None
        self._image: Image | None = None  # that is not looked at yet
        self._looked_at_ns = 0  # stamp of the newest image that was
        self._images = 0  # since the watch looked
        self._tools = Samples()
        self._tick_ns: int | None = None  # not answered yet

    def configure(self) -> None:
        for name in ("contract", "tags"):
            if not self.value(name):
                raise BcError(f"parameter '{name}' of node 'tag_detector' is empty: give the path of a {name} file")
        contract, self._config = Contract.load(self.value("contract")), TagsConfig.load(self.value("tags"))
        rates = [stream.rate for stream in contract.observations.values() if stream.topic == ODOMETRY]
        if not rates:
            raise BcError(
                f"contract '{contract.name}' has no stream of topic '{ODOMETRY}', so nobody needs the poses: use one "
                "that has, such as panda_conveyor_tag, or leave out tag_detector"
            )
        self._rate, self._base_frame = round(max(rates)), contract.robot.base_frame
        self._finder, self._motion = TagFinder(self._config), MotionFilter(self._config.limits.velocity_window)
        self._lockstep = bool(self.value("lockstep"))
        self._odometry = self.create_publisher(Odometry, ODOMETRY, qos.stream_out(self._rate))
        self._diagnostics = Diagnostics(self)
        sensor = qos.SENSOR_IN_ALL if self._lockstep else qos.SENSOR_IN
        self.create_subscription(Image, IMAGES, self._on_image, sensor)
        self.create_subscription(CameraInfo, CAMERA_INFO, self._on_info, sensor)
        if self._config.mounted_on == "tool":
            self.create_subscription(ControllerState, "controller/state", self._on_state, sensor)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        if self._lockstep:
            self._ticks_done = self.create_publisher(TickDone, "sim/tick_done", qos.EVENT)
            self.create_subscription(TaskState, "task/state", self._on_task, qos.STATE)
            self._patience = self.create_timer(TICK_PATIENCE, self._give_up_tick, clock=steady)
            self._patience.cancel()
        else:
            self.create_timer(WATCH_PERIOD, self._watch, clock=steady)

    # --- messages ---------------------------------------------------------------------------------------------------

    def _on_image(self, msg: Image) -> None:
        self._images += 1
        if to_ns(msg.header.stamp) == self._looked_at_ns:  # lock step sends again what may have been missed
            return
        self._image = msg
        self._look()

    def _on_info(self, msg: CameraInfo) -> None:
        self._info = msg
        self._look()

    def _on_state(self, msg: ControllerState) -> None:
        self._tools.add(to_ns(msg.header.stamp), pose_from_msg(msg.tcp))
        self._tools.forget(self._tools.stamps[-1] - STATES_KEPT_NS)
        self._look()

    def _on_task(self, msg: TaskState) -> None:
        self._tick_ns = to_ns(msg.header.stamp)
        self._patience.reset()
        self._answer_tick()

    def _watch(self) -> None:
        if self._images == 0:
            self._report(Level.ERROR, f"no image on '{IMAGES}': check that the camera runs")
        self._images = 0

    # --- poses ------------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """At the image that waits, if all is there that it needs."""
        image = self._image
        if image is None or not self.active:
            return
        if self._info is None:
            self._report(
                Level.ERROR,
                f"no CameraInfo on '{CAMERA_INFO}', and without intrinsics there is no pose: let the camera's driver "
                "publish them",
            )
            return
        stamp_ns = to_ns(image.header.stamp)
        camera = self._camera_pose(stamp_ns)
        if camera is None:
            return
        self._image, self._looked_at_ns = None, stamp_ns
        try:
            estimate = self._estimate(image, self._info)
        except images.ImageError as error:
            self._report(Level.ERROR, f"{IMAGES} {error}")
        except BcError as error:
            self._report(Level.ERROR, str(error))
        else:
            self._tell(stamp_ns, camera, estimate)
        self._answer_tick()

    def _camera_pose(self, stamp_ns: int) -> Pose | None:
        """Of the optical frame in the base frame, when the image was taken; None: that is not known yet."""
        if self._config.mounted_on == "base":
            return self._config.camera
        try:
            chosen = resampling.choose("slerp", self._tools, stamp_ns)
        except NoSampleError as error:
            self._report(Level.WARN, f"controller/state has {error} the image: where the camera is, is not known")
            return None
        return Pose.of(resampling.combine("slerp", self._tools, chosen, stamp_ns)) @ self._config.camera

    def _estimate(self, image: Image, info: CameraInfo) -> Estimate | Refusal:
        intrinsics = Intrinsics.from_camera_info(info)
        intrinsics.check_size(image.width, image.height)
        grey = images.converted(images.pixels(image), image.encoding, "mono8")[:, :, 0]
        found = self._finder.find(grey)
        return found if isinstance(found, Refusal) else object_pose(found, self._config, intrinsics)

    def _tell(self, stamp_ns: int, camera: Pose, estimate: Estimate | Refusal) -> None:
        if isinstance(estimate, Refusal):
            self.get_logger().info(str(estimate), throttle_duration_sec=1.0)
            self._report(Level.WARN, f"{estimate.reason}: nothing is published")
            return
        motion = self._motion.add(stamp_ns, camera @ estimate.pose)
        if motion is None:
            self._report(Level.WARN, f"'{self._config.name}' was seen once, its velocity needs another image")
            return
        self._odometry.publish(self._message(stamp_ns, motion, estimate.uncertainty))
        self._report(Level.OK, "")

    def _message(self, stamp_ns: int, motion: Motion, uncertainty: float) -> Odometry:
        back = motion.pose.rotation.inv()
        linear, angular = back.apply(motion.linear), back.apply(motion.angular)
        pose = motion.pose.values()
        msg = odometry_to_msg(stamp_ns, self._base_frame, self._config.name, pose, linear, angular)
        covariance = np.zeros((6, 6))
        covariance[:3, :3] = np.eye(3) * uncertainty**2  # that of the worst direction, for all of them
        msg.pose.covariance = covariance.ravel()
        return msg

    def _report(self, level: Level, message: str) -> None:
        if level == Level.ERROR:
            self.get_logger().error(message, throttle_duration_sec=5.0)
        self._diagnostics.report(level, message)

    # --- lock step --------------------------------------------------------------------------------------------------

    def _answer_tick(self) -> None:
        """Let the simulation go on, once the last image due at or before its tick was looked at."""
        if self._tick_ns is None or not self.active:
            return
        due_ns = self._tick_ns * self._rate // NANOSECONDS * NANOSECONDS // self._rate
        if self._looked_at_ns >= due_ns:
            self._say_done()

    def _give_up_tick(self) -> None:
        self._patience.cancel()
        if self._tick_ns is not None:
            self._report(Level.ERROR, f"no image on '{IMAGES}' for a tick that needs one: check that the camera runs")
            self._say_done()

    def _say_done(self) -> None:
        self._patience.cancel()
        done = TickDone(participant=self.get_name())
        done.header.stamp = to_stamp(self._tick_ns or 0)
        self._ticks_done.publish(done)
        self._tick_ns = None


def main() -> None:
    sys.exit(run_node(TagDetector, executor_class=EventsExecutor))


if __name__ == "__main__":
    main()
