"""Run by itself, prints the peak memory of one step at 96³, as the kernel saw it, over what `memory` tells.

In a process of its own, for the heap of one that has done other things hides what a step takes.
"""

import sys
from pathlib import Path

import torch

from sanum.learn import memory
from sanum.methods.anatomy.una.model import Una
from sanum.methods.anatomy.una.recipe import UnaRecipe

NET, RECIPE = Una((8, 16)), UnaRecipe("tiny", widths=(8, 16))


def step(n: int) -> torch.Tensor:
    """Loss of a made-up batch of n³ voxels."""
    g = torch.Generator().manual_seed(0)
    maps = {k: torch.rand(1, 1, n, n, n, generator=g) for k in ("t1w", "p", "lesion", "mirrored", "brain")}
    pair = torch.rand(1, 2, n, n, n, generator=g)
    told = {"to_atlas": torch.eye(4)[None], "real": torch.zeros(1), "contrast": torch.zeros(1)}
    return RECIPE.loss(NET, {"image": pair, **told, **maps})[0]


def peak(name: str) -> int:
    """Bytes of a line of the process's status."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def main() -> None:
    """Measure and print."""
    small, large = (memory.kept_by_autograd(NET, lambda n=n: step(n)) for n in (16, 32))
    told = memory.need(sum(p.numel() for p in NET.parameters()), (large - small) / (7 * 16**3), (96,) * 3, 1)
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    before = peak("VmRSS")
    step(96).backward()
    sys.stdout.write(f"{(peak('VmHWM') - before) / told}\n")


if __name__ == "__main__":
    main()
