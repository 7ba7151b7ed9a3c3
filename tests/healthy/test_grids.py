"""To the model's grid and back to the scan's own."""

import numpy as np
import pytest

from sanum.healthy import grids
from sanum.healthy.grids import coverage_warnings, foreground_mask, on_grid, thinned, to_scan_grid
from sanum.methods.common.anatomy import Maps
from sanum.scan import Scan
from sanum.space.box import Box
from sanum.space.grid import apply_affine, covering
from sanum.space.resample import resample
from sanum.synth.box import DEFAULT_BOX

from .heads import CENTRE_MM, oblique, points


class TestBackToTheScan:
    def test_a_ramp_comes_back_at_the_right_places(self):
        model = DEFAULT_BOX.grid(CENTRE_MM)
        grid = oblique()
        slope = np.array([0.004, -0.002, 0.003])
        ramp = ((points(model) - CENTRE_MM) @ slope + 1).astype(np.float32)
        one = np.ones(DEFAULT_BOX.shape, np.float32)
        scan = Scan(np.zeros(grid.shape, np.int16), grid.affine, "T2w", warnings=("old",))
        result = to_scan_grid(Maps(ramp, ramp - 0.5, one, ramp), model, scan)
        inside = (np.abs(points(grid) - CENTRE_MM) < np.array(DEFAULT_BOX.shape) - 8).all(-1)
        expected = (points(grid) - CENTRE_MM) @ slope + 1
        assert inside.sum() > 20000
        np.testing.assert_allclose(result.anatomy.voxels[inside], expected[inside], atol=2e-3)
        np.testing.assert_allclose(result.uncertainty.voxels[inside], expected[inside], atol=2e-3)
        np.testing.assert_allclose(
            result.anomaly.voxels[inside], np.clip(expected - 0.5, 0, 1)[inside], atol=2e-3
        )
        for image in (*vars(result).values(), scan):
            assert image.grid.same_as(grid)
        assert result.anatomy.contrast == "T1w"
        assert result.anomaly.contrast is None
        assert result.brain.warnings == ()

    def test_masks_are_bytes_and_the_mask_is_half_the_probability(self):
        model = DEFAULT_BOX.grid(CENTRE_MM)
        brain = (np.linalg.norm(points(model) - CENTRE_MM, axis=-1) < 60).astype(np.float32)
        p = (brain * np.clip((points(model)[..., 0]) / 50, 0, 1)).astype(np.float32)
        grid = oblique()
        result = to_scan_grid(Maps(brain, p, brain, brain), model, Scan(np.zeros(grid.shape), grid.affine))
        assert result.brain.voxels.dtype == result.anomaly_mask.voxels.dtype == np.uint8
        np.testing.assert_array_equal(result.anomaly_mask.voxels, result.anomaly.voxels > 0.5)
        assert not (result.anomaly_mask.voxels > result.brain.voxels).any()
        volume = result.brain.voxels.sum() * grid.voxel_volume_ml
        assert volume == pytest.approx(4 / 3 * np.pi * 6**3, rel=0.03)
        middle = apply_affine(grid.affine, np.argwhere(result.brain.voxels).mean(0))
        np.testing.assert_allclose(middle, CENTRE_MM, atol=0.3)

    def test_probabilities_stay_probabilities(self):
        model = DEFAULT_BOX.grid(CENTRE_MM)
        noisy = np.random.default_rng(0).random(DEFAULT_BOX.shape, np.float32)
        grid = oblique()
        result = to_scan_grid(
            Maps(noisy, noisy, 1 + 0 * noisy, noisy), model, Scan(np.zeros(grid.shape), grid.affine)
        )
        assert result.anomaly.voxels.min() >= 0
        assert result.anomaly.voxels.max() <= 1
        assert result.anatomy.voxels.min() >= 0  # a cubic spline overshoots

    def test_only_the_brain_s_part_is_looked_at(self):
        model = DEFAULT_BOX.grid(CENTRE_MM)
        brain = (np.linalg.norm(points(model) - CENTRE_MM, axis=-1) < 40).astype(np.float32)
        grid = oblique()
        result = to_scan_grid(
            Maps(brain, brain, brain, brain), model, Scan(np.zeros(grid.shape), grid.affine)
        )
        whole = resample(brain, model, grid)  # of every voxel of the scan
        np.testing.assert_allclose(result.uncertainty.voxels, whole * result.brain.voxels, atol=1e-5)
        np.testing.assert_array_equal(result.brain.voxels, whole > 0.5)

    def test_a_large_scan_is_thinned_once(self, phantom, monkeypatch):
        assert thinned(phantom, 9.0) is phantom  # few voxels
        monkeypatch.setattr(grids, "LARGE", 1000)
        assert thinned(phantom, 3.5) is phantom  # 3 mm are not much finer
        coarse = thinned(phantom, 6.0)
        np.testing.assert_allclose(coarse.grid.spacing_mm, 6)
        assert coarse.voxels.sum() * 8 == pytest.approx(phantom.voxels.sum(), rel=0.01)
        bone = phantom.with_voxels(np.where(phantom.voxels > 0.5, 3000.0, 0.0)).voxels
        ct = thinned(Scan(bone, phantom.affine, "CT"), 6.0)
        assert 70 < ct.voxels.max() <= 80.001

    def test_on_another_grid(self, phantom):
        fine = on_grid(phantom, covering(phantom.grid, 2.0))
        np.testing.assert_allclose(fine.grid.spacing_mm, 2)
        assert fine.voxels.sum() * 8 == pytest.approx(phantom.voxels.sum() * 27, rel=0.01)


