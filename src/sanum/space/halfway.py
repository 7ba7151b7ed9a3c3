"""Half of a map, so that two scans meet in the middle and neither is favoured."""

import numpy as np
import numpy.typing as npt
from scipy.linalg import sqrtm

from ..types import Affine
from .grid import Grid, apply_affine

FINEST_MM, COARSEST_MM = 0.5, 1.0
"""Voxels of half-way space are as fine as those of either scan, within these bounds."""


def half_of(world: npt.ArrayLike) -> Affine:
    """The map H with H·H = `world`: of a turn and a shift, half of the turn along the same screw.

    Parameters
    ----------
    world : (4, 4) float
        A world map, mm to mm, that mirrors nothing and turns by less than half a circle.

    Raises
    ------
    ValueError
        It has no real square root.

    Examples
    --------
    >>> half_of(np.array([[1.0, 0, 0, 6], [0, 1, 0, 0], [0, 0, 1, -2], [0, 0, 0, 1]]))[:3, 3].tolist()
    [3.0, 0.0, -1.0]
    """
    whole = np.asarray(world, np.float64)
    found = np.asarray(sqrtm(whole))
    half: Affine = np.real(found)
    if not np.isfinite(found).all() or np.abs(half @ half - whole).max() > 1e-6 * max(1, np.abs(whole).max()):
        raise ValueError("a map that mirrors, or turns by half a circle, has no half")
    return half


def halfway_grid(parts: list[Grid], spacing_mm: float, margin_mm: float = 3.0) -> Grid:
    """Axis-aligned grid of isotropic voxels around boxes that lie in one world.

    Parameters
    ----------
    parts : list of Grid
        At least one.
    spacing_mm : float
        Of the voxels; brought within `FINEST_MM` and `COARSEST_MM`.
    margin_mm : float
        Around all.
    """
    step = float(np.clip(spacing_mm, FINEST_MM, COARSEST_MM))
    corner = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    ends = np.concatenate([apply_affine(g.affine, corner * (np.array(g.shape) - 1)) for g in parts])
    low, high = ends.min(0) - margin_mm, ends.max(0) + margin_mm
    affine = np.diag([step, step, step, 1.0])
    affine[:3, 3] = low
    x, y, z = (int(n) for n in np.ceil((high - low) / step) + 1)
    return Grid((x, y, z), affine)
