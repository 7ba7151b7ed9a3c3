"""Where the brain ends in a scan that somebody has stripped or masked."""

import numpy as np
from scipy import ndimage

from sanum.healthy.reconstruction import foreground_mask, postprocess, to_scan_grid, with_stripped_border
from sanum.methods.common.anatomy import Maps
from sanum.scan import Scan
from sanum.scan.conform import Conformed
from sanum.space.box import Box
from sanum.space.grid import apply_affine


class TestStrippedBorder:
    grid = Box((40, 40, 40), 2.0).grid()

    def ball(self, radius):
        return (
            np.linalg.norm(
                apply_affine(self.grid.affine, np.argwhere(np.ones(self.grid.shape))), axis=-1
            ).reshape(self.grid.shape)
            < radius
        )

    def test_a_stripped_scan_says_where_its_brain_ends(self):
        found, shown = self.ball(24), self.ball(28)
        brain = with_stripped_border(found, shown.astype(np.float32))
        np.testing.assert_array_equal(brain, ndimage.binary_opening(shown))
        maps = Maps(
            *(np.ones(self.grid.shape, np.float32) for _ in range(2)), found.astype(np.float32), shown * 0.1
        )
        seen = Conformed(shown.astype(np.float32), np.ones(self.grid.shape, bool), self.grid)
        assert (postprocess(maps, seen)[0].t1w[brain] == 1).all()

    def test_what_was_found_stays(self):
        found, shown = self.ball(28), self.ball(24)
        np.testing.assert_array_equal(with_stripped_border(found, shown.astype(np.float32)), found)

    def test_with_a_skull_nothing_changes(self):
        found, head = self.ball(24), self.ball(34)
        np.testing.assert_array_equal(with_stripped_border(found, head.astype(np.float32)), found)

    def test_specks_of_noise_make_no_head(self):
        found, shown = self.ball(24), self.ball(27).astype(np.float32)
        shown[np.random.default_rng(0).random(shown.shape) < 0.02] = 0.1
        assert with_stripped_border(found, shown).sum() > 1.2 * found.sum()


class TestDrawnInside:
    grid = Box((40, 40, 40), 2.0).grid()

    def ball(self, radius):
        return TestStrippedBorder.ball(self, radius)

    def test_a_constant_background_is_outside_and_holes_are_not(self):
        head = self.ball(30)
        voxels = np.where(head & ~self.ball(8), 50.0, -7.0)
        voxels[20, 20, :20] = np.where(head[20, 20, :20], -7.0, voxels[20, 20, :20])  # a channel to the air
        inside = foreground_mask(voxels)
        assert inside[self.ball(24)].all()
        assert 0.999 * head.sum() < inside.sum() < 1.01 * head.sum()  # closing rounds the border

    def test_it_reaches_the_edge_of_a_slab(self):
        voxels = self.ball(30)[:, :, 12:28].astype(np.uint8)
        np.testing.assert_array_equal(foreground_mask(voxels), voxels > 0)

    def test_a_background_of_noise_draws_nothing(self):
        assert foreground_mask(np.random.default_rng(0).random((12, 12, 12))).all()
        assert foreground_mask(np.zeros((12, 12, 12))).all()

    def test_the_results_end_there(self):
        head, larger = self.ball(26), self.ball(29).astype(np.float32)
        scan = Scan(head * np.float32(80), self.grid.affine)
        result = to_scan_grid(Maps(larger, larger, larger, larger), self.grid, scan)
        for image in result.images.values():
            assert not np.asarray(image.voxels)[~head].any()
        assert np.asarray(result.brain.voxels)[head].all()
