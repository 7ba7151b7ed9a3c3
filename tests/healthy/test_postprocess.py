"""One brain without holes, and nothing outside of it."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from sanum.healthy.postprocess import postprocess, with_stripped_border
from sanum.methods.common.anatomy import Maps
from sanum.scan.conform import Conformed
from sanum.space.box import Box

from .heads import points


class TestPostprocess:
    grid = Box((40, 40, 40), 2.0).grid()

    def maps(self, brain, **changes):
        one = np.ones(brain.shape, np.float32)
        maps = Maps(one, 0.7 * one, brain.astype(np.float32), 0.1 * one)
        return replace(maps, **changes)

    def conformed(self, covered=None):
        covered = np.ones(self.grid.shape, bool) if covered is None else covered
        return Conformed(covered.astype(np.float32), covered, self.grid)

    def ball(self, radius=26):
        return np.linalg.norm(points(self.grid), axis=-1) < radius

    def test_one_brain_without_holes(self):
        brain = self.ball()
        torn = brain.copy()
        torn[18:22, 18:22, 18:22] = False
        torn[1, 1, 1] = True
        maps = postprocess(self.maps(torn), self.conformed())
        np.testing.assert_array_equal(maps.brain, brain)
        assert maps.warnings == ()

    def test_nothing_outside_of_the_brain(self):
        maps = postprocess(self.maps(self.ball()), self.conformed())
        for name in ("anomaly", "uncertainty"):
            assert not getattr(maps, name)[~self.ball()].any()
        assert not maps.t1w[~self.ball(32)].any()  # its edge is soft
        assert maps.t1w[self.ball(20)] == pytest.approx(1, abs=1e-3)

    def test_nothing_where_the_scan_has_no_voxels(self):
        covered = np.ones(self.grid.shape, bool)
        covered[:, :, 20:] = False
        maps = postprocess(self.maps(self.ball()), self.conformed(covered))
        for name in ("t1w", "anomaly", "brain", "uncertainty"):
            assert not getattr(maps, name)[:, :, 20:].any()
            assert getattr(maps, name)[:, :, :20].any()

    def test_negative_intensities_go(self):
        maps = postprocess(
            self.maps(self.ball(), t1w=np.full(self.grid.shape, -1, np.float32)), self.conformed()
        )
        assert not maps.t1w.any()

    def test_what_fills_an_anomaly_is_no_whiter_than_healthy_tissue(self):
        brain, sick = self.ball(), self.ball(8)
        t1w = np.where(sick, 1.6, 0.6 + 0.4 * (points(self.grid)[..., 0] > 0)).astype(np.float32)
        sure = postprocess(self.maps(brain, t1w=t1w, anomaly=sick.astype(np.float32)), self.conformed())
        np.testing.assert_allclose(sure.t1w[sick], 1.0, atol=1e-5)
        np.testing.assert_array_equal(sure.t1w[brain & ~sick], t1w[brain & ~sick])
        unsure = postprocess(self.maps(brain, t1w=t1w, anomaly=np.float32(0.6) * sick), self.conformed())
        np.testing.assert_allclose(unsure.t1w[sick], 1.2, atol=1e-5)  # half of .4 is left to it

    def test_a_brain_at_the_edge_of_the_box_is_told(self):
        warnings = postprocess(self.maps(np.ones(self.grid.shape, bool)), self.conformed()).warnings
        assert len(warnings) == 1
        assert "edge of the model's box" in warnings[0]

    def test_a_high_uncertainty_is_told(self):
        high = np.full(self.grid.shape, 0.3, np.float32)
        warnings = postprocess(self.maps(self.ball(), uncertainty=high), self.conformed()).warnings
        assert len(warnings) == 1
        assert "the uncertainty is high (mean 0.30" in warnings[0]

    def test_no_brain_is_no_crash(self):
        maps = postprocess(self.maps(np.zeros(self.grid.shape, bool)), self.conformed())
        assert not maps.brain.any()
        assert maps.warnings == ()


class TestStrippedBorder:
    grid = Box((40, 40, 40), 2.0).grid()

    def ball(self, radius):
        return np.linalg.norm(points(self.grid), axis=-1) < radius

    def test_a_stripped_scan_says_where_its_brain_ends(self):
        found, foreground = self.ball(24), self.ball(28)
        brain = with_stripped_border(found, foreground.astype(np.float32), 2.0)
        np.testing.assert_array_equal(brain, ndimage.binary_opening(foreground))
        maps = Maps(
            *(np.ones(self.grid.shape, np.float32) for _ in range(2)),
            found.astype(np.float32),
            foreground * 0.1,
        )
        conformed = Conformed(foreground.astype(np.float32), np.ones(self.grid.shape, bool), self.grid)
        assert (postprocess(maps, conformed).t1w[brain] == 1).all()

    def test_what_was_found_stays(self):
        found, foreground = self.ball(28), self.ball(24)
        np.testing.assert_array_equal(with_stripped_border(found, foreground.astype(np.float32), 2.0), found)

    def test_with_a_skull_nothing_changes(self):
        found, head = self.ball(24), self.ball(34)
        np.testing.assert_array_equal(with_stripped_border(found, head.astype(np.float32), 2.0), found)

    def test_specks_of_noise_make_no_head(self):
        found, foreground = self.ball(24), self.ball(27).astype(np.float32)
        foreground[np.random.default_rng(0).random(foreground.shape) < 0.02] = 0.1
        assert with_stripped_border(found, foreground, 2.0).sum() > 1.2 * found.sum()
