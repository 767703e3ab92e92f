"""A launch environment on disk: packages with executables, and nothing of the machine's environment."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from bc_bringup.launching.expand import Expansion, expand
from bc_bringup.launching.substitution import Context
from bc_core.errors import BcError

Launch = Callable[..., Expansion]


class FakePackages:
    """Packages below one prefix each."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def add(self, package: str, *executables: str) -> Path:
        folder = self.root / package / "lib" / package
        folder.mkdir(parents=True)
        for name in executables:
            (folder / name).write_text("#!/bin/sh\n")
            (folder / name).chmod(0o755)
        return self.root / package

    def prefix(self, package: str) -> Path:
        if not (self.root / package).is_dir():
            raise BcError(f"package '{package}' is not installed")
        return self.root / package


@pytest.fixture
def packages(tmp_path: Path) -> FakePackages:
    packages = FakePackages(tmp_path / "prefix")
    packages.add("pkg", "talker", "listener")
    return packages


@pytest.fixture
def context(packages: FakePackages) -> Context:
    return Context(packages, environment={"HOME": "/home/x"})


@pytest.fixture
def launch(tmp_path: Path, context: Context) -> Launch:
    """Expands the text of a launch file with arguments."""

    def run(text: str, arguments: Mapping[str, str] | None = None) -> Expansion:
        file = tmp_path / "test.launch.yaml"
        file.write_text(text)
        return expand(file, arguments or {}, context)

    return run
