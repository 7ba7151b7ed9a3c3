"""Domains of every awkward kind."""

from functools import cache

import numpy as np
import pytest


def ellipsoid() -> np.ndarray:
    """Fills its array but for the corners: a domain like a brain."""
    x, y, z = (np.linspace(-1, 1, n) for n in (22, 26, 20))
    return x[:, None, None] ** 2 + y[:, None] ** 2 + z**2 < 0.95


def scattered() -> np.ndarray:
    """Each voxel in or out by chance."""
    return np.random.default_rng(0).random((14, 15, 16)) < 0.7


def corner() -> np.ndarray:
    """Two cubes that share one corner and nothing else."""
    domain = np.zeros((16, 16, 16), bool)
    domain[2:8, 2:8, 2:8] = True
    domain[8:14, 8:14, 8:14] = True
    return domain


def box() -> np.ndarray:
    """The whole array: its edge is the border."""
    return np.ones((12, 10, 14), bool)


def slice_2d() -> np.ndarray:
    """A disc one voxel thick."""
    x = np.linspace(-1, 1, 40)
    return (x[:, None] ** 2 + x**2 < 0.9)[:, :, None]


@cache
def white_matter() -> np.ndarray:
    """White matter of ICBM152 at 6 mm: a mask of folds, with thousands of border faces."""
    from nilearn.datasets import load_mni152_wm_mask

    return np.asarray(load_mni152_wm_mask(resolution=6).dataobj) > 0


@cache
def brain() -> np.ndarray:
    """Brain of ICBM152 at 6 mm."""
    from nilearn.datasets import load_mni152_brain_mask

    return np.asarray(load_mni152_brain_mask(resolution=6).dataobj) > 0


DOMAINS = {f.__name__: f for f in (ellipsoid, scattered, corner, box, slice_2d, white_matter, brain)}


@pytest.fixture(params=sorted(DOMAINS))
def domain(request: pytest.FixtureRequest) -> np.ndarray:
    """One of each kind."""
    return DOMAINS[request.param]()


@pytest.fixture
def folds() -> np.ndarray:
    """White matter."""
    return white_matter()
