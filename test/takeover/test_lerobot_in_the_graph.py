"""A LeRobot checkpoint, imported by the command line, drives the robot: policy node, scheduler, controller, bag."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from bc_bringup import cli
from bc_core.bags import open_episode
from bc_core.checkpoint import load_policy, save_policy
from bc_core.contract import Contract
from bc_core.fields import time_ns
from bc_core.lerobot.policy.export import export_policy
from bc_core.lerobot.policy.files import OWN_FILE
from bc_core.normalisation import Normaliser
from bc_core.policies.chunk_policy import ChunkPolicy
from bc_core.policies.config import TrainConfig
from bc_core.seen import seen_frames
from bc_msgs.msg import ChunkAck, ControlMode, EpisodeOutcome
from bc_msgs.srv import ChangeMode
from takeover_rig import CONFIG, launched

CONTRACT = Contract.load(CONFIG / "contracts" / "panda_conveyor.yaml")
START = yaml.safe_load((CONFIG / "tasks" / "conveyor_pick.yaml").read_text())["start"]
GOAL = np.array([START["arm"][0] + 0.12, *START["arm"][1:], START["gripper"]])
NEAR = 0.004  # of the goal, what weights that nobody has trained say [rad, m]
NODES = ("sim", "policy_node", "chunk_scheduler", "recorder")
SMALL: dict[str, dict[str, Any]] = {
    "lerobot_act": {"width": 32, "blocks": 1, "attention_heads": 4, "feedforward": 48, "vae_layers": 1, "latent": 6},
    "lerobot_diffusion": {"width": 16, "channels": [16, 32], "horizon": 23},
}


def theirs(kind: str, folder: Path) -> Path:
    """Files as LeRobot writes them, which say nothing of a contract; random weights, statistics about the goal."""
    document = yaml.safe_load((CONFIG / "policies" / f"{kind}.yaml").read_text())
    document["policy"] |= SMALL[kind]
    config = TrainConfig.from_document(document, "test").policy
    width = config.n_obs_steps * 21  # arm 7, gripper 1, tcp 7, object 6
    torch.manual_seed(0)
    actions = Normaliser(np.tile(GOAL, (config.horizon, 1)), np.full((config.horizon, CONTRACT.width), NEAR / 4.0))
    policy = ChunkPolicy(CONTRACT, config, Normaliser(np.zeros(width), np.ones(width)), actions)
    save_policy(policy, folder / "made", {})
    export_policy(folder / "made", folder / "pretrained_model")
    (folder / "pretrained_model" / OWN_FILE).unlink()
    return folder / "pretrained_model"


@pytest.mark.parametrize(
    ("kind", "strategy", "able"),
    [("lerobot_act", "naive", "sync, naive, ensemble"),
     ("lerobot_diffusion", "rtc", "sync, naive, ensemble, bid, rtc, rtc_linear, rtc_hard")],
)  # fmt: skip
def test_it_drives_as_it_was_trained(
    kind: str, strategy: str, able: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "policy"
    command = ["import", "lerobot", str(theirs(kind, tmp_path)), "--contract", "panda_conveyor", "--out", str(out)]
    assert cli.main([*command, "--environment", "object"]) == 0
    assert f"strategies: {able}\n" in capsys.readouterr().out
    with launched(tmp_path, "rollout", "none", NODES, checkpoint=str(out), strategy=strategy) as graph:
        bag = Path(graph.start_episode(seed=3))
        graph.call(ChangeMode, "controller/change_mode", request=ChangeMode.Request.RESUME)
        graph.until_mode(ControlMode.POLICY)
        graph.until(lambda: sum(ack.verdict == ChunkAck.IN_FORCE for ack in graph.acks) >= 6)
        graph.until(lambda: bool(np.abs(np.array(graph.states[-1].position) - GOAL[:7]).max() < 3.0 * NEAR))
        graph.hold()
        graph.stop_episode(EpisodeOutcome.SUCCESS)
        assert {ack.verdict for ack in graph.acks} == {ChunkAck.IN_FORCE}
    _check_bag(bag, load_policy(out))


def _check_bag(bag: Path, policy: ChunkPolicy) -> None:
    """What was commanded is what the policy says of the frames that it saw; where its chunks are chained, of the rows
    in force before, exactly."""
    episode = open_episode(bag)
    chunks = [message.msg for message in episode.messages(["command/policy"])]
    frames = {frame.tick: frame for frame in seen_frames(episode, policy.contract, policy.n_obs_steps)}
    assert len(chunks) >= 6
    rows = [np.asarray(chunk.actions).reshape(chunk.horizon, -1) for chunk in chunks]
    ticks = [time_ns(chunk.header.stamp) // policy.contract.grid.dt_ns for chunk in chunks]
    if policy.config.head.type == "lerobot_act":  # which draws nothing
        for tick, row in zip(ticks, rows, strict=True):
            np.testing.assert_allclose(row, policy.infer(frames[tick])[: len(row)], rtol=0.0, atol=1e-9)
        assert not any(chunk.frozen for chunk in chunks)
        return
    chained = 0
    for old, new, begin, end, chunk in zip(rows, rows[1:], ticks, ticks[1:], chunks[1:], strict=False):
        assert end in frames
        if chunk.frozen and 0 < end - begin < len(old) - chunk.frozen:
            np.testing.assert_array_equal(new[: chunk.frozen], old[end - begin :][: chunk.frozen])
            chained += 1
    assert chained >= 3