class TestForeground:
    grid = Box((40, 40, 40), 2.0).grid()

    def ball(self, radius):
        return np.linalg.norm(points(self.grid), axis=-1) < radius

    def test_a_constant_background_is_outside_and_holes_are_not(self):
        head = self.ball(30)
        voxels = np.where(head & ~self.ball(8), 50.0, -7.0)
        voxels[20, 20, :20] = np.where(head[20, 20, :20], -7.0, voxels[20, 20, :20])  # a channel to the air
        inside = foreground_mask(Scan(voxels, self.grid.affine))
        assert inside[self.ball(24)].all()
        assert 0.999 * head.sum() < inside.sum() < 1.01 * head.sum()  # closing rounds the border

    def test_a_part_of_it_is_that_of_the_whole(self):
        scan = Scan(np.where(self.ball(30), 50.0, 0.0), np.diag([1.1, 1.0, 0.7, 1.0]))
        box = slice(3, 31), slice(0, 40), slice(7, 40)
        np.testing.assert_array_equal(foreground_mask(scan, box), foreground_mask(scan)[box])

    def test_it_reaches_the_edge_of_a_slab(self):
        voxels = self.ball(30)[:, :, 12:28].astype(np.uint8)
        np.testing.assert_array_equal(foreground_mask(Scan(voxels, self.grid.affine)), voxels > 0)

    def test_a_background_of_noise_draws_nothing(self):
        assert foreground_mask(Scan(np.random.default_rng(0).random((12, 12, 12)), self.grid.affine)).all()
        assert foreground_mask(Scan(np.zeros((12, 12, 12)), self.grid.affine)).all()

    @pytest.mark.parametrize("value", [0.0, -3.0, 90.0])
    def test_a_cavity_that_opens_to_the_outside_is_inside(self, value):
        head = self.ball(36)
        void = head & (np.linalg.norm(points(self.grid) - (28, 0, 0), axis=-1) < 12)
        inside = foreground_mask(Scan(np.where(head & ~void, 50.0, value), self.grid.affine))
        assert inside[void & self.ball(28)].all()
        assert not inside[~self.ball(37)].any()

    def test_the_results_end_there(self):
        head, larger = self.ball(26), self.ball(29).astype(np.float32)
        scan = Scan(head * np.float32(80), self.grid.affine)
        result = to_scan_grid(Maps(larger, larger, larger, larger), self.grid, scan)
        for image in vars(result).values():
            assert not np.asarray(image.voxels)[~head].any()
        assert np.asarray(result.brain.voxels)[head].all()


def test_thick_slices_are_told(phantom):
    assert coverage_warnings(phantom, 4.0) == ()
    thick = Scan(np.zeros((3, 3, 3)), np.diag([1, 1, 5.5, 1]))
    told = "between them the results are interpolated, and small lesions may be missed"
    assert coverage_warnings(thick, 2.0) == (f"slices of 5.5 mm: {told}",)
    assert coverage_warnings(thick, 5.0) == ()
    usual = Scan(np.zeros((3, 3, 3)), np.diag([1, 1, 3.0, 1]))  # of multiple sclerosis
    assert coverage_warnings(usual, 2.0) == (f"slices of 3.0 mm: {told}",)
