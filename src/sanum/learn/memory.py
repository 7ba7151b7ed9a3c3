"""How much memory a training step needs, before it starts, and the largest box that fits.

    need = BASE + 22 bytes × parameters + PEAK × bytes kept per voxel × voxels × samples at a time

22 bytes: the weights, their gradients, Adam's two moments and the running mean, in float32, and a copy in 16
bits. What autograd keeps per voxel is counted on two small boxes, so that no formula of a network has to be
kept true by hand. BASE and PEAK (gradients of activations, work space) are from steps measured on a CPU: with
0.75 million parameters 1.22 times what is kept at 96³ (float32) and 128³ (bfloat16), 1.26 times at 160³.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from math import prod
from pathlib import Path

import torch
from torch import nn

BASE, BYTES_PER_PARAMETER, PEAK = 100_000_000, 22, 1.3


def kept_by_autograd(model: nn.Module, loss: Callable[[], object]) -> int:
    """Bytes that one call of `loss` keeps until its backward pass, `model`'s own tensors not counted.

    Parameters
    ----------
    model : Module
        The network.
    loss : function
        Calls it, with gradients.
    """
    own = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers())}
    kept: dict[int, int] = {}

    def keep(x: torch.Tensor) -> torch.Tensor:
        storage = x.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        out = loss()
    del out  # until here the graph kept every storage, so that none was counted as another's successor
    return sum(kept.values())


def need(parameters: int, per_voxel: float, shape: Sequence[int], samples: int) -> int:
    """Bytes of a training step (see the module).

    Parameters
    ----------
    parameters : int
        Of the network.
    per_voxel : float
        Bytes that autograd keeps for each voxel of a sample.
    shape : sequence of int
        Voxels of a sample along each axis.
    samples : int
        Samples at a time.
    """
    return int(BASE + BYTES_PER_PARAMETER * parameters + PEAK * per_voxel * prod(shape) * samples)


def largest_shape(
    shape: Sequence[int], multiple: int, fits: Callable[[Sequence[int]], bool]
) -> tuple[int, ...] | None:
    """The largest box of much the same proportions, in multiples of `multiple`, that fits, if any.

    Parameters
    ----------
    shape : sequence of int
        Voxels along each axis.
    multiple : int
        What each side must be a multiple of, in voxels.
    fits : function
        Whether a box of some shape does.
    """
    for parts in range(max(shape) // multiple - 1, 0, -1):
        smaller = tuple(max(1, round(n * parts / max(shape))) * multiple for n in shape)
        if fits(smaller):
            return smaller
    return None


def available(device: torch.device) -> int | None:
    """Bytes that are free on a device; None where that is not known.

    On a CPU no more than what the control group of the process (a cluster's job, a container) still may take.

    Parameters
    ----------
    device : torch.device
        cpu, cuda or another.
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    meminfo = Path("/proc/meminfo")
    if device.type != "cpu" or not meminfo.exists():
        return None
    lines = dict(line.split(":") for line in meminfo.read_text().splitlines())
    free = int(lines["MemAvailable"].split()[0]) * 1024
    return min([free, *_left_in_groups()])


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there was not enough memory, of a GPU or a CPU.

    Parameters
    ----------
    error : BaseException
        Of PyTorch, the system or Python.
    """
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(
        words in str(error) for words in ("can't allocate memory", "out of memory", "not enough memory")
    )


def _left_in_groups(
    groups: Path = Path("/sys/fs/cgroup"), mine: Path = Path("/proc/self/cgroup")
) -> list[int]:
    """Bytes below the limits of the process's control groups, version 2 and 1, and of those around them."""
    left = []
    with suppress(OSError):
        for line in mine.read_text().splitlines():
            _, kind, path = line.split(":", 2)
            if kind not in ("", "memory"):
                continue
            root = groups / kind
            for folder in (root / path.lstrip("/"), *(root / path.lstrip("/")).parents):
                if folder.is_relative_to(root):
                    with suppress(OSError, ValueError, KeyError):  # there is no limit: "max"
                        left.append(_left_in(folder, old=bool(kind)))
    return left


def _left_in(group: Path, *, old: bool) -> int:
    most, now, files = (
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        if old
        else ("memory.max", "memory.current", "inactive_file")
    )
    given_back = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())[files]
    taken = int((group / now).read_text()) - int(given_back)  # cached files make room when it is needed
    return max(int((group / most).read_text()) - taken, 0)
