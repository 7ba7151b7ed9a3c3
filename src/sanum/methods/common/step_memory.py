"""Whether a training step on boxes of voxels fits into memory, found out before the first step.

What autograd keeps is counted on two small cubes (`learn.memory`), so that no formula of a network has to be
kept true by hand.
"""

import os
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn

from ...learn import memory
from ...learn.step import Batch, Loss
from ...space.box import Box

if TYPE_CHECKING:
    from lightning_fabric import Fabric

LEAST_EDGE = 16  # voxels of the small cube; networks blur over some
WORKER_BYTES = 700_000_000  # of a process that makes samples (docs/generator.md)


def require_memory(
    model: nn.Module,
    loss: Loss,
    cube: Batch,
    *,
    box: Box,
    multiple: int,
    samples: int,
    workers: int,
    fabric: "Fabric",
) -> None:
    """Raise ValueError, with a box that fits, if a step needs more than is free.

    Parameters
    ----------
    model : Module
        On the CPU still.
    loss : function
        Of the training.
    cube : dict of tensor
        A batch of one sample; maps are (1, C, 2E, 2E, 2E), with E a multiple of `multiple`.
    box : Box
        Of the samples of the training.
    multiple : int
        What its sides must be multiples of, in voxels.
    samples : int
        Of a micro-batch.
    workers : int
        Processes that make samples, for each device.
    fabric : Fabric
        Launched.
    """
    free = _free(fabric, workers)
    if free is None:
        return
    needed = partial(_needed, *_costs(model, loss, cube, fabric), samples)
    if needed(box.shape) <= free:
        return
    smaller = memory.largest_shape(box.shape, multiple, lambda shape: needed(shape) <= free)
    instead = "choose narrower widths"
    if smaller:
        instead = f"--set box.shape={','.join(map(str, smaller))} needs {needed(smaller) / 1e9:.1f} GB"
    raise ValueError(
        f"a training step needs {needed(box.shape) / 1e9:.1f} GB, but {max(free, 0) / 1e9:.1f} GB "
        f"are free on {fabric.device}: {instead}"
    )


def _free(fabric: "Fabric", workers: int) -> int | None:
    """Bytes for one process of the training."""
    free = memory.available(fabric.device)
    if free is None or fabric.device.type != "cpu":
        return free
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", fabric.world_size))
    return free // processes - workers * WORKER_BYTES


def _costs(model: nn.Module, loss: Loss, cube: Batch, fabric: "Fabric") -> tuple[int, float]:
    """Parameters of the network, and bytes that a voxel keeps: from the cube and from an eighth of it."""
    edge = max(x.shape[-1] for x in cube.values() if x.ndim == 5) // 2
    small = {k: x[..., :edge, :edge, :edge] if x.ndim == 5 else x for k, x in cube.items()}
    half = fabric.strategy.precision.precision != "32-true"
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        kept = [memory.kept_by_autograd(model, partial(loss, model, batch)) for batch in (small, cube)]
    return sum(p.numel() for p in model.parameters()), (kept[1] - kept[0]) / (7 * edge**3)


def _needed(parameters: int, per_voxel: float, samples: int, shape: Sequence[int]) -> int:
    return memory.need(parameters, per_voxel, shape, samples)
