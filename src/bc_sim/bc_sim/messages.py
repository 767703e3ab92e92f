"""From the simulation's values to messages. Nothing here is clever; it is called hundreds of times a second."""

from array import array

import numpy as np
import numpy.typing as npt
from cv_bridge import CvBridge
from mujoco import MjData
from nav_msgs.msg import Odometry
from sensor_msgs.msg import CameraInfo, Image, JointState

from bc_controllers import Ack, ControllerState, ControllerStatus, ModeChange
from bc_msgs.msg import ChunkAck, ControlMode, TaskState
from bc_msgs.msg import ControllerState as ControllerStateMsg
from bc_msgs.msg import ControllerStatus as ControllerStatusMsg
from bc_nodes.convert import odometry_to_msg, pose_to_msg, to_stamp
from bc_sim._plant import PlantStatus, Sample
from bc_sim.camera import DEPTH_TOPIC, IMAGE_TOPIC, OffscreenCamera, camera_matrix
from bc_sim.simulation import Array, ObjectState
from bc_sim.task import TaskOutcome
from bc_sim.task_config import Camera, Depth

_BRIDGE = CvBridge()


def joint_state(sample: Sample, names: list[str]) -> JointState:
    """Arm joints, then the gripper's opening as one more joint; names in that order."""
    msg = JointState(name=names)
    msg.header.stamp = to_stamp(sample.now_ns)
    msg.position = array("d", [*sample.position.tolist(), sample.gripper])
    msg.velocity = array("d", [*sample.velocity.tolist(), sample.gripper_velocity])
    msg.effort = array("d", [*sample.torque.tolist(), 0.0])  # the hand reports no force
    return msg


def controller_state(state: ControllerState, joint_names: list[str], base_frame: str) -> ControllerStateMsg:
    msg = ControllerStateMsg(
        mode=state.mode,
        mode_epoch=state.mode_epoch,
        joint_names=joint_names,
        position=_doubles(state.position),
        velocity=_doubles(state.velocity),
        position_reference=_doubles(state.position_reference),
        velocity_reference=_doubles(state.velocity_reference),
        effort=_doubles(state.effort),
        gripper_position=state.gripper_position,
        gripper_reference=state.gripper_reference,
        tcp=pose_to_msg(state.tcp),
        tcp_reference=pose_to_msg(state.tcp_reference),
        ladder=state.ladder,
        source=state.source,
        producer_id=state.producer_id,
        sequence=state.sequence,
        row=state.row,
    )
    msg.header.stamp = to_stamp(state.stamp_ns)
    msg.header.frame_id = base_frame
    return msg


def controller_status(controller: ControllerStatus, plant: PlantStatus, stamp_ns: int) -> ControllerStatusMsg:
    msg = ControllerStatusMsg(
        rate_hz=plant.rate_hz,
        realtime_factor=plant.realtime_factor,
        periods=plant.periods,
        late_over_1ms=plant.late_over_1ms,
        late_p50_us=plant.late_p50_us,
        late_p99_us=plant.late_p99_us,
        late_max_us=plant.late_max_us,
        update_p50_us=plant.update_p50_us,
        update_p99_us=plant.update_p99_us,
        update_max_us=plant.update_max_us,
        chunks_in_force=controller.chunks_in_force,
        chunks_refused=controller.chunks_refused,
        refused_by_reason=array("Q", controller.refused_by_reason),
        values_clamped=controller.values_clamped,
        velocity_limited=controller.velocity_limited,
        acceleration_limited=controller.acceleration_limited,
        torque_limited=controller.torque_limited,
        torque_rate_limited=controller.torque_rate_limited,
        starved_periods=controller.starved_periods,
        commands_overdue=controller.commands_overdue,
        sources_silent=controller.sources_silent,
        nonfinite_inputs=controller.nonfinite_inputs,
        nonfinite_commands=controller.nonfinite_commands,
        frozen_encoders=controller.frozen_encoders,
        workspace_limited=controller.workspace_limited,
        tcp_speed_limited=controller.tcp_speed_limited,
        kinematics_limited=controller.kinematics_limited,
        error_clipped=controller.error_clipped,
        limits_repelled=controller.limits_repelled,
        overspeed=controller.overspeed,
        position_limited=controller.position_limited,
    )
    msg.header.stamp = to_stamp(stamp_ns)
    return msg


