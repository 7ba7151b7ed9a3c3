"""Gradient noise (Perlin 1985, with the quintic fade of Perlin 2002) on arrays of any shape, 2D or 3D."""

import operator
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..types import FloatArray
from .arguments import as_numbers, as_rng, check_number
from .kernels.cpu import gradient_noise_3d


def gradient_noise(
    shape: Sequence[int],
    periods: float | Sequence[float],
    *,
    rng: np.random.Generator | int,
    offset: float | Sequence[float] | None = None,
    octaves: int = 1,
    persistence: float = 0.5,
) -> FloatArray:
    """Smooth noise with zero value at its lattice points.

    Parameters
    ----------
    shape : (2,) or (3,) int
        Voxels; need not be a multiple of the periods.
    periods : float, or one per axis
        Lattice cells along each axis of the box.
    rng : Generator or int
        Source of the unit gradients: a generator, or a seed for one.
    offset : float, or one per axis, optional
        Shift of the sampling points in voxels, 0 to 1 (0.5 for a staggered grid).
    octaves : int
        Number of noises summed; each has twice the periods of the one before.
    persistence : float
        Size of an octave relative to the one before; the sum is divided by the sum of the sizes.

    Returns
    -------
    shape float32
        ∑ over the cell's corners of fade·(gradient · distance), fade(t) = 6t⁵ − 15t⁴ + 10t³; within ±√n/2
        for n axes.

    Raises
    ------
    ValueError, TypeError
        Neither two nor three axes; a shape, period, octave or persistence that is not positive. The
        argument is named.
    """
    shape, rng = _as_shape(shape), as_rng(rng)
    n = len(shape)
    periods = as_numbers(periods, n, "periods")
    offset = as_numbers(0.0 if offset is None else offset, n, "offset", positive=False)
    if not all(0 <= o <= 1 for o in offset):
        raise ValueError(f"offset lies between 0 and 1, got {offset}")
    check_number(octaves, "octaves", least=1)
    check_number(persistence, "persistence", above=True)
    total = _one_octave(shape, periods, rng, offset)
    for octave in range(1, octaves):
        finer = [p * 2**octave for p in periods]
        total += np.float32(persistence**octave) * _one_octave(shape, finer, rng, offset)
    if octaves > 1:
        total /= np.float32(sum(persistence**o for o in range(octaves)))
    return total


def _as_shape(shape: Sequence[int]) -> tuple[int, ...]:
    try:
        found = tuple(operator.index(n) for n in shape)
    except TypeError:
        found = ()
    if len(found) not in (2, 3) or min(found) < 1:
        raise ValueError(f"shape must be 2 or 3 numbers of voxels, at least 1, got {shape!r}")
    return found


def _one_octave(
    shape: Sequence[int], periods: Sequence[float], rng: np.random.Generator, offset: Sequence[float]
) -> FloatArray:
    gradients = lattice(periods, rng)
    if len(shape) == 2:  # the slice through a lattice of 3D whose gradients all lie in it
        gradients = np.pad(gradients[None], ((0, 1), (0, 0), (0, 0), (1, 0)))
    places = [cells_of((np.arange(n) + o) * (p / n)) for n, o, p in zip(shape, offset, periods, strict=True)]
    *across, (cell, part, fade) = [cells_of(np.zeros(1)), *places][-3:]
    starts = np.searchsorted(cell, np.arange(cell[-1] + 2))
    out = np.empty(shape, dtype=np.float32)
    first, second = across
    gradient_noise_3d(gradients, *first, *second, starts, part, fade, out.reshape(-1, *shape[-2:]))
    return out


def lattice(periods: Sequence[float], rng: np.random.Generator) -> FloatArray:
    """Unit gradients (A, B[, C], n) at the lattice points: all that is random about a noise.

    Parameters
    ----------
    periods : one float per axis
        Lattice cells along each axis.
    rng : Generator
        Source of the gradients.
    """
    cells = [int(np.ceil(p)) + 2 for p in periods]
    gradients = rng.standard_normal((*cells, len(cells))).astype(np.float32)
    unit: FloatArray = gradients / np.maximum(np.linalg.norm(gradients, axis=-1, keepdims=True), 1e-12)
    return unit


def cells_of(position: npt.NDArray[np.floating]) -> tuple[npt.NDArray[np.int64], FloatArray, FloatArray]:
    """Lattice cell of each position, where in the cell it lies, and the fade of that.

    Parameters
    ----------
    position : (n,) float
        In lattice cells.
    """
    cell = np.floor(position).astype(np.int64)
    t = (position - cell).astype(np.float32)
    return cell, t, t * t * t * (t * (t * 6 - 15) + 10)
