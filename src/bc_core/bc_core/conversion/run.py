"""All bags of a data set made into parts, several at once; interrupted, it goes on where it was."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bc_core.bags import find_episodes, open_episode
from bc_core.contract import Contract
from bc_core.conversion.part import PART_FILE, CameraFormat, Job, convert_bag, read_part
from bc_core.conversion.segments import Choice, Selection, select
from bc_core.errors import BcError
from bc_core.workers import Workers

PARTS = ".parts"


@dataclass(frozen=True)
class Request:
    """What to convert: all bags below `roots`. contract: None: the one in the first bag. streams: none named: all."""

    roots: Sequence[Path]
    contract: Contract | None = None
    streams: tuple[str, ...] = ()
    choice: Choice = field(default_factory=Choice)
    workers: Workers = field(default_factory=Workers)
    on_progress: Callable[[int, int], None] = lambda done, total: None


@dataclass(frozen=True)
class Parts:
    """Every bag as a part. headers: their accounts, in the order of the bags; folders: where they lie."""

    contract: Contract
    selection: Selection
    choice: Choice
    folders: list[Path]
    headers: list[dict[str, Any]]

    @property
    def used(self) -> list[dict[str, Any]]:
        """Those that hold frames."""
        return [header for header in self.headers if header["segments"]]

    @property
    def state_names(self) -> list[str]:
        """Of the columns of all numeric streams together."""
        names: list[str] = self.used[0]["state_names"]
        return names

    @property
    def label_horizon(self) -> int:
        """Rows of the longest label; 0: no bag has labels."""
        return max(header.get("label_horizon", 0) for header in self.headers)

    def account(self) -> dict[str, Any]:
        """What was chosen and what every bag contributed, to be stored with the data set (JSON)."""
        return {
            "contract": _document(self.contract),
            "streams": list(self.selection.streams),
            "choice": asdict(self.choice),
            "bags": [_contribution(header) for header in self.headers],
        }

    def counts(self) -> dict[str, int]:
        return {"bags": len(self.headers), "bags_left_out": len(self.headers) - len(self.used)}


def find_bags(request: Request) -> tuple[list[Path], Contract]:
    """The bags and the contract to read them by. BcError: there are none, or no contract is given and none is there."""
    bags = [path for root in request.roots for path in find_episodes(root)]
    if not bags:
        raise BcError(f"no bag in {', '.join(map(str, request.roots))}: name a folder that holds recorded episodes")
    return bags, request.contract or _embedded_contract(bags[0])


def make_parts(bags: Sequence[Path], contract: Contract, request: Request, cameras: CameraFormat, out: Path) -> Parts:
    """Convert every bag into a folder below `out`, save those that are there already.

    BcError: bags and contract disagree, nothing is left by the choice, workers do not see the same files.
    """
    selection, document = select(contract, request.streams), _document(contract)
    jobs = [Job(bag.resolve(), document, selection, request.choice, cameras) for bag in bags]
    folders = [(out / PARTS / f"{number:06d}-{job.fingerprint()}").absolute() for number, job in enumerate(jobs)]
    _forget_others(out / PARTS, folders)
    todo = [(job, folder) for job, folder in zip(jobs, folders, strict=True) if not (folder / PART_FILE).exists()]
    for done, (number, _) in enumerate(request.workers.results(convert_bag, todo), start=1):
        if not (todo[number][1] / PART_FILE).exists():
            raise BcError(
                f"{todo[number][1]} was written on another machine and is not seen here: keep bags and --out on "
                "storage that all machines of the cluster share"
            )
        request.on_progress(len(jobs) - len(todo) + done, len(jobs))
    parts = Parts(contract, selection, request.choice, folders, [read_part(folder) for folder in folders])
    if not parts.used:
        raise BcError(f"none of {len(bags)} bags has a frame with a command that was asked for: choose less strictly")
    return parts


def forget_parts(out: Path) -> None:
    """The data set is complete: its parts are not needed any more."""
    shutil.rmtree(out / PARTS)


def _contribution(header: dict[str, Any]) -> dict[str, Any]:
    said = {key: value for key, value in header.items() if key != "state_names"}
    segments = [{"frames": each["frames"], "first_tick": each["first_tick"]} for each in header["segments"]]
    return said | {"segments": segments}


def _document(contract: Contract) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(contract.document))
    return document


def _embedded_contract(bag: Path) -> Contract:
    document = open_episode(bag).info.get("contract")
    if not document:
        raise BcError(f"{bag} holds no contract: give one (--contract)")
    return Contract.from_document(document, f"{bag}/episode.json")


def _forget_others(folder: Path, wanted: Sequence[Path]) -> None:
    """Parts of bags or settings that have changed since."""
    names = {path.name for path in wanted}
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in names:
            shutil.rmtree(path)
