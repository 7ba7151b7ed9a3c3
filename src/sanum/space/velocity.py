"""Smooth invertible deformations: a stationary velocity field on cubic B-splines, and its exponential.

Arsigny et al., MICCAI 2006 (scaling and squaring); Rueckert et al., IEEE TMI 1999 (B-splines and their
bending energy). Two or three dimensions, everything differentiable, all lengths in voxels of one grid.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F

SQUARINGS = 5
"""A velocity of up to 16 voxels is then split into steps of half a voxel."""


@dataclass(frozen=True)
class Lattice:
    """Control points over a grid: one before its first voxel, and as many as reach beyond its last.

    Parameters
    ----------
    shape : (D,) tuple of int
        Voxels of the grid, D = 2 or 3.
    stride : int
        Voxels from one control point to the next.
    """

    shape: tuple[int, ...]
    stride: int

    @cached_property
    def points(self) -> tuple[int, ...]:
        """Control points along each axis."""
        return tuple(-(-(n - 1) // self.stride) + 3 for n in self.shape)

    def zeros(self, count: int = 1) -> torch.Tensor:
        """Coefficients (count, D, *points) of no motion.

        Parameters
        ----------
        count : int
            Fields.
        """
        return torch.zeros(count, len(self.shape), *self.points)

    def field(self, coefficients: torch.Tensor, factor: int = 1) -> torch.Tensor:
        """The spline (B, D, *shape/factor) at the centres of blocks of voxels, in voxels of the whole grid.

        Parameters
        ----------
        coefficients : (B, D, *points) float
            Of the spline, in voxels.
        factor : int
            Edge of the blocks in voxels; it divides the shape.
        """
        out = coefficients
        for n, m in zip(self.shape, self.points, strict=True):  # what is done goes to the end
            out = torch.tensordot(out, self._basis(n, m, factor).to(out), ([2], [1]))
        return out

    def _basis(self, n: int, m: int, factor: int) -> torch.Tensor:
        """(n/factor, m): each control point's share at each block's centre."""
        place = (torch.arange(n // factor, dtype=torch.float64) * factor + (factor - 1) / 2) / self.stride
        away = (place[:, None] - (torch.arange(m) - 1)).abs()
        near = 2 / 3 - away.square() + away**3 / 2
        return torch.where(away < 1, near, (2 - away).clamp_min(0) ** 3 / 6)


def bending_energy(coefficients: torch.Tensor, stride: int) -> torch.Tensor:
    """Mean over control points of the sum of squared second derivatives, (B,), per voxel.

    Parameters
    ----------
    coefficients : (B, D, *points) float
        Of the spline, in voxels.
    stride : int
        Voxels between control points.
    """
    stencils = [(1 / 6, 4 / 6, 1 / 6), (-0.5, 0.0, 0.5), (1.0, -2.0, 1.0)]  # the spline, and two derivatives
    dims = coefficients.dim() - 2
    total = coefficients.new_zeros(len(coefficients))
    for one in range(dims):
        for other in range(one, dims):
            part = coefficients
            for axis in range(dims):
                left, middle, right = stencils[(axis == one) + (axis == other)]
                n = part.shape[axis + 2] - 2
                part = (
                    left * part.narrow(axis + 2, 0, n)
                    + middle * part.narrow(axis + 2, 1, n)
                    + right * part.narrow(axis + 2, 2, n)
                )
            square = part.square().sum(1).flatten(1).mean(1)
            total = total + (1 if one == other else 2) * square
    return total / stride**4


def exponential(velocity: torch.Tensor, squarings: int = SQUARINGS) -> torch.Tensor:
    """Displacement u (B, D, *shape) of the flow of a velocity after a time of 1: x goes to x + u(x).

    Parameters
    ----------
    velocity : (B, D, *shape) float
        In voxels.
    squarings : int
        N: the flow of a time of 2^-N is taken for one straight step, and doubled N times.
    """
    displacement: torch.Tensor = velocity / 2**squarings
    for _ in range(squarings):
        displacement = compose(displacement, displacement)
    return displacement


def compose(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Displacement (B, D, *shape) of x → `second` after `first`: u₁(x) + u₂(x + u₁(x)).

    Parameters
    ----------
    first, second : (B, D, *shape) float
        In voxels; what lies outside moves as the border does.
    """
    return first + warp(second, first, outside="border")


def warp(image: torch.Tensor, displacement: torch.Tensor, *, outside: str = "zeros") -> torch.Tensor:
    """Linear reading (B, C, *shape) of an image at x + u(x).

    Parameters
    ----------
    image : (B, C, *shape) float
        On the displacement's grid.
    displacement : (B, D, *shape) float
        u in voxels.
    outside : "zeros" or "border"
        What is read outside of the image.
    """
    shape = displacement.shape[2:]
    size = torch.tensor(shape, dtype=displacement.dtype, device=displacement.device)
    flat = [1, -1] + [1] * len(shape)
    place = (2 * (identity(shape).to(displacement) + displacement) + 1) / size.view(flat) - 1
    place = place.flip(1).movedim(1, -1)
    return F.grid_sample(
        image.expand(len(place), *image.shape[1:]), place, padding_mode=outside, align_corners=False
    )


def identity(shape: Sequence[int]) -> torch.Tensor:
    """Index of each voxel, (1, D, *shape) float32.

    Parameters
    ----------
    shape : (D,) int
        Voxels along each axis.
    """
    return torch.stack(torch.meshgrid(*(torch.arange(float(n)) for n in shape), indexing="ij"))[None]


def finer(displacement: torch.Tensor, factor: int) -> torch.Tensor:
    """A displacement in voxels of the fine grid that is known at blocks, at each voxel, linearly.

    Parameters
    ----------
    displacement : (B, D, *shape/factor) float
        As `Lattice.field` with this factor gives it.
    factor : int
        Edge of a block in voxels.
    """
    if factor == 1:
        return displacement
    mode = "trilinear" if displacement.dim() == 5 else "bilinear"
    return F.interpolate(displacement, scale_factor=factor, mode=mode, align_corners=False)


def jacobian(displacement: torch.Tensor) -> torch.Tensor:
    """Determinant (B, *shape) of the derivative of x + u(x): a voxel's volume after it; < 0 is a fold.

    Parameters
    ----------
    displacement : (B, D, *shape) float
        u in voxels.
    """
    dims = displacement.dim() - 2
    steps = torch.gradient(displacement, dim=list(range(2, 2 + dims)))
    m = [[steps[axis][:, part] + (axis == part) for axis in range(dims)] for part in range(dims)]
    if dims == 2:
        return m[0][0] * m[1][1] - m[0][1] * m[1][0]
    return (
        m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1])
        - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
        + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
    )
