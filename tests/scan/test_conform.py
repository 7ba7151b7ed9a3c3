"""Where the model's box lies in a scan."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sanum.scan import Scan
from sanum.scan.conform import conform, on_lattice
from sanum.space.box import Box
from sanum.space.grid import Grid, apply_affine


def grid_of(spacing, *, turn=(0, 0, 0), axes=(0, 1, 2), signs=(1, 1, 1), shape=(60, 70, 64)):
    """A grid around the origin, its axes permuted, reversed and turned (degrees)."""
    directions = np.eye(3)[:, axes] * np.array(signs)
    affine = np.eye(4)
    affine[:3, :3] = (
        Rotation.from_euler("xyz", turn, degrees=True).as_matrix() @ directions @ np.diag(spacing)
    )
    affine[:3, 3] = -affine[:3, :3] @ (np.array(shape) / 2) + (0.3, -0.7, 0.1)
    return Grid(shape, affine)


BOX = Box((24, 28, 24), 2.0).grid((1.2, -3.4, 5.6))


@pytest.mark.parametrize("spacing", [(2, 2, 2), (1, 1, 1), (0.5, 1, 2)])
@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1)])
def test_voxels_of_the_box_are_the_scan_s_own(spacing, axes):
    scan = grid_of(spacing, axes=axes, signs=(1, -1, 1))
    box = on_lattice(BOX, scan)
    index = apply_affine(np.linalg.inv(scan.affine) @ box.affine, np.moveaxis(np.indices(box.shape), 0, -1))
    np.testing.assert_allclose(index, np.rint(index), atol=1e-9)
    moved = np.abs(box.centre_mm - BOX.centre_mm)
    assert (moved <= np.array(spacing)[np.argsort(axes)] / 2 + 1e-9).all()
    np.testing.assert_array_equal(box.affine[:3, :3], BOX.affine[:3, :3])


def test_only_along_axes_that_are_no_coarser():
    moved = on_lattice(BOX, grid_of((2, 2, 5))).centre_mm - BOX.centre_mm
    assert (np.abs(moved[:2]) > 0.01).all()
    assert moved[2] == 0


def test_a_turned_scan_leaves_the_box_where_it_is():
    turned = on_lattice(BOX, grid_of((2, 2, 2), turn=(4, 7, -5)))
    np.testing.assert_array_equal(turned.affine, BOX.affine)
    nodding = on_lattice(BOX, grid_of((2, 2, 2), turn=(9, 0, 0))).centre_mm - BOX.centre_mm
    assert abs(nodding[0]) > 0.01  # left to right is still an axis of both
    np.testing.assert_array_equal(nodding[1:], 0)


def test_a_scan_of_the_model_s_spacing_is_not_blurred():
    grid = grid_of((2, 2, 2), signs=(-1, 1, 1))
    voxels = np.random.default_rng(0).random(grid.shape).astype(np.float32)
    seen = conform(Scan(voxels, grid.affine), (1.2, -3.4, 5.6), Box((24, 28, 24), 2.0))
    index = np.rint(apply_affine(np.linalg.inv(grid.affine) @ seen.grid.affine, (0, 0, 0))).astype(int)
    own = voxels[::-1][60 - 1 - index[0] :, index[1] :, index[2] :][:24, :28, :24]
    inside = (seen.image > 0.05) & (seen.image < 1.4)
    line = np.polyfit(own[inside], seen.image[inside], 1)  # the scale alone differs
    np.testing.assert_allclose(seen.image[inside], np.polyval(line, own)[inside], atol=1e-4)
