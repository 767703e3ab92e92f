"""What a device's buttons ask of other nodes: mode changes of the controller, ends of episodes."""

from typing import Any

from rclpy.node import Node

from bc_msgs.msg import EpisodeOutcome
from bc_msgs.srv import ChangeMode, StopEpisode
from bc_teleop.command import Button

_MODES = {
    Button.RESUME: ChangeMode.Request.RESUME,
    Button.STOP: ChangeMode.Request.STOP,
    Button.RESET: ChangeMode.Request.RESET,
}
_OUTCOMES = {
    Button.SUCCESS: EpisodeOutcome.SUCCESS,
    Button.FAILURE: EpisodeOutcome.FAILURE,
    Button.DISCARD: EpisodeOutcome.ABORTED,
}


class Requests:
    """Calls services without waiting; the log tells what came of it."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._change_mode = node.create_client(ChangeMode, "controller/change_mode")
        self._stop_episode = node.create_client(StopEpisode, "episode/stop")

    def send(self, button: Button) -> None:
        """Ask for what a button stands for."""
        client: Any
        if button in _MODES:
            client, request = self._change_mode, ChangeMode.Request(request=_MODES[button], reason="operator")
        else:
            client = self._stop_episode
            discard = button is Button.DISCARD
            request = StopEpisode.Request(outcome=_OUTCOMES[button], reason="operator", discard=discard)
        if not client.service_is_ready():
            self._node.get_logger().error(f"'{button}' has no effect: nobody serves '{client.srv_name}'")
            return
        client.call_async(request).add_done_callback(lambda future: self._report(button, future.result()))

    def _report(self, button: Button, response: Any) -> None:
        logger = self._node.get_logger()
        if response.success:
            logger.info(f"'{button}': {response.message or 'done'}")
        else:
            logger.warning(f"'{button}' was refused: {response.message}")
