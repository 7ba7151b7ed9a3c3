"""Values of a volume at the points of another grid.

Where the axes of both are parallel, as of most scans, every step (blur, spline, linear) is linear and works
along one axis after the other, so that one small matrix per axis is all of it; else the volume is sampled
point by point.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from scipy import ndimage

from ..types import AnyArray, FloatArray
from .grid import Grid


def resample(
    voxels: AnyArray,
    source: Grid,
    target: Grid,
    *,
    order: int = 1,
    antialias: bool = True,
    fill: float = 0.0,
) -> FloatArray:
    """Volume on `source` read at the voxel centres of `target`.

    Parameters
    ----------
    source : Grid
        Of the voxels.
    target : Grid
        At whose voxel centres they are read.
    voxels : (X, Y, Z) array
        Values on `source`.
    order : 0, 1 or 3
        Nearest, linear, or cubic (spline upsampling by two, then linear).
    antialias : bool
        Blur along the axes on which `target` is coarser than `source`, with the Gaussian that
        takes the source's voxel to the target's (σ in voxels: 0.5·√(r²−1), r the ratio of spacings).
    fill : float
        Value outside of `source`.

    Returns
    -------
    (X', Y', Z') float32
    """
    if order not in (0, 1, 3):
        raise ValueError(f"order is 0, 1 or 3, not {order}")
    if order > 0 and (axes := parallel(source, target)) is not None:
        steps = [
            _along(n, scale, start, m, cubic=order == 3, antialias=antialias)
            for n, (_, scale, start), m in zip(
                (source.shape[a] for a, _, _ in axes), axes, target.shape, strict=True
            )
        ]
        return _apply(steps, np.transpose(voxels, [a for a, _, _ in axes]), fill)
    x = np.ascontiguousarray(voxels, dtype=np.float32)
    affine = np.asarray(source.affine)
    if order > 0 and antialias:
        x = _antialias(x, source, target)
    if order == 3:
        x, affine = _upsample_cubic(x, affine)
    to_source = np.linalg.inv(affine) @ target.affine
    return sample_affine(torch.from_numpy(x - fill)[None], to_source, target.shape, nearest=order == 0)[
        0
    ].numpy() + np.float32(fill)


def parallel(source: Grid, target: Grid) -> list[tuple[int, float, float]] | None:
    """For each axis of `target`: the axis of `source` along which it runs, its step and start in voxels.

    None if they are not parallel to a thousandth of a voxel over the whole grid.

    Parameters
    ----------
    source : Grid
        Where values are.
    target : Grid
        Where they are wanted.
    """
    to_source = np.linalg.inv(source.affine) @ target.affine
    along = [int(a) for a in np.abs(to_source[:3, :3]).argmax(axis=0)]
    rest = np.abs(to_source[:3, :3])
    rest[along, range(3)] = 0
    if sorted(along) != [0, 1, 2] or (rest @ target.shape > 1e-3).any():
        return None
    return [(a, float(to_source[a, k]), float(to_source[a, 3])) for k, a in enumerate(along)]


def _along(n: int, scale: float, start: float, m: int, *, cubic: bool, antialias: bool) -> FloatArray:
    """(m, n): a line of n read at `start` + `scale` j, 0 outside: the steps of `resample` on unit vectors."""
    lines = np.eye(n)
    if antialias:
        lines = _blurred(lines, 0, abs(scale))
    if cubic:
        lines = ndimage.zoom(lines, ((2 * n - 1) / n, 1), order=3, mode="nearest", grid_mode=False)
        scale, start, n = 2 * scale, 2 * start, 2 * n - 1
    place = start + scale * np.arange(m)
    first = np.floor(place).astype(int)
    out = np.zeros((m, lines.shape[1]))
    for index, weight in ((first, 1 - (place - first)), (first + 1, place - first)):
        inside = (index >= 0) & (index < n)
        out[inside] += weight[inside, None] * lines[index[inside]]
    return out.astype(np.float32)


def _apply(steps: list[FloatArray], x: AnyArray, fill: float) -> FloatArray:
    """A matrix along each axis of x − fill, and + fill: some planes of x, of any type, at a time."""
    if x.flags.f_contiguous:  # slow axis first
        return _apply(steps[::-1], x.T, fill).T
    slow, middle, fast = (torch.from_numpy(step) for step in steps)
    between = torch.empty(len(x), len(middle), len(fast))
    count = max(1, 4_000_000 // (x.shape[1] * x.shape[2]))
    for start in range(0, len(x), count):
        part = x[start : start + count].astype(np.float32)
        part -= np.float32(fill)
        between[start : start + count] = middle @ (torch.from_numpy(part) @ fast.T)
    out = slow @ between.reshape(len(x), -1)
    out += fill
    return out.reshape(len(slow), len(middle), len(fast)).numpy()


def sample_affine(
    volume: torch.Tensor, to_voxel: npt.NDArray[np.float64], shape: tuple[int, ...], *, nearest: bool = False
) -> torch.Tensor:
    """Volume (C, X, Y, Z) read at `to_voxel`·(i, j, k, 1) for every voxel of `shape`; 0 outside.

    Works slab by slab so that the sampling positions never take more than a few dozen megabytes.

    Parameters
    ----------
    volume : (C, X, Y, Z) tensor
        On any device.
    to_voxel : (4, 4) float64
        Index in the result to index in the volume.
    shape : (3,) int
        Voxels of the result.
    nearest : bool
        Whether to take the nearest voxel instead of interpolating linearly.
    """
    size = torch.tensor(volume.shape[1:], dtype=torch.float32, device=volume.device)
    out = torch.empty((volume.shape[0], *shape), dtype=volume.dtype, device=volume.device)
    step = max(1, 2_000_000 // max(1, shape[1] * shape[2]))
    for start in range(0, shape[0], step):
        count = min(step, shape[0] - start)
        here = to_voxel @ np.array([[1, 0, 0, start], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
        index = affine_index(here, (count, shape[1], shape[2]), volume.device)
        out[:, start : start + count] = sample_at(volume, index, size, nearest=nearest)
    return out


def affine_index(
    to_voxel: npt.NDArray[np.float64], shape: tuple[int, ...], device: torch.device | str = "cpu"
) -> torch.Tensor:
    """Positions `to_voxel`·(i, j, k, 1), (3, I, J, K) float32.

    Parameters
    ----------
    to_voxel : (4, 4) float64
        Index in the result to index in the volume.
    shape : (3,) int
        Voxels of the result.
    device : torch.device or str
        Where the positions shall be.
    """
    a = torch.from_numpy(np.asarray(to_voxel)[:3].astype(np.float32)).to(device)
    i, j, k = (torch.arange(n, dtype=torch.float32, device=device) for n in shape)
    first = a[:, 0, None] * i + a[:, 3, None]
    plane = a[:, 1, None, None] * j[:, None] + a[:, 2, None, None] * k
    return first[:, :, None, None] + plane[:, None]


def sample_at(
    volume: torch.Tensor, index: torch.Tensor, size: torch.Tensor | None = None, *, nearest: bool = False
) -> torch.Tensor:
    """Volume (C, X, Y, Z) at voxel positions `index` (3, I, J, K); 0 outside.

    Parameters
    ----------
    volume : (C, X, Y, Z) tensor
        On any device.
    index : (3, I, J, K) float32 tensor
        Positions in voxels.
    size : (3,) float32 tensor, optional
        Shape of the volume, if it is already on its device.
    nearest : bool
        Whether to take the nearest voxel instead of interpolating linearly.
    """
    if size is None:
        size = torch.tensor(volume.shape[1:], dtype=torch.float32, device=volume.device)
    # grid_sample wants (z, y, x) order and, with align_corners=False, (2 i + 1) / n − 1
    grid = (2 * index + 1) / size[:, None, None, None] - 1
    grid = grid.flip(0).permute(1, 2, 3, 0)[None]
    mode = "nearest" if nearest else "bilinear"
    return F.grid_sample(volume[None], grid, mode=mode, padding_mode="zeros", align_corners=False)[0]


def _antialias(x: FloatArray, source: Grid, target: Grid) -> FloatArray:
    # spacing of the target measured along each axis of the source
    directions = np.linalg.inv(source.affine[:3, :3]) @ target.affine[:3, :3]
    ratio = np.abs(directions).max(axis=1)
    for axis, r in enumerate(ratio):
        x = _blurred(x, axis, r)
    return x


def _blurred(x: Any, axis: int, ratio: float) -> Any:
    """Blurred along an axis from voxels of 1 to voxels of `ratio`, if that is coarser."""
    if ratio <= 1.05:
        return x
    return ndimage.gaussian_filter1d(x, 0.5 * np.sqrt(ratio**2 - 1), axis=axis, mode="nearest", truncate=3)


def _upsample_cubic(
    x: FloatArray, affine: npt.NDArray[np.float64]
) -> tuple[FloatArray, npt.NDArray[np.float64]]:
    shape = [2 * n - 1 for n in x.shape]
    fine = ndimage.zoom(
        x, [s / n for s, n in zip(shape, x.shape, strict=True)], order=3, mode="nearest", grid_mode=False
    )
    return fine, affine @ np.diag([0.5, 0.5, 0.5, 1.0])
