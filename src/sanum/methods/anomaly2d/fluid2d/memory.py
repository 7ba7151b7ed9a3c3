"""Patches of normals that are remembered, and a small network that judges how others differ from them.

What it learns from is the offset of a patch from the nearest of *another* image, as it will be of new images.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from ...common.bank import core_set

HIDDEN = 32

LENGTHEN = 10.0
"""Features of a patch have a length of 1: each is about a tenth."""


class Memory(nn.Module):
    """Patches (B, G, G, D) of length 1 → logits and distances (B, G, G).

    Parameters
    ----------
    size : int
        Patches that are kept.
    features : int
        D.
    """

    bank: torch.Tensor
    owner: torch.Tensor
    spread: torch.Tensor

    def __init__(self, size: int, features: int) -> None:
        super().__init__()
        self.register_buffer("bank", torch.zeros(size, features))
        self.register_buffer("owner", torch.zeros(size, dtype=torch.long))
        self.register_buffer("spread", torch.ones(features))
        self.judge = nn.Sequential(
            nn.Dropout(0.2), nn.Linear(2 * features, HIDDEN), nn.ReLU(), nn.Dropout(0.3), nn.Linear(HIDDEN, 1)
        )

    def forward(
        self, rows: torch.Tensor, own: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See the class.

        Parameters
        ----------
        rows : (B, G, G, D) float
            As of `patches`.
        own : (B,) long, optional
            Whose patches are not held against each image.
        """
        whose = None if own is None else own[:, None, None].expand(rows.shape[:3]).flatten()
        offset = self.offsets(rows.flatten(0, 2), whose).reshape(rows.shape)
        seen = torch.cat((offset / self.spread, rows * LENGTHEN), 3)
        return self.judge(seen)[..., 0], offset.norm(dim=3)

    def offsets(self, rows: torch.Tensor, own: torch.Tensor | None = None) -> torch.Tensor:
        """Of rows (N, D) from the nearest of the bank.

        Parameters
        ----------
        rows : (N, D) float
            Patches.
        own : (N,) long, optional
            Owner whose patches do not count.
        """
        with torch.no_grad():
            squares = torch.addmm(self.bank.square().sum(1), rows, self.bank.T, alpha=-2)
            if own is not None:
                mine = own[:, None] == self.owner
                squares = squares.masked_fill(mine & ~mine.all(1, keepdim=True), torch.inf)
            nearest = self.bank[squares.argmin(1)]
        return rows - nearest

    def keep(self, rows: torch.Tensor, owner: torch.Tensor, *, seed: int) -> None:
        """Fill the bank: a core set of the rows; of fewer rows than it has places, some are there twice.

        Parameters
        ----------
        rows : (N, D) float
            Patches of normals.
        owner : (N,) long
            Whose they are.
        seed : int
            Of the core set.
        """
        chosen = core_set(rows, len(self.bank), seed=seed)
        chosen = chosen[torch.arange(len(self.bank)) % len(chosen)]
        self.bank.copy_(rows[chosen])
        self.owner.copy_(owner[chosen])
        parts = zip(self.bank.split(1024), self.owner.split(1024), strict=True)
        off = torch.cat([self.offsets(*part) for part in parts])
        self.spread.copy_(off.std(0).clamp_min(1e-4))


def patches(maps: Sequence[torch.Tensor]) -> torch.Tensor:
    """Features (B, G, G, D) of each place of the coarsest map, over its eight neighbours too, of length 1.

    Parameters
    ----------
    maps : sequence of tensor
        (B, C, S', S'), from fine to coarse.
    """
    side = maps[-1].shape[2]
    rows = [F.adaptive_avg_pool2d(F.avg_pool2d(x, 3, 1, 1, count_include_pad=False), side) for x in maps]
    return F.normalize(torch.cat(rows, 1), dim=1).movedim(1, 3)
