"""Action encodings and normalisation are invertible, relative where they say so, and free of ambiguity."""

from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bc_core.contract import Contract
from bc_core.encoding import ActionEncoder, Encoding
from bc_core.errors import BcError
from bc_core.normalisation import MINIMAL_STD, Normaliser, fit_actions, fit_observations
from bc_core.policies.features import ObservationFeatures

POSE = ["position.x", "position.y", "position.z", "orientation.x", "orientation.y", "orientation.z", "orientation.w"]


@pytest.fixture
def pose_contract(document: dict[str, Any]) -> Contract:
    document["actions"] = {
        "hand": {"space": "cartesian_pose", "tip": "hand", "frame_id": "panda_link0"},
        "gripper": {"space": "gripper", "names": ["panda_gripper"]},
    }
    return Contract.from_document(document, "test")


def poses(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Random poses whose rotations vary slowly along the last axis of shape."""
    count = int(np.prod(shape[:-1]))
    start = Rotation.random(count, rng=rng)
    turn = rng.normal(0.0, 0.1, (count, shape[-1], 3)).cumsum(axis=1)
    quaternions = np.stack([(start * Rotation.from_rotvec(turn[:, row])).as_quat() for row in range(shape[-1])], axis=1)
    return np.concatenate([rng.normal(size=(*shape, 3)), quaternions.reshape(*shape, 4)], axis=-1)


@pytest.mark.parametrize("encoding", list(Encoding))
def test_joints_round_trip(contract: Contract, encoding: Encoding) -> None:
    rng = np.random.default_rng(0)
    encoder = ActionEncoder(contract, encoding)
    actions = rng.normal(size=(5, 24, 8))
    values = {"arm": rng.normal(size=(5, 7)), "gripper": rng.normal(size=(5, 1))}
    decoded = encoder.decode(encoder.encode(actions, values), values)
    np.testing.assert_allclose(decoded, actions, atol=1e-12)


def test_relative_is_relative_to_the_observed_joints_and_spares_the_gripper(contract: Contract) -> None:
    encoder = ActionEncoder(contract, Encoding.RELATIVE)
    assert encoder.streams == ("arm",)
    joints = np.linspace(0.1, 0.7, 7)
    encoded = encoder.encode(np.tile(np.append(joints + 0.01, 0.08), (3, 1)), {"arm": joints})
    np.testing.assert_allclose(encoded, np.tile(np.append(np.full(7, 0.01), 0.08), (3, 1)))


def test_delta_is_from_row_to_row_and_begins_at_the_observed_joints(contract: Contract) -> None:
    encoder = ActionEncoder(contract, Encoding.DELTA)
    joints = np.linspace(0.1, 0.7, 7)
    ramp = joints + 0.01 * np.array([[1.0], [3.0], [6.0]])
    encoded = encoder.encode(np.concatenate([ramp, np.full((3, 1), 0.08)], axis=1), {"arm": joints})
    np.testing.assert_allclose(encoded[:, :7], np.repeat([[0.01], [0.02], [0.03]], 7, axis=1))
    np.testing.assert_allclose(encoded[:, 7], 0.08)


def test_a_delta_pose_is_seen_from_the_row_before(pose_contract: Contract) -> None:
    """The hand advances along its own x axis and turns about its z axis, the same from row to row."""
    turn = Rotation.from_rotvec([0.0, 0.0, 0.3])
    pose, rows = np.array([0.4, 0.1, 0.2, *Rotation.from_euler("xyz", [0.3, -0.5, 1.0]).as_quat()]), []
    start = pose.copy()
    for _ in range(4):
        rotation = Rotation.from_quat(pose[3:])
        pose = np.concatenate([pose[:3] + rotation.apply([0.02, 0.0, 0.0]), (rotation * turn).as_quat()])
        rows.append(np.append(pose, 0.05))
    encoded = ActionEncoder(pose_contract, Encoding.DELTA).encode(np.array(rows), {"tcp": start})
    step = np.concatenate([[0.02, 0.0, 0.0], turn.as_matrix()[:, 0], turn.as_matrix()[:, 1], [0.05]])
    np.testing.assert_allclose(encoded, np.tile(step, (4, 1)), atol=1e-12)


@pytest.mark.parametrize("encoding", list(Encoding))
@pytest.mark.parametrize("space", ["joints", "pose"])
def test_a_prefix_encoded_against_a_new_observation_decodes_to_itself(
    contract: Contract, pose_contract: Contract, encoding: Encoding, space: str
) -> None:
    """Three ticks on: absolute rows are encoded as before, and delta rows but the first, since they are relative to one
    another; decoding gives the rows back."""
    rng = np.random.default_rng(7)
    if space == "joints":
        encoder, stream = ActionEncoder(contract, encoding), "arm"
        rows = np.concatenate([rng.normal(0.0, 0.1, (12, 7)).cumsum(0), np.full((12, 1), 0.04)], axis=1)
        old, new = rng.normal(size=(2, 7))
    else:
        encoder, stream = ActionEncoder(pose_contract, encoding), "tcp"
        rows = np.concatenate([poses(rng, 1, 12)[0], np.full((12, 1), 0.04)], axis=1)
        old, new = poses(rng, 1, 2)[0]
    chunk = encoder.decode(encoder.encode(rows, {stream: old}), {stream: old})
    prefix = encoder.encode(chunk[3:], {stream: new})
    again = encoder.decode(prefix, {stream: new})
    flips = np.sign(np.sum(again[:, 3:7] * rows[3:, 3:7], axis=1)) if space == "pose" else np.ones(9)
    again[:, 3:7] *= flips[:, None]
    np.testing.assert_allclose(again, rows[3:], atol=1e-9)
    unchanged = np.isclose(prefix, encoder.encode(rows, {stream: old})[3:], atol=1e-9).all(axis=1)
    expected = {Encoding.ABSOLUTE: 9, Encoding.DELTA: 8, Encoding.RELATIVE: 0}
    assert unchanged.sum() == expected[encoding]


def test_the_reference_is_found_by_field_and_joint(document: dict[str, Any]) -> None:
    arm = document["observations"]["arm"]
    arm["fields"] = ["velocity", "position"]
    arm["names"] = arm["names"][::-1]
    encoder = ActionEncoder(Contract.from_document(document, "test"), Encoding.RELATIVE)
    observed = np.concatenate([np.full(7, 99.0), np.arange(7.0, 0.0, -1.0)])
    encoded = encoder.encode(np.append(np.arange(1.0, 8.0), 0.08)[None], {"arm": observed})
    np.testing.assert_allclose(encoded[0, :7], np.zeros(7))


@pytest.mark.parametrize("encoding", [Encoding.RELATIVE, Encoding.DELTA])
def test_relative_without_an_observed_position_is_refused(document: dict[str, Any], encoding: Encoding) -> None:
    del document["observations"]["arm"]
    with pytest.raises(BcError, match=r"observes no position of action group 'arm'.*encoding: absolute"):
        ActionEncoder(Contract.from_document(document, "test"), encoding)


@pytest.mark.parametrize("encoding", list(Encoding))
def test_poses_round_trip_on_one_hemisphere(pose_contract: Contract, encoding: Encoding) -> None:
    rng = np.random.default_rng(1)
    encoder = ActionEncoder(pose_contract, encoding)
    assert encoder.width == 10
    actions = np.concatenate([poses(rng, 40, 24), rng.uniform(size=(40, 24, 1))], axis=-1)
    actions[:, ::3, 3:7] *= -1.0  # the same rotations
    values = {"tcp": poses(rng, 40, 1)[:, 0]}
    decoded = encoder.decode(encoder.encode(actions, values), values)
    np.testing.assert_allclose(decoded[..., :3], actions[..., :3], atol=1e-9)
    np.testing.assert_allclose(np.abs(np.sum(decoded[..., 3:7] * actions[..., 3:7], axis=-1)), 1.0, atol=1e-9)
    assert (np.sum(decoded[:, 1:, 3:7] * decoded[:, :-1, 3:7], axis=-1) > 0.0).all()


def test_a_relative_pose_does_not_depend_on_where_the_robot_stands(pose_contract: Contract) -> None:
    rng = np.random.default_rng(2)
    encoder = ActionEncoder(pose_contract, Encoding.RELATIVE)
    actions, observed = poses(rng, 1, 6)[0], poses(rng, 1, 1)[0, 0]
    shift, turn = rng.normal(size=3), Rotation.random(rng=rng)

    def move(pose: np.ndarray) -> np.ndarray:
        rotation = (turn * Rotation.from_quat(pose[..., 3:])).as_quat()
        return np.concatenate([turn.apply(pose[..., :3]) + shift, rotation], axis=-1)

    grip = np.zeros((6, 1))
    here = encoder.encode(np.concatenate([actions, grip], axis=-1), {"tcp": observed})
    there = encoder.encode(np.concatenate([move(actions), grip], axis=-1), {"tcp": move(observed)})
    np.testing.assert_allclose(there, here, atol=1e-9)


def test_features_have_no_quaternion_ambiguity(contract: Contract) -> None:
    features = ObservationFeatures(contract, ["arm", "tcp", "object", "camera"])
    rng = np.random.default_rng(3)
    values = {"arm": rng.normal(size=(2, 7)), "tcp": poses(rng, 1, 2)[0], "object": rng.normal(size=(2, 6))}
    flipped = {stream: value.copy() for stream, value in values.items()}
    flipped["tcp"][1, 3:] *= -1.0
    flipped["object"][0, 3:5] *= -1.0
    assert features(values).shape == (2 * (7 + 9 + 6),)
    np.testing.assert_allclose(features(flipped), features(values), atol=1e-12)


def test_history_enters_as_differences_of_successive_steps(contract: Contract) -> None:
    features = ObservationFeatures(contract, ["gripper"])
    np.testing.assert_allclose(features({"gripper": np.array([[0.01], [0.03], [0.06]])}), [0.06, 0.02, 0.03])
    batch = np.arange(12.0).reshape(4, 3, 1) ** 2
    stacked = np.stack([features({"gripper": value}) for value in batch])
    np.testing.assert_array_equal(features({"gripper": batch}), stacked)


def test_relations_are_positions_as_seen_from_another_stream(contract: Contract) -> None:
    features = ObservationFeatures(contract, ["tcp", "object"], [("object", "tcp")])
    rng = np.random.default_rng(5)
    values = {"tcp": poses(rng, 1, 2)[0], "object": rng.normal(size=(2, 6))}
    relative = values["object"][:, :3] - values["tcp"][:, :3]
    np.testing.assert_allclose(features(values)[-6:], np.concatenate([relative[1], relative[1] - relative[0]]))


@pytest.mark.parametrize("pair", [("object", "arm"), ("tcp", "object")])
def test_a_relation_to_what_has_no_position_or_is_not_observed_is_refused(
    contract: Contract, pair: tuple[str, str]
) -> None:
    with pytest.raises(BcError, match=f"relations name '{pair[1] if pair[1] == 'arm' else 'tcp'}'"):
        ObservationFeatures(contract, ["arm", "object"], [pair])


def test_normalisation_survives_json_exactly() -> None:
    data = np.random.default_rng(4).normal(3.0, 2.0, (500, 6))
    normaliser = fit_observations(data)
    same = Normaliser.from_document(normaliser.to_document(), "test")
    np.testing.assert_array_equal(same.normalise(data), normaliser.normalise(data))
    np.testing.assert_allclose(normaliser.normalise(data).std(axis=0), 1.0)
    np.testing.assert_allclose(normaliser.denormalise(normaliser.normalise(data)), data)


def test_constant_dimensions_stay_harmless() -> None:
    normaliser = fit_observations(np.full((10, 2), 0.5))
    assert normaliser.std.tolist() == [MINIMAL_STD] * 2
    with pytest.raises(BcError, match="normalisation is damaged"):
        Normaliser.from_document({"mean": [0.0], "std": [0.0]}, "checkpoint 'x'")


def test_row_statistics_ignore_rows_without_a_target() -> None:
    rng = np.random.default_rng(5)
    spread = np.array([0.01, 1.0])[None, :, None]
    actions = rng.normal(size=(4000, 2, 1)) * spread
    valid = np.ones((4000, 2), dtype=bool)
    valid[::2, 1] = False
    actions[::2, 1] = 1e6
    normaliser = fit_actions(actions, valid, row_floor=0.0)
    np.testing.assert_allclose(normaliser.std[:, 0], [0.01, 1.0], rtol=0.1)
    floored = fit_actions(actions, valid, row_floor=0.5)
    assert floored.std[0, 0] == pytest.approx(0.5 * np.sqrt((0.01**2 * 2 + 1.0) / 3), rel=0.1)
    one = fit_actions(actions, valid, row_floor=1.0)
    assert one.std[0, 0] == pytest.approx(0.577, rel=0.1)
