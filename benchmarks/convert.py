"""Writing LeRobot data sets: ours beside LeRobot's own path, on the same frames (`make bench-convert`).

    python -m benchmarks.convert [--lerobot-python PATH] [--episodes 8] [--frames 200] [--json FILE]

Both write the same frames, held in memory, with the same codec, preset, CRF and key frames: ours by `write_part` and
`assemble`, several episodes at once; LeRobot by add_frame and save_episode. PATH is a Python that has lerobot >= 0.4;
without it only ours is measured. Each case is run in turn, ours and theirs one after the other, `--rounds` times; the
best of each counts. Exit code 1: less than 5 times LeRobot without video, or less than 2 times with.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

CASES: dict[str, tuple[int, int] | None] = {"numbers only": None, "96x96": (96, 96), "640x480": (480, 640)}
STATE, ACTION, FPS = 14, 7, 30
LENGTHS = {"numbers only": 5.0, "96x96": 1.0, "640x480": 0.25}  # of an episode, so that every case takes seconds
GOALS = {"numbers only": 5.0, "96x96": 2.0, "640x480": 2.0}
THEIRS = "--theirs"


def numbers(episode: int, frames: int) -> tuple[Any, Any]:
    """State (T, STATE) and action (T, ACTION), float32."""
    import numpy as np

    generator = np.random.default_rng(episode)
    return (
        np.cumsum(generator.standard_normal((frames, STATE), dtype=np.float32), axis=0),
        np.cumsum(generator.standard_normal((frames, ACTION), dtype=np.float32), axis=0),
    )


def pictures(episode: int, frames: int, size: tuple[int, int]) -> Any:
    """(T, height, width, 3): a structured picture with a little noise that moves, as a camera's does."""
    import numpy as np

    generator = np.random.default_rng(episode)
    height, width = size
    rows, columns = np.indices(size)
    base = np.stack([rows * 255 // height, columns * 255 // width, (rows + columns) % 256], axis=-1)
    base = (base + generator.integers(0, 12, base.shape)).clip(0, 255).astype(np.uint8)
    return np.stack([np.roll(base, 2 * frame, axis=1) for frame in range(frames)])


def write_one(arguments: tuple[Path, int, int, tuple[int, int] | None]) -> Path:
    """One episode by our path, in a worker."""
    import numpy as np

    from bc_core.conversion.part import write_part
    from bc_core.conversion.segments import Segment
    from bc_core.lerobot.cameras import Videos
    from bc_core.lerobot.video import VideoSettings

    folder, episode, frames, size = arguments
    state, action = numbers(episode, frames)
    images = {} if size is None else {"camera": pictures(episode, frames, size)}
    human, weight = np.zeros(frames, dtype=np.bool_), np.ones(frames, dtype=np.float32)
    segment = Segment(0, {"state": state}, action, human, weight, images)
    part = folder / ".parts" / f"{episode:06d}"
    header = {"bag": "", "task": "bench", "outcome": "success", "seed": episode, "operator": ""}
    write_part(
        part, header, [f"s{k}" for k in range(STATE)], [segment], Videos(FPS, VideoSettings("av1", crf=30, preset="12"))
    )
    return part


def ours(pool: ProcessPoolExecutor, folder: Path, episodes: int, frames: int, size: tuple[int, int] | None) -> float:
    """Frames per second."""
    from bc_core.lerobot.write import assemble

    features = feature_table(size)
    began = time.perf_counter()
    parts = list(pool.map(write_one, [(folder, episode, frames, size) for episode in range(episodes)]))
    assemble(parts, folder, features, FPS, "bench", {})
    seconds = time.perf_counter() - began
    return episodes * frames / seconds


def feature_table(size: tuple[int, int] | None) -> dict[str, Any]:
    from bc_core.lerobot import layout

    table: dict[str, Any] = {
        layout.STATE: {"dtype": "float32", "shape": [STATE], "names": [f"s{k}" for k in range(STATE)]},
        layout.ACTION: {"dtype": "float32", "shape": [ACTION], "names": [f"a{k}" for k in range(ACTION)]},
    }
    labels = {layout.INTERVENTION: "bool", layout.OUTCOME: "int64", layout.WEIGHT: "float32", layout.DONE: "bool"}
    for name, dtype in labels.items():
        table[name] = {"dtype": dtype, "shape": [1], "names": None}
    if size is not None:
        shape = [*size, 3]
        table[layout.IMAGES + "camera"] = {"dtype": "video", "shape": shape, "names": ["height", "width", "channels"]}
    return table | {name: {"dtype": dtype, "shape": [1], "names": None} for name, dtype in layout.DEFAULTS.items()}


def theirs(folder: Path, episodes: int, frames: int, size: tuple[int, int] | None) -> float:
    """Frames per second of LeRobot's own path; runs in LeRobot's environment."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    features: dict[str, Any] = {
        "observation.state": {"dtype": "float32", "shape": (STATE,), "names": [f"s{k}" for k in range(STATE)]},
        "action": {"dtype": "float32", "shape": (ACTION,), "names": [f"a{k}" for k in range(ACTION)]},
    }
    if size is not None:
        names = ["height", "width", "channels"]
        features["observation.images.camera"] = {"dtype": "video", "shape": (*size, 3), "names": names}
    began = time.perf_counter()
    data = LeRobotDataset.create(
        "local/bench",
        fps=FPS,
        features=features,
        root=folder,
        image_writer_threads=4 if size else 0,
        vcodec="libsvtav1",
    )
    for episode in range(episodes):
        state, action = numbers(episode, frames)
        images = pictures(episode, frames, size) if size else None
        for index in range(frames):
            frame = {"observation.state": state[index], "action": action[index], "task": "bench"}
            if images is not None:
                frame["observation.images.camera"] = images[index]
            data.add_frame(frame)
        data.save_episode()
    data.finalize()
    return episodes * frames / (time.perf_counter() - began)


def ask_theirs(python: str, folder: Path, case: str, episodes: int, frames: int) -> float:
    # isolated: this file's folder has a package `lerobot` of its own, which would be taken for the library
    command = [python, "-I", __file__, THEIRS, str(folder), case, str(episodes), str(frames)]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "SVT_LOG": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"LeRobot failed:\n{done.stderr[-2000:]}")
    return float(done.stdout.split()[-1])


def run(args: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with ProcessPoolExecutor(args.jobs, mp_context=get_context("spawn")) as pool:
        with tempfile.TemporaryDirectory(prefix="bench_convert") as name:  # libraries are loaded before the first round
            ours(pool, Path(name) / "ours", 2 * args.jobs, 50, CASES["96x96"])
        for case, size in CASES.items():
            frames = max(20, round(args.frames * LENGTHS[case]))
            best: dict[str, float] = {}
            for _ in range(args.rounds):
                with tempfile.TemporaryDirectory(prefix="bench_convert") as name:
                    rate = ours(pool, Path(name) / "ours", args.episodes, frames, size)
                    best["ours"] = max(rate, best.get("ours", 0.0))
                    if args.lerobot_python:
                        rate = ask_theirs(args.lerobot_python, Path(name) / "theirs", case, args.episodes, frames)
                        best["lerobot"] = max(rate, best.get("lerobot", 0.0))
                    shutil.rmtree(name)
                    Path(name).mkdir()
            found[case] = {**best, "frames": frames * args.episodes, "goal": GOALS[case]}
            if "lerobot" in best:
                found[case]["ratio"] = best["ours"] / best["lerobot"]
    return found


def main() -> int:
    if sys.argv[1:2] == [THEIRS]:
        _, _, folder, case, episodes, frames = sys.argv
        print(theirs(Path(folder), int(episodes), int(frames), CASES[case]))
        return 0
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lerobot-python", default="", help="a Python that has lerobot >= 0.4")
    parser.add_argument("--episodes", type=int, default=8)
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    found = run(args)
    print(f"{'case':<14} {'frames':>7} {'ours':>12} {'LeRobot':>12} {'ratio':>7} {'goal':>6}")
    for case, result in found.items():
        their = f"{result['lerobot']:.0f} /s" if "lerobot" in result else "-"
        ratio = f"{result['ratio']:.1f}" if "ratio" in result else "-"
        print(f"{case:<14} {result['frames']:>7} {result['ours']:>9.0f} /s {their:>12} {ratio:>7} {result['goal']:>6g}")
    if args.json:
        args.json.write_text(json.dumps(found, indent=1))
    return int(any(result.get("ratio", result["goal"]) < result["goal"] for result in found.values()))


if __name__ == "__main__":
    sys.exit(main())
