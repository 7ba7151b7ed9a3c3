"""Where the model's box lies in a scan."""

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sanum.scan import Scan
from sanum.scan.conform import conform, conform_finer, on_lattice, scale_intensity
from sanum.space.box import Box
from sanum.space.grid import Grid, apply_affine
from sanum.synth.box import DEFAULT_BOX


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


CENTRE_MM = np.array([6.0, -10.0, 4.0])  # of the phantom of conftest.py


def points(grid):
    return apply_affine(grid.affine, np.moveaxis(np.indices(grid.shape), 0, -1))


def shift(slices):
    a = np.eye(4)
    a[2, 3] = slices
    return a


class TestConform:
    def test_the_box_is_the_model_s(self, phantom):
        seen = conform(phantom, CENTRE_MM, DEFAULT_BOX)
        assert seen.image.shape == seen.covered.shape == DEFAULT_BOX.shape
        assert nib.aff2axcodes(seen.grid.affine) == ("R", "A", "S")
        np.testing.assert_allclose(seen.grid.spacing_mm, 2)
        np.testing.assert_allclose(seen.grid.centre_mm, CENTRE_MM)

    @pytest.mark.parametrize("factor", [1e-4, 1.0, 5000.0])
    def test_the_scale_is_the_same_for_any_unit(self, phantom, factor):
        seen = conform(phantom.with_voxels(phantom.voxels * np.float32(factor)), CENTRE_MM, DEFAULT_BOX)
        inside = seen.image[tuple(n // 2 for n in DEFAULT_BOX.shape)]
        assert inside == pytest.approx(1.0, abs=0.03)  # white matter; the lesion is under 1 % of the brain
        assert seen.image[0, 0, 0] == 0
        assert 1.2 < seen.image.max() <= 1.5

    def test_an_offset_of_the_background_goes(self, phantom):
        seen = conform(phantom.with_voxels(phantom.voxels + 3), CENTRE_MM, DEFAULT_BOX)
        assert seen.image[0, 0, 0] == pytest.approx(0, abs=1e-3)
        assert seen.image[tuple(n // 2 for n in DEFAULT_BOX.shape)] == pytest.approx(1, abs=0.03)

    def test_ct_has_a_window_in_hounsfield_units(self):
        hu = np.array([-1000, 0, 20, 40, 80, 1000], np.float32)
        np.testing.assert_allclose(scale_intensity(hu, ct=True), [0, 0, 0.25, 0.5, 1, 1.5])

    def test_bone_does_not_bleed_into_the_brain(self):
        grid = Box((80, 80, 80), 1.0).grid()
        hu = np.where(points(grid)[..., 0] > 0, 1500, 30).astype(np.float32)
        seen = conform(Scan(hu, grid.affine, "CT"), (0, 0, 0), Box((32, 32, 32), 2.0))
        assert seen.image.max() == pytest.approx(1)  # clipped to 80 HU before blurring
        assert seen.image[13, 16, 16] == pytest.approx(30 / 80, abs=0.02)

    def test_what_the_scan_does_not_cover_is_marked_and_empty(self, phantom):
        upper = Scan(phantom.voxels[:, :, 25:] + 1, phantom.affine @ shift(25))
        seen = conform(upper, CENTRE_MM, DEFAULT_BOX)
        z = points(seen.grid)[..., 2]
        lowest = points(upper.grid)[..., 2].min()
        assert not seen.covered[z < lowest - 2].any()
        assert not seen.image[~seen.covered].any()
        box = (np.abs(points(seen.grid)[..., :2] - (4, -8)) < (70, 85)).all(-1)
        assert seen.covered[box & (z > lowest + 2) & (z < 70)].all()


def test_finer_voxels_show_the_same_place_on_the_same_scale():
    grid = grid_of((1, 1, 1))
    voxels = 100 * np.random.default_rng(3).random(grid.shape).astype(np.float32) + 20
    scan = Scan(voxels, grid.affine)
    coarse = conform(scan, (1.2, -3.4, 5.6), Box((24, 28, 24), 2.0))
    fine = conform_finer(scan, coarse, Box((48, 56, 48), 1.0))
    assert fine.window == coarse.window
    assert (np.abs(fine.grid.centre_mm - coarse.grid.centre_mm) <= 0.5 + 1e-9).all()
    index = apply_affine(np.linalg.inv(grid.affine) @ fine.grid.affine, np.array([[5, 5, 5], [30, 40, 30]]))
    np.testing.assert_allclose(index, np.rint(index), atol=1e-9)  # a voxel of the scan: nothing is blurred
    low, high = coarse.window
    for there, here in zip(np.rint(index).astype(int), ((5, 5, 5), (30, 40, 30)), strict=True):
        assert fine.image[here] == pytest.approx(np.clip((voxels[tuple(there)] - low) / (high - low), 0, 1.5))
