"""Reading of the scenario files: one YAML list per file, each entry a name and its steps."""

from pathlib import Path
from typing import Any

import pytest
import yaml

HERE = Path(__file__).parent


def load(folder: str) -> list[Any]:
    """All scenarios of a folder as pytest parameters, named by file and scenario."""
    parameters = [
        pytest.param(scenario["steps"], id=f"{path.stem}: {scenario['name']}")
        for path in sorted((HERE / folder).glob("*.yaml"))
        for scenario in yaml.safe_load(path.read_text(encoding="utf-8"))
    ]
    assert parameters, f"no scenarios in {HERE / folder}"
    return parameters


def refuse_unknown(step: dict[str, Any], known: set[str]) -> None:
    """A misspelt key would test nothing: AssertionError instead."""
    assert set(step) <= known, f"unknown keys {sorted(set(step) - known)} in {step}"
