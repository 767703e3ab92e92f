"""Proprioception dropout: which features it is of, how often it strikes, and that a run has it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bc_core.checkpoint import read_config
from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.policies.features import ObservationFeatures
from bc_core.policies.lerobot.features import PlainFeatures
from bc_core.training.optimise import FeatureDropout

from .swing import record, settings, train

NewRecording = Callable[[int], Any]


def test_the_features_of_a_stream_are_found_relations_included(contract: Contract) -> None:
    """Whatever is changed in the stream changes these features and no others."""
    streams, n_obs_steps = ("arm", "gripper", "tcp", "object"), 2
    features = ObservationFeatures(contract, streams, [("object", "tcp")])
    rng = np.random.default_rng(0)
    widths = {"arm": 7, "gripper": 1, "tcp": 7, "object": 6}
    values = {stream: rng.normal(size=(n_obs_steps, width)) for stream, width in widths.items()}
    before = features(values)
    for stream, width in widths.items():
        after = features({**values, stream: rng.normal(size=(n_obs_steps, width))})
        columns = features.columns((stream,), n_obs_steps)
        np.testing.assert_array_equal(columns, before != after)
    plain = PlainFeatures(contract, streams)
    after = plain({**values, "tcp": rng.normal(size=(n_obs_steps, 7))})
    np.testing.assert_array_equal(plain.columns(("tcp",), n_obs_steps), plain(values) != after)


def test_it_strikes_whole_samples_as_often_as_it_is_told() -> None:
    """5000 samples at 0.2: 1000, give or take four standard deviations of 28."""
    columns, means = torch.tensor([True, False, True]), torch.tensor([0.5, 7.0, -0.25])
    features, generator = torch.randn(5000, 3) + 2.0, torch.Generator().manual_seed(0)
    dropped = FeatureDropout(0.2, columns, means)(features, generator)
    struck = (dropped == means)[:, columns]
    assert torch.equal(struck[:, 0], struck[:, 1])
    assert abs(int(struck[:, 0].sum()) - 1000) < 113
    assert torch.equal(dropped[:, 1], features[:, 1])
    assert torch.equal(dropped[~struck[:, 0]], features[~struck[:, 0]])
    assert torch.equal(FeatureDropout(0.0, columns, means)(features, generator), features)


def test_a_policy_that_never_sees_its_joints_learns_less_from_them(
    contract: Contract, new_recording: NewRecording, tmp_path: Path
) -> None:
    """Joints tell how late it is and to which side the swing goes; at probability 1 training sees their means."""
    bags = [record(contract, new_recording(number), 1.0 if number % 2 else -1.0) for number in range(4)]

    def loss(**changes: Any) -> float:
        document = settings(steps=150, batch=64, validation=0.0, **changes)
        document["policy"].update(width=64, blocks=1)
        return float(train(bags, contract, document, tmp_path / "policy")["train_loss"])

    free = loss()
    blind = loss(proprioception_dropout={"probability": 1.0, "streams": ["arm", "gripper"]})
    kept = read_config(tmp_path / "policy")["training"]["settings"]["training"]["proprioception_dropout"]
    assert kept == {"probability": 1.0, "streams": ["arm", "gripper"]}
    assert blind > 1.15 * free, (blind, free)


def test_a_stream_that_is_not_observed_is_refused(
    contract: Contract, new_recording: NewRecording, tmp_path: Path
) -> None:
    bags = [record(contract, new_recording(0), 1.0)]
    document = settings(proprioception_dropout={"probability": 0.5, "streams": ["tcp"]})
    with pytest.raises(BcError, match="'tcp', which is no numeric stream among policy"):
        train(bags, contract, document, tmp_path / "policy")
