"""Affine registration by descending any `Distance` from several starts, coarse to fine, in PyTorch.

Work has a bound: each level has a fixed number of steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from ..types import AnyArray
from .affine import REACH_MM, RIGID, matrix_of
from .grid import Grid, covering
from .resample import resample
from .similarity import Distance

LEAST_SHARE = 0.4
"""Of the smaller field of view that lies in the other one: below it the distance grows, for a little overlap
can be alike by chance."""

TURN_DEG = 25.0
"""Starts are turned by so much about each axis, both ways."""


@dataclass(frozen=True)
class Resolution:
    """One resolution of the way down.

    Parameters
    ----------
    spacing_mm : float
        Edge of the voxels.
    kept : int
        Starts, the best of all, that go on here.
    steps : int
        Of Adam.
    rate_mm : float
        Its first step; it falls by half a cosine to a tenth.
    free : int
        Numbers that move: 6 is rigid, 12 affine.
    """

    spacing_mm: float
    kept: int
    steps: int
    rate_mm: float
    free: int = 12


LEVELS = (
    Resolution(8.0, 3, 40, 3.0, RIGID),
    Resolution(8.0, 2, 40, 2.0),
    Resolution(5.0, 1, 40, 1.0),
    Resolution(3.0, 1, 25, 0.5),
)


@dataclass(frozen=True, eq=False)
class Volume:
    """An image on cubic voxels along the world's axes.

    Parameters
    ----------
    image : (1, 1, X, Y, Z) float32 tensor
        In [0, 1]; 0 outside of the field of view.
    covered : (1, 1, X, Y, Z) float32 tensor
        1 inside of the field of view.
    affine : (4, 4) float64
        Voxel index to world mm.
    """

    image: torch.Tensor
    covered: torch.Tensor
    affine: npt.NDArray[np.float64]

    @property
    def size(self) -> torch.Size:
        """(X, Y, Z)."""
        return self.image.shape[2:]


def volume_of(voxels: AnyArray, grid: Grid, spacing_mm: float) -> Volume:
    """Resample, and scale the 1st and 99th percentile to 0 and 1.

    Parameters
    ----------
    voxels : (X, Y, Z) array
        Any numbers.
    grid : Grid
        Where they are.
    spacing_mm : float
        Edge of the voxels of the result.

    Raises
    ------
    ValueError
        All values are the same.
    """
    target = covering(grid, spacing_mm)
    inside = resample(np.ones(grid.shape, np.uint8), grid, target, antialias=False) > 0.5
    values = resample(voxels, grid, target, fill=float(np.min(voxels)))
    low, high = np.percentile(values[inside], (1, 99)) if inside.any() else (0.0, 0.0)
    if not high > low:
        low, high = float(values.min()), float(values.max())
    if not high > low:
        raise ValueError("the image has one value everywhere: there is nothing to align")
    scaled = np.clip((values - low) / (high - low), 0, 1) * inside
    return Volume(
        torch.from_numpy(scaled.astype(np.float32))[None, None],
        torch.from_numpy(inside.astype(np.float32))[None, None],
        np.asarray(target.affine),
    )


def moved(fixed: Volume, moving: Volume, world: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The moving image at the fixed one's voxels, and where both fields of view are, (B, 1, X, Y, Z) each.

    Parameters
    ----------
    fixed, moving : Volume
        On any two grids.
    world : (B, 4, 4) float
        Fixed mm → moving mm.
    """
    to_index = torch.tensor(np.linalg.inv(moving.affine)).to(world)
    from_index = torch.tensor(fixed.affine).to(world)
    between = (
        _to_unit(moving.size).to(world) @ to_index @ world @ from_index @ _from_unit(fixed.size).to(world)
    )
    places = F.affine_grid(between[:, :3].float(), [len(world), 1, *fixed.size], align_corners=False)
    both = torch.cat([moving.image, moving.covered], 1).expand(len(world), -1, -1, -1, -1)
    image, covered = F.grid_sample(both, places, align_corners=False).split(1, 1)
    return image, covered * fixed.covered


