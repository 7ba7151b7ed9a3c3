"""Grids, and where the phantom of the tests lies on them."""

import nibabel as nib
import numpy as np

from sanum.space.grid import Grid, apply_affine

CENTRE_MM = np.array([6.0, -10.0, 4.0])  # of the phantom of conftest.py
BRAIN_ML = 4 / 3 * np.pi * 6.2 * 7.8 * 6.2


def points(grid):
    return apply_affine(grid.affine, np.moveaxis(np.indices(grid.shape), 0, -1))


def oblique(shape=(60, 70, 30), spacing=(3.0, 2.5, 5.5)):
    """An LAS-like grid turned by 10° and 15°, with thick slices, its middle at the phantom's."""
    a, b = np.deg2rad([10, 15])
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    turn = turn @ np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([-spacing[0], spacing[1], spacing[2]])
    affine[:3, 3] = CENTRE_MM - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    assert nib.aff2axcodes(affine) == ("L", "A", "S")
    return Grid(shape, affine)
