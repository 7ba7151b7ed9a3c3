"""Reading a subject at the voxels of a template: by an affine, then by an affine and a deformation."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import numpy.typing as npt
import scipy.linalg
import torch
from scipy import ndimage

from ....scan import Scan
from ....space.grid import Grid
from ....space.resample import affine_index, sample_affine
from ....types import FloatArray

World = npt.NDArray[np.float64]


def roughly(subject: Scan, world: World, grid: Grid) -> torch.Tensor:
    """The subject at a template's voxels (1, 1, X, Y, Z) by an affine, linearly.

    Parameters
    ----------
    subject : Scan
        Prepared.
    world : (4, 4) float64
        Template mm → subject mm.
    grid : Grid
        Of the template.
    """
    volume = torch.from_numpy(np.array(subject.voxels, np.float32))[None]
    return sample_affine(volume, np.linalg.inv(subject.affine) @ world @ grid.affine, grid.shape)[None]


def channels(labels: Scan, codes: Sequence[int], world: World, grid: Grid) -> torch.Tensor:
    """Each label's share (1, K, X, Y, Z) at a template's voxels, by an affine.

    Parameters
    ----------
    labels : Scan
        Label map.
    codes : sequence of int
        The K labels.
    world : (4, 4) float64
        Template mm → subject mm.
    grid : Grid
        Of the template.
    """
    volume = torch.from_numpy(np.stack([labels.voxels == code for code in codes]).astype(np.float32))
    return sample_affine(volume, np.linalg.inv(labels.affine) @ world @ grid.affine, grid.shape)[None]


def places(subject: Grid, world: World, grid: Grid, displacement: torch.Tensor) -> FloatArray:
    """Where the template's voxels lie in the subject's volume, (3, X, Y, Z), in voxels of the subject.

    Parameters
    ----------
    subject : Grid
        Of the subject.
    world : (4, 4) float64
        Template mm → subject mm.
    grid : Grid
        Of the template.
    displacement : (1, 3, X, Y, Z) float
        In voxels of the template, before the affine.
    """
    to_subject = np.linalg.inv(subject.affine) @ world @ grid.affine
    straight = affine_index(to_subject, grid.shape)
    linear = torch.from_numpy(to_subject[:3, :3].astype(np.float32))
    found: FloatArray = (straight + torch.einsum("ij,jxyz->ixyz", linear, displacement[0])).numpy()
    return found


def seen_at(subject: Grid, at: FloatArray, fade_mm: float) -> FloatArray:
    """Weight (X, Y, Z) of places in a subject: 0 beyond its field of view, 1 well inside.

    A mean over subjects whose fields end at different places would have a step at each end.

    Parameters
    ----------
    subject : Grid
        Of the subject's volume.
    at : (3, X, Y, Z) float32
        In its voxels.
    fade_mm : float
        From the middle of the outermost voxels inwards the weight rises over this length.
    """
    weight = np.full(at.shape[1:], fade_mm, np.float32)
    for index, count, edge_mm in zip(at, subject.shape, subject.spacing_mm, strict=True):
        np.minimum(weight, np.minimum(index, count - 1 - index) * np.float32(edge_mm), out=weight)
    found: FloatArray = (weight.clip(0) / fade_mm).astype(np.float32)
    return found


def read_at(voxels: npt.NDArray[np.float32], at: FloatArray) -> FloatArray:
    """Values at places, by a cubic spline cut to the range of the values; 0 outside.

    Parameters
    ----------
    voxels : (X', Y', Z') float32
        Of the subject.
    at : (3, X, Y, Z) float32
        In its voxels.
    """
    low, high = float(voxels.min()), float(voxels.max())
    found: FloatArray = np.clip(ndimage.map_coordinates(voxels, at, order=3, output=np.float32), low, high)
    return found


def add_labels(counts: torch.Tensor, rows: npt.NDArray[np.int64], at: FloatArray, weight: FloatArray) -> None:
    """Add the linear share of each label to its map, in place: the mean of one-hot maps.

    Parameters
    ----------
    counts : (K, X, Y, Z) float32 tensor
        What is added up.
    rows : (X', Y', Z') int64
        Row of each of the subject's voxels in `counts`; below 0, none.
    at : (3, X, Y, Z) float32
        Places in the subject's voxels.
    weight : (X, Y, Z) float32
        Of the subject.
    """
    flat, many = counts.view(-1), counts[0].numel()
    first = np.floor(at).astype(np.int64)
    part = at - first
    voxel = torch.arange(many)
    for corner in product((0, 1), repeat=3):
        index = [first[axis] + corner[axis] for axis in range(3)]
        share = np.prod([part[axis] if corner[axis] else 1 - part[axis] for axis in range(3)], axis=0)
        inside = np.all([(i >= 0) & (i < n) for i, n in zip(index, rows.shape, strict=True)], axis=0)
        row = np.where(inside, rows[tuple(np.where(inside, i, 0) for i in index)], -1).ravel()
        kept = torch.from_numpy(np.flatnonzero(row >= 0))
        value = torch.from_numpy((weight * share).astype(np.float32).ravel())[kept]
        flat.index_add_(0, torch.from_numpy(row)[kept] * many + voxel[kept], value)


def mean_affine(worlds: Sequence[World], steps: int = 20) -> World:
    """The affine from which the logarithms of all others add up to 0 (Fréchet mean, by Gauss–Newton).

    Parameters
    ----------
    worlds : sequence of (4, 4) float64
        Without reflections.
    steps : int
        At most.
    """
    middle = np.array(worlds[0], np.float64)
    for _ in range(steps):
        step = np.mean([scipy.linalg.logm(np.linalg.inv(middle) @ w).real for w in worlds], axis=0)
        middle = middle @ scipy.linalg.expm(step)
        if np.abs(step).max() < 1e-8:
            break
    found: World = middle
    return found


def stretch_of(world: World, centre_mm: npt.NDArray[np.float64]) -> World:
    """The part of an affine that is no turn and no shift: W = R U with U symmetric, about a point.

    Parameters
    ----------
    world : (4, 4) float64
        W.
    centre_mm : (3,) float64
        What U leaves where it is.
    """
    _, symmetric = scipy.linalg.polar(world[:3, :3])
    out = np.eye(4)
    out[:3, :3], out[:3, 3] = symmetric, centre_mm - symmetric @ centre_mm
    return out
