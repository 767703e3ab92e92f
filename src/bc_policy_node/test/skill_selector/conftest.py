from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import rclpy
from two_joints import write_checkpoint, write_yaml

from bc_nodes.testing import domain_of_its_own
from bc_policy_node.chunk_scheduler import ChunkScheduler
from bc_policy_node.policy_node import PolicyNode
from bc_policy_node.skill_selector import SkillSelector

from .graph import HORIZONS, SEEING, Graph, skill

HOME = {
    "skill": "home",
    "description": "go home",
    "motion": {"kind": "joints", "joints": {"j1": 0.5, "j2": -0.5}, "gripper": 0.02, "speed_scale": 0.5},
    "timeout": 60.0,
}


@contextmanager
def running(parameters: dict[str, Any], make: Callable[[], Graph]) -> Iterator[Graph]:
    """rclpy in a domain of its own, and a graph in it."""
    with domain_of_its_own():
        overrides = [word for key, value in parameters.items() for word in ("-p", f"{key}:={value}")]
        rclpy.init(args=["--ros-args", *overrides])
        graph = make()
        try:
            yield graph
        finally:
            graph.close()
            rclpy.shutdown()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Contract, two checkpoints, and skills that use them."""
    root = tmp_path_factory.mktemp("skills")
    contract = write_yaml(root / "contract.yaml", SEEING)
    paths = {name: str(write_checkpoint(root / name, contract, horizon)) for name, horizon in HORIZONS.items()}
    documents = [
        skill("first", paths["long"]),
        skill("second", paths["short"]),
        skill("endless", paths["long"], timeout=0.5),
        HOME,
    ]
    for document in documents:
        write_yaml(root / "library" / f"{document['skill']}.yaml", document)
    return root


@pytest.fixture(scope="module")
def whole(folder: Path) -> Iterator[Graph]:
    """policy_node, chunk_scheduler and skill_selector: loaded once."""
    library = folder / "library"
    parameters = {
        **{f"{node}:skills": library for node in ("policy_node", "chunk_scheduler", "skill_selector")},
        **{f"{node}:contract": folder / "contract.yaml" for node in ("policy_node", "skill_selector")},
        "chunk_scheduler:s_min": 3,
        "chunk_scheduler:delay_init": 2,
    }
    with running(parameters, lambda: Graph(PolicyNode(), ChunkScheduler(), SkillSelector())) as graph:
        graph.bring_up()
        yield graph


@pytest.fixture
def alone(folder: Path) -> Iterator[Callable[..., Graph]]:
    """Makes a graph with skill_selector alone, by its parameters; not brought up."""
    stack: list[Any] = []

    def make(**parameters: Any) -> Graph:
        given = {"skills": folder / "library", "contract": folder / "contract.yaml", **parameters}
        manager = running(
            {f"skill_selector:{key}": value for key, value in given.items()}, lambda: Graph(SkillSelector())
        )
        stack.append(manager)
        return manager.__enter__()

    yield make
    for manager in stack:
        manager.__exit__(None, None, None)