def cost_of(
    fixed: Volume, moving: Volume, world: torch.Tensor, distance: Distance
) -> tuple[torch.Tensor, torch.Tensor]:
    """Distance and what too little overlap adds to it, and the share of the smaller field of view, (B,) each.

    Parameters
    ----------
    fixed, moving : Volume
        To compare.
    world : (B, 4, 4) float
        Fixed mm → moving mm.
    distance : Distance
        What is descended.
    """
    image, inside = moved(fixed, moving, world)
    lacking, share = overlap_of(fixed, moving, inside)
    return distance(fixed.image, image, inside) + lacking, share


def overlap_of(fixed: Volume, moving: Volume, inside: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What lacks of `LEAST_SHARE`, in parts of it, and the share of the smaller field of view, (B,) each.

    Parameters
    ----------
    fixed, moving : Volume
        To compare.
    inside : (B, 1, X, Y, Z) float
        Where both fields of view are, of `moved`.
    """
    edge = np.abs(np.linalg.det(moving.affine[:3, :3]) / np.linalg.det(fixed.affine[:3, :3]))
    smaller = min(float(fixed.covered.sum()), float(moving.covered.sum()) * edge)
    share = inside.flatten(1).sum(1) / max(smaller, 1.0)
    return (LEAST_SHARE - share).clamp_min(0) / LEAST_SHARE, share


def descend(
    fixed: Volume,
    moving: Volume,
    numbers: torch.Tensor,
    centre_mm: torch.Tensor,
    distance: Distance,
    level: Resolution,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Numbers (B, 12) after Adam's steps, and their costs (B,); each start goes its own way.

    Parameters
    ----------
    fixed, moving : Volume
        At the level's spacing.
    numbers : (B, 12) float
        Where to start, of `affine.matrix_of`.
    centre_mm : (3,) float
        About which the maps turn.
    distance : Distance
        What is descended.
    level : Resolution
        Steps, rate, what is free.
    """
    free = (torch.arange(12) < level.free).to(numbers)
    now = numbers.detach().clone().requires_grad_()
    adam = torch.optim.Adam([now], lr=level.rate_mm)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(adam, level.steps, level.rate_mm / 10)
    for _ in range(level.steps):
        adam.zero_grad()
        cost_of(fixed, moving, matrix_of(now, centre_mm), distance)[0].sum().backward()
        assert now.grad is not None
        now.grad.mul_(free)
        adam.step()
        rate.step()
    with torch.no_grad():
        cost = cost_of(fixed, moving, matrix_of(now, centre_mm), distance)[0]
    return now.detach(), cost


def starts_of(shifts_mm: Sequence[npt.ArrayLike]) -> torch.Tensor:
    """Numbers (B, 12): each of the shifts, unturned and turned both ways about each axis.

    Parameters
    ----------
    shifts_mm : sequence of (3,) float
        Of the fixed image's centre.
    """
    turns = [np.zeros(3)] + [sign * axis for axis in np.eye(3) for sign in (-1, 1)]
    angle = np.deg2rad(TURN_DEG) * REACH_MM
    rows = [
        np.concatenate([angle * turn, np.asarray(shift, float), np.zeros(6)])
        for shift in shifts_mm
        for turn in turns
    ]
    return torch.tensor(np.array(rows), dtype=torch.float32)


def _to_unit(size: Sequence[int]) -> torch.Tensor:
    """Voxel index (i, j, k, 1) to `grid_sample`'s places (x for k, y for j, z for i), (4, 4)."""
    matrix = torch.zeros(4, 4, dtype=torch.float64)
    for row, axis in enumerate((2, 1, 0)):
        matrix[row, axis] = 2 / size[axis]
        matrix[row, 3] = 1 / size[axis] - 1
    matrix[3, 3] = 1
    return matrix


def _from_unit(size: Sequence[int]) -> torch.Tensor:
    matrix: torch.Tensor = torch.linalg.inv(_to_unit(size))
    return matrix
