"""Average anatomies: a mean brain before a scan's pose is known, and once it is."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import torch

from ..space.resample import affine_index, sample_at
from ..types import FloatArray
from .anatomy import ATLAS_GRID, Anatomy
from .box import DEFAULT_BOX
from .generator import apply_sample, draw_sample


def atlas(anatomies: Sequence[Anatomy]) -> FloatArray:
    """(2, X, Y, Z): mean T1w and share of brains of affinely aligned anatomies, left and right alike.

    On `ATLAS_GRID`, by each anatomy's registration to MNI space.

    Parameters
    ----------
    anatomies : sequence of Anatomy
        At least one.
    """
    return _average(_aligned(a) for a in anatomies)


def average_anatomy(anatomies: Sequence[Anatomy], *, seed: int, repeats: int = 3) -> FloatArray:
    """(2, X, Y, Z): mean T1w over the brains that reach a voxel, and the share of brains that do.

    Over `repeats` drawn poses of each anatomy, so that it is as blurred as poses differ.

    Parameters
    ----------
    anatomies : sequence of Anatomy
        At least one.
    seed : int
        Of the poses.
    repeats : int
        Poses of each anatomy.
    """
    return _average(_posed(a, (seed, r, n)) for r in range(repeats) for n, a in enumerate(anatomies))


def _average(brains: Iterable[tuple[FloatArray, FloatArray]]) -> FloatArray:
    total, count, n = np.zeros(DEFAULT_BOX.shape), np.zeros(DEFAULT_BOX.shape), 0
    for t1w, brain in brains:
        total += t1w
        count += brain
        n += 1
    if not n:
        raise ValueError("an average needs at least one anatomy")
    mean = total / np.maximum(count, 0.02 * n)  # hardly any brain there: towards 0
    return np.stack([mean, count / n]).astype(np.float32)


def _aligned(anatomy: Anatomy) -> tuple[FloatArray, FloatArray]:
    to_voxel = np.linalg.inv(anatomy.grid.affine) @ np.linalg.inv(anatomy.to_mni) @ ATLAS_GRID.affine
    brain = anatomy.brain.astype(np.float32)
    stack = torch.from_numpy(np.stack([anatomy.t1w * brain, brain]))
    t1w, share = sample_at(stack, affine_index(to_voxel, ATLAS_GRID.shape)).numpy()
    return (t1w + t1w[::-1]) / 2, (share + share[::-1]) / 2


def _posed(anatomy: Anatomy, seed: tuple[int, ...]) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(seed)
    params = draw_sample(rng, anatomy, (), preset="t1w", level="none", healthy=1.0)
    sample = apply_sample(anatomy, replace(params, skull="on"))
    return sample.t1w, sample.brain.astype(np.float32)
