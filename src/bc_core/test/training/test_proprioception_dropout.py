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


def test_a_policy_that_never_saw_its_joints_does_not_heed_them(
    contract: Contract, new_recording: NewRecording, tmp_path: Path
) -> None:
    """At probability 1 what joints do to the loss is never seen, so weights of theirs have no gradient of their own: they
    all move in step with the bias, by the mean that stands for them. Without dropout they do not."""
    bags = [record(contract, new_recording(number), 1.0 if number % 2 else -1.0) for number in range(3)]

    def moved(**changes: Any) -> torch.Tensor:
        from bc_core.checkpoint import load_policy

        document = settings(steps=8, batch=16, observation_noise=0.0, validation=0.0, **changes)
        document["policy"].update(width=32, blocks=1, horizon=6)
        document["training"]["weight_decay"] = 0.0
        train(bags, contract, document, tmp_path / "policy")
        network: Any = load_policy(tmp_path / "policy").network
        torch.manual_seed(document["training"]["seed"])
        return network.observation.weight.detach().clone()

    free = moved(learning_rate=1e-8)  # as good as its start
    dropout = {"probability": 1.0, "streams": ["arm", "gripper"]}
    dropped = moved(proprioception_dropout=dropout)
    assert read_config(tmp_path / "policy")["training"]["settings"]["training"]["proprioception_dropout"] is not None
    assert (dropped - free).abs().max() < 0.1 * (moved() - free).abs().max()


def test_a_stream_that_is_not_observed_is_refused(
    contract: Contract, new_recording: NewRecording, tmp_path: Path
) -> None:
    bags = [record(contract, new_recording(0), 1.0)]
    document = settings(proprioception_dropout={"probability": 0.5, "streams": ["tcp"]})
    with pytest.raises(BcError, match="'tcp', which is no numeric stream among policy.observations \\(arm, gripper"):
        train(bags, contract, document, tmp_path / "policy")
