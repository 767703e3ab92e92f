"""Where training runs: one process on a CPU or GPU, or one on each of several (Lightning Fabric)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric

from bc_core.errors import BcError


@dataclass(frozen=True)
class Hardware:
    """accelerator: auto, cpu or gpu. devices: how many of them; 0: all GPUs there are, or one CPU process.

    With more than one device the command is started once more for each of them, so only one whose whole business is
    training may ask for that. It is the machine's, not the policy's: it is no part of a configuration.
    """

    accelerator: str = "auto"
    devices: int = 1

    def fabric(self, precision: str) -> Fabric:
        """This process's part. BcError: the machine has no such device, or fewer."""
        try:
            fabric = Fabric(accelerator=self.accelerator, devices=self.devices or "auto", precision=precision)  # type: ignore[arg-type]
        except (RuntimeError, ValueError) as error:
            raise BcError(
                f"cannot train with accelerator '{self.accelerator}' on {self.devices or 'all'} devices ({error}): "
                "name what this machine has, or leave it to accelerator 'auto'"
            ) from error
        fabric.launch()
        return fabric


def part(fabric: Fabric) -> None:
    """The processes have no more to tell each other: their connections end here, not at the interpreter's end, where a
    thread of the backend that still runs aborts the process."""
    if fabric.world_size > 1:
        fabric.barrier()
        torch.distributed.destroy_process_group()


@contextmanager
def on_device(fabric: Fabric) -> Iterator[None]:
    """Inside, tensors are made where the network is. On a CPU they are anyway, and the check would cost time."""
    if fabric.device.type == "cpu":
        yield
    else:
        with fabric.device:
            yield
