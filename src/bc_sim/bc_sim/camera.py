"""The camera: off-screen rendering over EGL."""

from types import TracebackType

import mujoco
import numpy as np
import numpy.typing as npt

from bc_core.errors import BcError
from bc_sim.task_config import Camera

IMAGE_TOPIC = "camera/image_raw"
DEPTH_TOPIC = "camera/depth/image_raw"


def camera_topics(camera: Camera) -> tuple[str, ...]:
    """Of its images."""
    return (IMAGE_TOPIC,) if camera.depth is None else (IMAGE_TOPIC, DEPTH_TOPIC)


def info_topic(image_topic: str) -> str:
    """Where the camera's intrinsics come with the images of a topic, by image_transport's convention."""
    return f"{image_topic.rpartition('/')[0]}/camera_info"


def camera_matrix(camera: Camera) -> npt.NDArray[np.float64]:
    """Intrinsics (3, 3) [px] of the camera that OffscreenCamera renders; pixel (0, 0) has its middle at (0, 0)."""
    focal = camera.height / 2 / np.tan(np.deg2rad(camera.fovy) / 2)
    return np.array([[focal, 0.0, (camera.width - 1) / 2], [0.0, focal, (camera.height - 1) / 2], [0.0, 0.0, 1.0]])


class OffscreenCamera:
    """Renders a fixed camera of the scene. OpenGL binds it to the thread that made it: make, use and close it there.

    BcError when the machine has no EGL.
    """

    def __init__(self, model: mujoco.MjModel, camera: Camera) -> None:
        self._model, self._camera = model, camera
        try:
            self._renderer = mujoco.Renderer(model, height=camera.height, width=camera.width)
        except Exception as error:  # MuJoCo's back ends raise whatever their loader raises
            raise BcError(
                f"camera '{camera.name}' cannot render off screen ({error}): install EGL "
                "(apt-get install libegl1 libegl-mesa0 libgl1-mesa-dri), or start with camera:=false"
            ) from error

    def render(self, data: mujoco.MjData) -> npt.NDArray[np.uint8]:
        """The picture of a state, shape (height, width, 3), RGB. Only data.qpos need be up to date."""
        self._look_at(data)
        pixels: npt.NDArray[np.uint8] = self._renderer.render()
        return pixels

    def measure(self, data: mujoco.MjData) -> npt.NDArray[np.float32]:
        """Distances of a state along the optical axis, shape (height, width) [m], of the pixels of `render`. What is
        farther than OpenGL's clipping plane has its distance."""
        self._look_at(data)
        self._renderer.enable_depth_rendering()
        try:
            distances: npt.NDArray[np.float32] = self._renderer.render()
        finally:
            self._renderer.disable_depth_rendering()
        return distances

    def _look_at(self, data: mujoco.MjData) -> None:
        mujoco.mj_kinematics(self._model, data)
        mujoco.mj_camlight(self._model, data)
        self._renderer.update_scene(data, camera=self._camera.name)

    def close(self) -> None:
        self._renderer.close()

    def __enter__(self) -> "OffscreenCamera":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
