"""The recorder in a domain of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bc_nodes.testing import domain_of_its_own

from .graph import PATIENCE, Graph, arguments, begin


@pytest.fixture
def domain() -> Iterator[int]:
    with domain_of_its_own() as domain:
        yield domain


@pytest.fixture
def defaults(config_folder: Path, tmp_path: Path) -> dict[str, Any]:
    contract = config_folder / "contracts" / "panda_conveyor.yaml"
    return {"contract": contract, "directory": tmp_path, "min_free_mb": 1, "tick_timeout": PATIENCE}


@pytest.fixture
def make(domain: int, defaults: dict[str, Any]) -> Iterator[Callable[..., Graph]]:
    graphs: list[Graph] = []

    def make(**parameters: Any) -> Graph:
        graphs.append(Graph(domain, arguments(defaults, parameters)))
        return graphs[0]

    yield make
    for graph in graphs:
        graph.down()


@pytest.fixture
def lockstep(make: Callable[..., Graph]) -> Graph:
    """In lock step, one tick before START."""
    return begin(make(lockstep=True, use_sim_time=True))
