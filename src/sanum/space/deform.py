"""Diffeomorphic registration: a stationary velocity on B-splines descends any `Distance`, coarse to fine.

Rueckert et al. 2006 and Modat et al. 2012 have such a model; the steps are Adam's. Work has a bound: each
stage has a fixed number of steps.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from .similarity import Distance
from .velocity import Lattice, bending_energy, exponential, finer, warp

BLOCK = 2
"""Velocities are integrated on blocks of so many voxels, which a spline four voxels wide does not notice."""

DIVISOR = 4
"""Shapes are multiples of it: the coarsest stage has blocks of so many voxels."""


@dataclass(frozen=True)
class Stage:
    """One resolution of the way.

    Parameters
    ----------
    factor : int
        Edge of its voxels, in voxels of the image: 1, 2 or 4.
    steps : int
        Of Adam.
    rate : float
        Its first step in voxels of the image; it falls by half a cosine to a tenth.
    """

    factor: int
    steps: int
    rate: float


STAGES = (Stage(4, 40, 0.5), Stage(2, 40, 0.3), Stage(1, 12, 0.15))
WARM_STAGES = (Stage(2, 20, 0.1),)
"""From a start that is near already."""


@dataclass(frozen=True, eq=False)
class Target:
    """What is deformed onto, and how.

    Parameters
    ----------
    image : (1, C, *shape) float tensor
        The fixed image in [0, 1]; multiples of `DIVISOR` along each axis.
    region : (1, 1, *shape) float tensor
        Where it is compared.
    lattice : Lattice
        Of the velocity.
    distance : Distance
        What is descended.
    stiffness : float
        Weight of the bending energy.
    """

    image: torch.Tensor
    region: torch.Tensor
    lattice: Lattice
    distance: Distance
    stiffness: float

    def __post_init__(self) -> None:
        if any(n % DIVISOR for n in self.lattice.shape) or self.image.shape[2:] != self.lattice.shape:
            raise ValueError(f"an image to deform onto has a multiple of {DIVISOR} voxels along each axis")


def deform(
    target: Target, moving: torch.Tensor, start: torch.Tensor, stages: tuple[Stage, ...] = STAGES
) -> torch.Tensor:
    """Coefficients (1, D, *points) of the velocity whose flow lays an image onto the target.

    Parameters
    ----------
    target : Target
        The fixed image.
    moving : (1, C, *shape) float tensor
        On the same grid, in [0, 1].
    start : (1, D, *points) float tensor
        Coefficients to begin with.
    stages : tuple of Stage
        From coarse to fine.
    """
    now = start.detach().clone().requires_grad_()
    for stage in stages:
        fixed, inside, image = (_blocks(x, stage.factor) for x in (target.image, target.region, moving))
        adam = torch.optim.Adam([now], lr=stage.rate)
        rate = torch.optim.lr_scheduler.CosineAnnealingLR(adam, stage.steps, stage.rate / 10)
        for _ in range(stage.steps):
            adam.zero_grad()
            shift = displacement_at(now, target.lattice, stage.factor)
            cost = target.distance(fixed, warp(image, shift / stage.factor), inside)
            cost = cost + target.stiffness * bending_energy(now, target.lattice.stride)
            cost.sum().backward()
            adam.step()
            rate.step()
    return now.detach()


def displacement_at(coefficients: torch.Tensor, lattice: Lattice, factor: int = 1) -> torch.Tensor:
    """Displacement (B, D, *shape/factor) of a velocity's flow, in voxels of the whole grid.

    Parameters
    ----------
    coefficients : (B, D, *points) float
        Of the velocity.
    lattice : Lattice
        Their places.
    factor : int
        Edge of the blocks at whose centres it is wanted.
    """
    block = max(factor, BLOCK)
    shift = block * exponential(lattice.field(coefficients, block) / block)
    return finer(shift, block // factor)


def _blocks(x: torch.Tensor, factor: int) -> torch.Tensor:
    if factor == 1:
        return x
    return F.avg_pool3d(x, factor) if x.dim() == 5 else F.avg_pool2d(x, factor)
