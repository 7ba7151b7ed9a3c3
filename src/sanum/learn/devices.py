"""Devices of a training: one CPU, one GPU, several, several machines; and which samples each of them takes.

Lightning Fabric does the work; where `torchrun` started the processes, it says how many there are.
"""

import logging
import os
import threading
import time
import warnings
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import torch

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Precision = Literal["auto", "32", "bf16", "fp16"]
MISSING = 'training needs Lightning Fabric and TensorBoard: pip install "sanum[train]"'
PATIENCE = timedelta(hours=6)  # while the first process prepares anatomies, the others wait


def resolve_device(device: str) -> str:
    """Torch device that a name stands for on this machine: "cpu", "cuda", "cuda:n" or "mps".

    Parameters
    ----------
    device : str
        "auto" (a GPU if there is one), "cpu", "cuda", "cuda:n" or "mps".

    Raises
    ------
    ValueError
        Another name; a device that is not there.
    """
    if device == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    kind, colon, number = device.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (colon and not (kind == "cuda" and number.isdecimal())):
        raise ValueError(f'device is auto, cpu, cuda, cuda:n or mps, not "{device}"')
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"{device} is not there: this machine has {torch.cuda.device_count()} CUDA devices; "
            "use --device auto"
        )
    if kind == "mps" and not torch.backends.mps.is_available():
        raise ValueError("mps is not there on this machine; use --device auto")
    return device


@dataclass(frozen=True)
class DeviceConfig:
    """Devices of a training.

    Parameters
    ----------
    device : str
        cpu, cuda, cuda:n or mps.
    count : int, optional
        Processes on this machine; default 1, or as many as torchrun started.
    precision : str
        "auto": bfloat16 where it is native, else 32. "bf16" and "fp16" are autocast; fp16 scales the loss.
    """

    device: str = "cpu"
    count: int | None = None
    precision: Precision = "auto"


def open_devices(device: str = "cpu", count: int | None = None, precision: Precision = "auto") -> "Fabric":
    """Fabric of `count` devices such as `device`, not yet launched.

    Parameters
    ----------
    device : str
        cpu, cuda, cuda:n or mps.
    count : int, optional
        Processes on this machine; default 1, or as many as torchrun started.
    precision : str
        "auto": bfloat16 where it is native, else 32. "bf16" and "fp16" are autocast; fp16 scales the loss.

    Raises
    ------
    ModuleNotFoundError
        Lightning Fabric or TensorBoard is not installed.
    ValueError
        More devices than there are, or another number than torchrun's.
    """
    try:
        import tensorboard  # noqa: F401
        from lightning_fabric import Fabric
        from lightning_fabric.plugins import MixedPrecision
        from lightning_fabric.strategies.ddp import DDPStrategy
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(MISSING) from error
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    kind, _, index = device.partition(":")
    nodes = 1
    if "TORCHELASTIC_RUN_ID" in os.environ:
        here, nodes = int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["GROUP_WORLD_SIZE"])
        if count not in (None, here):
            raise ValueError(
                f"--devices is {count}, but torchrun started {here} processes: leave out --devices"
            )
        count = here
    elif int(os.environ.get("LOCAL_RANK", 0)):
        threading.Thread(target=_follow_the_parent, args=(os.getppid(),), daemon=True).start()
    count = count or 1
    if index and count > 1:
        raise ValueError(f"{device} is one device, but {count} were asked for: choose --device {kind}")
    if kind == "cuda" and count > torch.cuda.device_count():
        raise ValueError(f"{count} GPUs were asked for, but there are {torch.cuda.device_count()}")
    if count * nodes > 1:  # 1×1×1 kernels: of one voxel, all orders are the same bytes
        warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
    if precision == "auto":
        precision = "bf16" if native_bfloat16(device) else "32"

    class AsGiven(MixedPrecision):
        """Autocast alone: inputs stay float32, for 16 bits would move a pose by parts of a voxel."""

        def convert_input(self, data: Any) -> Any:
            return data

    return Fabric(
        accelerator=kind,
        devices=[int(index)] if index else count,
        num_nodes=nodes,
        strategy=DDPStrategy(timeout=PATIENCE) if count * nodes > 1 else "auto",
        plugins=[AsGiven("bf16-mixed" if precision == "bf16" else "16-mixed", kind)]
        if precision != "32"
        else [],
    )


def first_process() -> bool:
    """Whether this process is the one that prints, before and after Fabric knows."""
    return int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", 0))) == 0


def native_bfloat16(device: str) -> bool:
    """Whether bfloat16 convolutions are native there (AMX or AVX512-BF16 on CPUs); emulated ones are slow.

    Parameters
    ----------
    device : str
        A torch device.
    """
    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device == "cpu" and bool(
        torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    )


def share_size(batch: int, parts: int, world: int) -> int:
    """Samples that each process takes in each micro-batch.

    Parameters
    ----------
    batch : int
        Samples of a batch, over all processes.
    parts : int
        Micro-batches of a batch.
    world : int
        Processes.

    Raises
    ------
    ValueError
        The batch cannot be shared out evenly.
    """
    if batch % (parts * world):
        raise ValueError(
            f"batch_size {batch} cannot be shared out evenly over {world} processes "
            f"and {parts} micro-batches: make it a multiple of {parts * world}"
        )
    return batch // (parts * world)


def share(number: int, *, batch: int, part: int, parts: int, rank: int, world: int) -> range:
    """Numbers of the samples that a process takes in a micro-batch.

    Batch n of any number of processes and parts is made of samples n·batch … (n + 1)·batch − 1.

    Parameters
    ----------
    number : int
        Of the batch, from 0.
    batch : int
        Samples of a batch, over all processes.
    part : int
        Which micro-batch, from 0.
    parts : int
        Micro-batches of a batch.
    rank : int
        Which process, from 0.
    world : int
        Processes.
    """
    size = share_size(batch, parts, world)
    first = number * batch + (part * world + rank) * size
    return range(first, first + size)


def _follow_the_parent(parent: int) -> None:
    """End this process, which Fabric has started, when its parent is gone."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
