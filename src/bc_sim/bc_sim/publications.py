"""What the simulated robot publishes, and when (docs/protocol.md, "Names")."""

from collections.abc import Callable
from typing import Any

from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.publisher import Publisher
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, JointState

from bc_core.grid import Grid
from bc_msgs.msg import ChunkAck, ControllerState, ControllerStatus, ControlMode, TaskState
from bc_nodes import qos
from bc_nodes.convert import to_stamp
from bc_sim import messages
from bc_sim.camera import OffscreenCamera, camera_topics, info_topic
from bc_sim.schedule import Schedule
from bc_sim.simulation import PERIOD_NS, Simulation

_OBJECT, _STATE, _JOINTS, _STATUS, _CLOCK = 100.0, 100.0, 200.0, 1.0, 100.0  # rates [Hz]

Reading = tuple[Publisher, Any]
"""A message, and where it goes."""


class Publications:
    """Publishes what is due; to be used by one thread, except for `camera`, which may have one of its own.

    In lock step (`clock`) the clock comes last: whoever hears a time can have seen what belongs to it.
    """

    def __init__(self, node: Node, simulation: Simulation, grid: Grid, clock: bool) -> None:
        self._simulation, self._grid = simulation, grid
        self._joint_names = [*simulation.robot.arm, simulation.robot.gripper]
        self._camera_data = simulation.new_data()
        self._last: dict[Publisher, Any] = {}
        self._acks = node.create_publisher(ChunkAck, "controller/ack", qos.EVENT)
        self._mode = node.create_publisher(ControlMode, "controller/mode", qos.LATCHED)
        self._joints = node.create_publisher(JointState, "joint_states", qos.stream_out(_JOINTS))
        self._state = node.create_publisher(ControllerState, "controller/state", qos.stream_out(_STATE))
        self._status = node.create_publisher(ControllerStatus, "controller/status", qos.stream_out(_STATUS))
        self._object = node.create_publisher(Odometry, "object/odometry", qos.stream_out(_OBJECT))
        camera = simulation.task_config.camera
        self._images = {
            topic: (node.create_publisher(Image, topic, qos.stream_out(camera.rate)),
                    node.create_publisher(CameraInfo, info_topic(topic), qos.stream_out(camera.rate)))
            for topic in camera_topics(camera)
        }  # fmt: skip
        self._task = node.create_publisher(TaskState, "task/state", qos.EVENT)
        # In the order in which they are read: joint states were sampled by the plant, the others are as of now.
        streams: dict[str, tuple[float, Callable[[], list[Reading]]]] = {
            "object": (_OBJECT, self._read_object),
            "state": (_STATE, self._read_state),
            "joint_states": (_JOINTS, self._read_joints),
            "status": (_STATUS, self._read_status),
            "task": (1.0 / grid.dt, self._read_task),
        }
        if clock:
            self._clock = node.create_publisher(Clock, "/clock", qos.stream_out(_CLOCK))
            streams["clock"] = (_CLOCK, self._read_clock)
        self._streams = {name: read for name, (_, read) in streams.items()}
        self.schedule = Schedule({name: rate for name, (rate, _) in streams.items()}, PERIOD_NS)

    def announce(self, now_ns: int) -> None:
        """The control mode before the first period: the controller itself reports changes only."""
        state = self._simulation.controller.state()
        self._send(self._mode, messages.initial_mode(state, now_ns))

    def publish(self, last_ns: int, now_ns: int) -> None:
        """Everything that became due in (last_ns, now_ns], with acknowledgements and mode changes first.

        All is read before anything is sent: sending takes longer than a control period, and what belongs to one time
        must bear its stamp.
        """
        readings = [reading for name in self.schedule.due(last_ns, now_ns) for reading in self._streams[name]()]
        self.publish_events()
        for publisher, message in readings:
            self._send(publisher, message)

    def repeat(self) -> None:
        """Once more the newest of everything periodic: for participants that were not there."""
        for publisher, message in self._last.items():
            if publisher not in (self._mode, self._clock):
                publisher.publish(message)
        self.publish_clock()

    def publish_scene(self) -> None:
        """After a reset, at once: whoever still deals with this tick must not see the scene of before."""
        self.publish_events()
        for publisher, message in [*self._read_object(), *self._read_state(), *self._read_task()]:
            self._send(publisher, message)

    def publish_events(self) -> None:
        controller = self._simulation.controller
        for change in controller.poll_modes():
            self._send(self._mode, messages.control_mode(change))
        for ack in controller.poll_acks():
            self._acks.publish(messages.chunk_ack(ack))

    def publish_clock(self) -> None:
        """ROS time of lock step: the next period's."""
        for publisher, message in self._read_clock():
            self._send(publisher, message)

    def publish_image(self, camera: OffscreenCamera) -> None:
        """Render the newest state and send it, each image with the camera's intrinsics; in the camera's thread."""
        stamp, config = self._simulation.read(self._camera_data), self._simulation.task_config.camera
        for topic, image in messages.camera_images(camera, self._camera_data, config, stamp):
            publisher, info = self._images[topic]
            self._send(info, messages.camera_info(config, stamp))
            self._send(publisher, image)

    def _read_joints(self) -> list[Reading]:
        samples = self._simulation.plant.samples()
        return [(self._joints, messages.joint_state(sample, self._joint_names)) for sample in samples]

    def _read_state(self) -> list[Reading]:
        robot = self._simulation.robot
        state = self._simulation.controller.state()
        return [(self._state, messages.controller_state(state, list(robot.arm), robot.base_frame))]

    def _read_object(self) -> list[Reading]:
        state = self._simulation.object_state()
        return [(self._object, messages.odometry(state, self._simulation.robot.base_frame))]

    def _read_status(self) -> list[Reading]:
        simulation = self._simulation
        controller, plant = simulation.controller.status(), simulation.plant.status()
        return [(self._status, messages.controller_status(controller, plant, simulation.plant.now_ns))]

    def _read_task(self) -> list[Reading]:
        """Stamped with the tick that has just begun."""
        simulation = self._simulation
        tick = self._grid.time(self._grid.floor(simulation.plant.now_ns))
        start = simulation.task.start
        seed = start.seed if start is not None else 0
        return [(self._task, messages.task_state(simulation.outcome(), simulation.task_config.task, seed, tick))]

    def _read_clock(self) -> list[Reading]:
        return [(self._clock, Clock(clock=to_stamp(self._simulation.plant.now_ns)))]

    def _send(self, publisher: Publisher, message: Any) -> None:
        self._last[publisher] = message
        publisher.publish(message)
