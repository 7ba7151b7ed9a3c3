"""The plane of best symmetry of a head, and the scan mirrored across it.

The input of UNA's network is a scan and its mirror image φ∘Ĩ. A mirror image that is rigidly registered to
the original is a reflection across some plane. So we estimate the plane: two angles and an offset. This works
for any contrast, since the image is compared with itself. A lesion is an outlier of that comparison; clipping
the local contrast limits its effect.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage, optimize

from ..types import Affine, AnyArray, FloatArray
from .grid import Grid, apply_affine, at_spacing
from .resample import resample, sample_affine
from .sums import steady_sum

_STARTS = (-12.0, 0.0, 12.0)  # of each angle in degrees, and of the offset in mm
_DESCENTS, _EVALUATIONS, _LAST_EVALUATIONS = 3, 60, 40
MOST_LOOKS = len(_STARTS) ** 3 + _DESCENTS * _EVALUATIONS + _LAST_EVALUATIONS


def reflection(normal: npt.ArrayLike, point: npt.ArrayLike) -> Affine:
    """(4, 4) reflection across the plane through `point` with `normal`: x ↦ x − 2 n (n·(x − p)).

    Parameters
    ----------
    normal : (3,) float
        Of the plane; of any length but 0.
    point : (3,) float
        Of the plane, in mm.

    Examples
    --------
    >>> reflection([1, 0, 0], [3, 0, 0])[:3, 3].tolist()
    [6.0, 0.0, 0.0]
    """
    n = np.asarray(normal, dtype=np.float64)
    n = n / np.linalg.norm(n)
    out = np.eye(4)
    out[:3, :3] -= 2 * np.outer(n, n)
    out[:3, 3] = 2 * n * float(n @ np.asarray(point, dtype=np.float64))
    return out


def find_mirror(voxels: AnyArray, grid: Grid) -> Affine:
    """Reflection (4, 4) in world mm that lays the mirrored volume onto itself best.

    At most `MOST_LOOKS` planes are looked at: 27 starts, and up to 60 on the way down from each of the best
    three, at 4 mm; then up to 40 at 3 mm.

    Parameters
    ----------
    grid : Grid
        Where the voxels are.
    voxels : (X, Y, Z) array
        A head or a brain, any contrast, on `grid`; left and right along world x within ±20°.
    """
    x = resample(voxels, grid, coarse := at_spacing(grid, 4.0))
    weight = np.clip(x - np.percentile(x, 5), 0, None)
    centre = _centroid(weight, coarse)
    score = _Score(x, coarse, centre)
    starts = list(product(_STARTS, repeat=3))
    with ThreadPoolExecutor(min(torch.get_num_threads(), _DESCENTS)) as pool:  # each look is on one thread
        ranked = [s for _, s in sorted(zip(pool.map(score, starts), starts, strict=True), key=lambda r: r[0])]
        best = min(pool.map(partial(_descend, score), ranked[:_DESCENTS]), key=lambda r: r[1])[0]
    fine = at_spacing(grid, 3.0)
    at_last = _Score(resample(voxels, grid, fine), fine, centre)
    best = _descend(at_last, best, step=0.6, evaluations=_LAST_EVALUATIONS)[0]
    return _plane(best, centre)


def mirror(voxels: AnyArray, grid: Grid, across: Affine) -> FloatArray:
    """Volume mirrored by the world reflection `across`, on the same grid.

    Parameters
    ----------
    voxels : (X, Y, Z) array
        On `grid`.
    grid : Grid
        Of the volume and of the result.
    across : (4, 4) float64
        Reflection in world mm.
    """
    to_voxel = np.linalg.inv(grid.affine) @ across @ grid.affine
    x = torch.from_numpy(np.ascontiguousarray(voxels, dtype=np.float32))[None]
    return sample_affine(x, to_voxel, grid.shape)[0].numpy()


class _Score:
    """Negative correlation of the clipped local contrast with its mirror image (lower is better)."""

    def __init__(self, x: FloatArray, grid: Grid, centre: npt.NDArray[np.float64]) -> None:
        sigma = 8.0 / grid.spacing_mm
        local = x - ndimage.gaussian_filter(x, sigma)
        strength = np.sqrt(ndimage.gaussian_filter(local * local, 2 * sigma))
        local = np.clip(local / (strength + 0.1 * strength.max() + 1e-6), -1.5, 1.5)
        self.volume = torch.from_numpy(np.ascontiguousarray(local, dtype=np.float32))[None]
        self.grid, self.centre = grid, centre
        self.inverse = np.linalg.inv(grid.affine)
        self.norm = float(steady_sum(self.volume[0] ** 2))

    def __call__(self, parameters: npt.ArrayLike) -> float:
        across = _plane(parameters, self.centre)
        moved = sample_affine(self.volume, self.inverse @ across @ self.grid.affine, self.grid.shape)
        return -float(steady_sum((self.volume * moved)[0])) / max(self.norm, 1e-12)


def _plane(parameters: npt.ArrayLike, centre: npt.NDArray[np.float64]) -> Affine:
    yaw, roll, shift = np.asarray(parameters, dtype=np.float64)
    yaw, roll = np.deg2rad([yaw, roll])
    normal = np.array([np.cos(yaw) * np.cos(roll), np.sin(yaw) * np.cos(roll), np.sin(roll)])
    return reflection(normal, centre + shift * normal)


def _descend(
    score: _Score, start: npt.ArrayLike, step: float = 3.0, evaluations: int = _EVALUATIONS
) -> tuple[npt.NDArray[np.float64], float]:
    simplex = np.asarray(start, dtype=np.float64) + step * np.vstack([np.zeros(3), np.eye(3)])
    found = optimize.minimize(
        score,
        simplex[0],
        method="Nelder-Mead",
        options={"initial_simplex": simplex, "xatol": 0.05, "fatol": 1e-5, "maxfev": evaluations},
    )
    return found.x, float(found.fun)


def _centroid(weight: AnyArray, grid: Grid) -> npt.NDArray[np.float64]:
    if not weight.any():
        return grid.centre_mm
    return apply_affine(grid.affine, ndimage.center_of_mass(weight))
