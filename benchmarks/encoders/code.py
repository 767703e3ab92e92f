"""All that decides what a job of the benchmark gives: the code by which its results are named."""

from functools import cache
from pathlib import Path

import bc_bringup
import bc_core
import bc_sim
from benchmarks.encoders.arms import ARMS, HISTORY, OWN
from benchmarks.rtc.cells import Job


def made_by(job: Job) -> bytes:
    arm = ARMS[job.arm]
    settings = repr((arm.vision, OWN, HISTORY)).encode()
    return settings + _sources((arm.vision or {"type": "blind"})["type"])


@cache
def _sources(encoder: str) -> bytes:
    here = Path(__file__).parent
    core, sim, bringup = (Path(package.__path__[0]) for package in (bc_core, bc_sim, bc_bringup))
    files = [here / f"{name}.py" for name in ("driving", "learning", "plan")]
    files += [core / "policies" / f"{name}.py" for name in ("chunk_policy", "features", "trunks")]
    files += [core / "policies" / "heads" / "flow.py", core / "training" / "optimise.py"]
    files += [sim / "scene.py", sim / "task.py"]
    files += [bringup / "virtual" / f"{name}.py" for name in ("demonstrations", "student", "trials")]
    if encoder != "blind":
        vision = core / "policies" / "vision"
        files += [sim / "appearance.py", sim / "camera.py", vision / "augmentation.py", vision / "pooling.py"]
        files += [vision / f"{_MODULES[encoder]}.py"]
    if encoder == "pretrained":
        files += [here / "mae.yaml", vision / "backbones.py", core / "pretraining" / "autoencoders.py"]
    return b"".join(path.read_bytes() for path in files)


_MODULES = {
    "spatial_softmax": "spatial_softmax",
    "pretrained": "pretrained",
    "resnet18": "scratch",
    "vit_small": "scratch",
}
