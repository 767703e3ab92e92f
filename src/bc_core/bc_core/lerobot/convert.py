"""`bcros convert --to lerobot`: bags to one data set, several bags at once; interrupted, it goes on where it was."""

import json
import multiprocessing
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bc_core.bags import find_episodes, open_episode
from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.lerobot import layout, write
from bc_core.lerobot.part import PART_FILE, Job, convert_bag
from bc_core.lerobot.segments import Choice
from bc_core.lerobot.video import VideoSettings

PARTS = ".parts"


def to_lerobot(
    roots: Sequence[Path],
    out: Path,
    *,
    contract: Contract | None = None,
    streams: tuple[str, ...] = (),
    choice: Choice | None = None,
    encoding: VideoSettings | None = None,
    jobs: int = 0,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Convert all bags below `roots`; returns counts. contract: None: the one in the first bag. jobs: 0: one per core.

    BcError: no bags, a data set is there already, bags and contract disagree, nothing is left by the choice.
    """
    choice, encoding = choice or Choice(), encoding or VideoSettings()
    if (out / layout.INFO_PATH).exists():
        raise BcError(f"{out} holds a data set already: name another folder, or delete it first")
    bags = [path for root in roots for path in find_episodes(root)]
    if not bags:
        raise BcError(f"no bag in {', '.join(map(str, roots))}: name a folder that holds recorded episodes")
    contract = contract or _embedded_contract(bags[0])
    selection = layout.select(contract, streams)
    fps = layout.frames_per_second(contract)
    document = json.loads(json.dumps(contract.document))
    work = [Job(bag.resolve(), document, selection, choice, encoding) for bag in bags]
    folders = [out / PARTS / f"{number:06d}-{job.fingerprint()}" for number, job in enumerate(work)]
    _forget_others(out / PARTS, folders)
    todo = [(job, folder) for job, folder in zip(work, folders, strict=True) if not (folder / PART_FILE).exists()]
    _run(todo, jobs or os.cpu_count() or 1, lambda done: on_progress(len(work) - len(todo) + done, len(work)))
    headers = [json.loads((folder / PART_FILE).read_text()) for folder in folders]
    used = [header for header in headers if header["segments"]]
    if not used:
        raise BcError(f"none of {len(bags)} bags has a frame with a command that was asked for: choose less strictly")
    features = layout.features(contract, selection, used[0]["state_names"])
    extra = {
        "contract": document, "streams": list(selection.streams), "choice": asdict(choice), "video": asdict(encoding),
        "bags": [{key: value for key, value in header.items() if key != "state_names"} for header in headers],
    }  # fmt: skip
    counts = write.assemble(folders, out, features, fps, contract.robot.description, extra)
    shutil.rmtree(out / PARTS)
    return {**counts, "bags": len(bags), "bags_left_out": len(headers) - len(used)}


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


def _run(todo: Sequence[tuple[Job, Path]], jobs: int, on_done: Callable[[int], None]) -> None:
    if jobs == 1 or len(todo) < 2:
        for done, (job, folder) in enumerate(todo, start=1):
            convert_bag(job, folder)
            on_done(done)
        return
    context = multiprocessing.get_context("spawn")  # threads of libraries do not survive a fork
    with ProcessPoolExecutor(min(jobs, len(todo)), mp_context=context) as pool:
        futures = [pool.submit(convert_bag, job, folder) for job, folder in todo]
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()
                on_done(done)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