def chunk_ack(ack: Ack) -> ChunkAck:
    msg = ChunkAck(
        source=ack.source,
        producer=ack.producer,
        producer_id=ack.producer_id,
        sequence=ack.sequence,
        verdict=ack.verdict,
        reason=ack.reason,
        detail=ack.detail,
        mode_epoch=ack.mode_epoch,
        effective=to_stamp(ack.effective_ns),
        row=ack.row,
        raw_jump=ack.raw_jump,
        raw_jump_rotation=ack.raw_jump_rotation,
        raw_jump_gripper=ack.raw_jump_gripper,
        clamped=ack.clamped,
    )
    msg.header.stamp = to_stamp(ack.stamp_ns)
    return msg


def control_mode(change: ModeChange) -> ControlMode:
    msg = ControlMode(mode=change.mode, epoch=change.epoch, previous_mode=change.previous_mode, reason=change.reason)
    msg.header.stamp = to_stamp(change.stamp_ns)
    return msg


def initial_mode(state: ControllerState, stamp_ns: int) -> ControlMode:
    """The mode in which a controller starts."""
    msg = ControlMode(mode=state.mode, epoch=state.mode_epoch, previous_mode=state.mode, reason="start")
    msg.header.stamp = to_stamp(stamp_ns)
    return msg


def odometry(state: ObjectState, base_frame: str) -> Odometry:
    """Pose in the base frame, twist in the object's (as the message defines them)."""
    pose = np.concatenate([state.position, state.orientation])
    return odometry_to_msg(state.stamp_ns, base_frame, "object", pose, state.linear, state.angular)


def image(pixels: npt.NDArray[np.uint8], stamp_ns: int, frame_id: str) -> Image:
    """Pixels (height, width, 3), RGB."""
    msg = _BRIDGE.cv2_to_imgmsg(pixels, encoding="rgb8")
    msg.header.stamp = to_stamp(stamp_ns)
    msg.header.frame_id = frame_id
    return msg


def depth_image(distances: npt.NDArray[np.float32], depth: Depth, stamp_ns: int, frame_id: str) -> Image:
    """Distances (height, width) [m] as a sensor of this range tells them: by REP 118 in whole millimetres, 0 where it
    measures nothing, or in metres, -inf where something is too near for it and inf where it is too far."""
    near, far = distances < depth.near, distances > depth.far
    if depth.encoding == "16UC1":
        numbers = np.where(near | far, 0.0, np.rint(distances * 1000.0)).astype(np.uint16)
    else:
        numbers = np.select([near, far], [np.float32(-np.inf), np.float32(np.inf)], distances)
    msg = _BRIDGE.cv2_to_imgmsg(numbers)  # encoding by dtype: named, 16UC1 is refused as incompatible with itself
    msg.header.stamp = to_stamp(stamp_ns)
    msg.header.frame_id = frame_id
    return msg


def camera_images(eye: OffscreenCamera, data: MjData, camera: Camera, stamp_ns: int) -> list[tuple[str, Image]]:
    """What a camera sees of a state, by topic, all with one stamp."""
    seen = [(IMAGE_TOPIC, image(eye.render(data), stamp_ns, camera.name))]
    if camera.depth is not None:
        seen.append((DEPTH_TOPIC, depth_image(eye.measure(data), camera.depth, stamp_ns, camera.name)))
    return seen


def camera_info(camera: Camera, stamp_ns: int) -> CameraInfo:
    """Of the pinhole camera that is rendered: its picture is ideal, and its optical axis meets the picture's middle."""
    msg = CameraInfo(width=camera.width, height=camera.height, distortion_model="plumb_bob", d=[0.0] * 5)
    msg.header.stamp = to_stamp(stamp_ns)
    msg.header.frame_id = camera.name
    (fx, _, cx), (_, fy, cy), _ = matrix = camera_matrix(camera)
    msg.k = matrix.ravel()
    msg.r = np.eye(3).ravel()
    msg.p = np.array([fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0])
    return msg


def task_state(outcome: TaskOutcome, task: str, seed: int, stamp_ns: int) -> TaskState:
    msg = TaskState(
        task=task,
        seed=seed,
        elapsed=outcome.elapsed,
        success=outcome.success,
        failure=outcome.failure,
        detail=outcome.detail,
    )
    msg.header.stamp = to_stamp(stamp_ns)
    return msg


def _doubles(values: Array) -> "array[float]":
    """By bytes: element by element a NumPy array is slow."""
    return array("d", values.tobytes())
