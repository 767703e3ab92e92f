"""Networks trained once, kept under out/bench/rtc, and read back."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from benchmarks.rtc import correction, demonstrations, training
from benchmarks.rtc.demonstrations import Demonstrations
from benchmarks.rtc.networks import ChunkNetwork, CorrectionNetwork, DynamicsNetwork
from benchmarks.rtc.policies import PolicySet
from benchmarks.rtc.tasks.base import Task
from benchmarks.rtc.training import Budget, Kind

CHUNK_KINDS = (Kind.FLOW, Kind.CONDITIONED, Kind.DIFFUSION, Kind.REGRESSION)
SOURCES = ("demonstrations.py", "networks.py", "training.py", "correction.py")

Progress = Callable[[str, float], None]


@dataclass
class Store:
    """Checkpoints of one budget under `folder`. A file is named after the code that made it: change it, and it is
    trained anew."""

    folder: Path
    budget: Budget
    progress: Progress
    _data: dict[str, Demonstrations] = field(default_factory=dict)

    def load(self, task: Task, horizon: int, kinds: set[Kind]) -> PolicySet:
        """The networks asked for, trained if they are not there. A correction needs the conditioned policy."""
        if Kind.CORRECTION in kinds:
            kinds = kinds | {Kind.CONDITIONED}
        chunks, weak = {}, None
        for kind in CHUNK_KINDS:
            if kind in kinds:
                chunks[kind], early = self._chunks(task, horizon, kind)
                weak = early if kind == Kind.FLOW else weak
        dynamics = self._dynamics(task) if Kind.DYNAMICS in kinds else None
        policies = PolicySet(chunks, weak, dynamics)
        if Kind.CORRECTION in kinds:
            policies = PolicySet(chunks, weak, dynamics, self._correction(task, horizon, policies))
        return policies

    def data(self, task: Task) -> Demonstrations:
        if task.name not in self._data:
            self._data[task.name] = demonstrations.collect(task, task.demonstrations)[0]
        return self._data[task.name]

    def _chunks(self, task: Task, horizon: int, kind: Kind) -> tuple[ChunkNetwork, ChunkNetwork]:
        shape = (task.observation_width, task.action_width, horizon, self.budget.width, self.budget.blocks)
        network, weak = ChunkNetwork(*shape), ChunkNetwork(*shape)
        path = self._path(task, f"{kind}_h{horizon}")
        if not path.exists():
            windows = self.data(task).windows(horizon)
            network = training.new_chunk_network(task, windows, horizon, self.budget)
            loss = training.chunk_loss(network, kind, windows, self.budget)
            training.fit(network, loss, self.budget, self._report(task, f"{kind} H={horizon}"), weak)
            _save(path, network, weak)
        _restore(path, network, weak)
        return network, weak

    def _dynamics(self, task: Task) -> DynamicsNetwork:
        network = DynamicsNetwork(task.observation_width, task.action_width, self.budget.width // 2)
        path = self._path(task, "dynamics")
        if not path.exists():
            _save(path, training.fit_dynamics(task, self.data(task), self.budget, self._report(task, "dynamics")))
        _restore(path, network)
        return network

    def _correction(self, task: Task, horizon: int, policies: PolicySet) -> CorrectionNetwork:
        network = CorrectionNetwork(task.observation_width, task.action_width, horizon, self.budget.width // 2)
        path = self._path(task, f"correction_h{horizon}")
        if not path.exists():
            report = self._report(task, f"correction H={horizon}")
            _save(path, correction.fit_correction(task, self.data(task), policies, horizon, self.budget, report))
        _restore(path, network)
        return network

    def _path(self, task: Task, name: str) -> Path:
        here = Path(__file__).parent
        sources = [here / source for source in SOURCES] + [here / "tasks" / f"{task.name}.py"]
        text = b"".join(source.read_bytes() for source in sources) + repr(self.budget).encode()
        return self.folder / f"{task.name}_{name}_{hashlib.sha256(text).hexdigest()[:12]}.pt"

    def _report(self, task: Task, what: str) -> Callable[[float], None]:
        return lambda share: self.progress(f"train {task.name} {what}", share)


def _save(path: Path, *networks: nn.Module) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save([network.state_dict() for network in networks], partial)
    partial.rename(path)


def _restore(path: Path, *networks: nn.Module) -> None:
    for network, state in zip(networks, torch.load(path, weights_only=True), strict=True):
        network.load_state_dict(state)
        network.eval().requires_grad_(False)
