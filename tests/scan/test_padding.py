"""Slices that were never taken."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanum.scan import Scan
from sanum.scan.padding import shown_part, with_dropped_slices, without_padding
from sanum.space.box import Box
from sanum.space.grid import apply_affine

GRID = Box((30, 34, 32), 4.0).grid()
MM = apply_affine(GRID.affine, np.moveaxis(np.indices(GRID.shape), 0, -1))
BRAIN = np.where((MM**2 / np.square([55, 62, 55])).sum(-1) < 1, 100 + MM[..., 0], 0).astype(np.float32)


@given(
    axis=st.integers(0, 2),
    ends=st.tuples(st.integers(10, 13), st.integers(19, 22)),
    value=st.sampled_from([0.0, -1000.0, 3.5]),
    noisy=st.booleans(),
)
def test_padding_a_slab_is_undone(axis, ends, value, noisy):
    head = BRAIN + (
        np.random.default_rng(0).rayleigh(3, GRID.shape).astype(np.float32) if noisy else value * (BRAIN == 0)
    )
    box = tuple(slice(*ends) if a == axis else slice(0, n) for a, n in enumerate(GRID.shape))
    padded = np.full(GRID.shape, np.float32(value))
    padded[box] = head[box]
    back = without_padding(Scan(padded, GRID.affine))
    np.testing.assert_array_equal(back.voxels, head[box])
    np.testing.assert_allclose(back.affine, GRID.part(box).affine)


@pytest.mark.parametrize("value", [0.0, -1000.0])
@pytest.mark.parametrize("ends", [(12, 32), (0, 20)])
def test_padding_at_one_end_alone(ends, value):
    head = BRAIN + np.random.default_rng(0).rayleigh(3, GRID.shape).astype(np.float32)
    padded = np.full(GRID.shape, np.float32(value))
    padded[:, :, slice(*ends)] = head[:, :, slice(*ends)]
    np.testing.assert_array_equal(without_padding(Scan(padded, GRID.affine)).voxels, head[:, :, slice(*ends)])


def test_the_ends_of_a_head_are_no_cuts():
    for voxels in (BRAIN, np.random.default_rng(0).random(GRID.shape)):
        scan = Scan(voxels, GRID.affine)
        assert without_padding(scan) is scan


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_dropped_slices_are_filled_from_their_neighbours(axis):
    smooth = (200 + MM.sum(-1)).astype(np.float32)
    voxels = np.moveaxis(smooth.copy(), axis, 0)
    voxels[[5, 14, 15]] = 0
    scan = with_dropped_slices(Scan(np.moveaxis(voxels, 0, axis), GRID.affine))
    np.testing.assert_allclose(scan.voxels, smooth, rtol=1e-5)
    assert scan.warnings == ("3 slices were empty and filled from the neighbours",)


def test_nothing_is_dropped_from_a_brain():
    scan = Scan(BRAIN, GRID.affine)
    assert with_dropped_slices(scan) is scan


def test_the_part_that_is_shown():
    low, high = np.argwhere(BRAIN).min(0), np.argwhere(BRAIN).max(0) + 1
    part = shown_part(Scan(BRAIN, GRID.affine))
    np.testing.assert_array_equal(
        part.voxels, BRAIN[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    )
    np.testing.assert_allclose(part.affine[:3, 3], apply_affine(GRID.affine, low))
    noise = Scan(np.random.default_rng(0).random((3, 4, 5)), np.eye(4))
    assert shown_part(noise) is noise


def test_one_voxel_is_shown_with_its_neighbours():
    voxels = np.zeros((4, 4, 4), np.uint8)
    voxels[3, 0, 2] = 1
    assert shown_part(Scan(voxels, np.eye(4))).voxels.shape == (2, 2, 2)
