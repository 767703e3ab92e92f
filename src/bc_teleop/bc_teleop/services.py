"""What a device's buttons ask of other nodes: mode changes of the controller, the life of an episode."""

from typing import Any

from rclpy.node import Node
from std_srvs.srv import SetBool, Trigger

from bc_msgs.msg import EpisodeOutcome
from bc_msgs.srv import ChangeMode, StartEpisode, StopEpisode
from bc_teleop.command import Button
from bc_teleop.episode_request import EpisodeRequest

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
        self._start = node.create_client(StartEpisode, "episode/start")
        self._stop = node.create_client(StopEpisode, "episode/stop")
        self._pause = node.create_client(SetBool, "episode/pause")
        self._rerecord = node.create_client(Trigger, "episode/rerecord")

    def send(self, button: Button, episode: EpisodeRequest, paused: bool) -> None:
        """Ask for what a button stands for. episode: what a start says. paused: the episode is; PAUSE lets it go on."""
        client, request = self._request(button, episode, paused)
        if not client.service_is_ready():
            self._node.get_logger().error(f"'{button}' has no effect: nobody serves '{client.srv_name}'")
            return
        client.call_async(request).add_done_callback(lambda future: self._report(button, future.result()))

    def _request(self, button: Button, episode: EpisodeRequest, paused: bool) -> tuple[Any, Any]:
        if button in _MODES:
            return self._change_mode, ChangeMode.Request(request=_MODES[button], reason="operator")
        if button is Button.START:
            return self._start, StartEpisode.Request(
                task=episode.task, operator_name=episode.operator, seed=episode.seed, metadata=episode.metadata
            )
        if button is Button.PAUSE:
            return self._pause, SetBool.Request(data=not paused)
        if button is Button.RERECORD:
            return self._rerecord, Trigger.Request()
        discard = button is Button.DISCARD
        return self._stop, StopEpisode.Request(outcome=_OUTCOMES[button], reason="operator", discard=discard)

    def _report(self, button: Button, response: Any) -> None:
        logger = self._node.get_logger()
        if response.success:
            logger.info(f"'{button}': {response.message or 'done'}")
        else:
            logger.warning(f"'{button}' was refused: {response.message}")
