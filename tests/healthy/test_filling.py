"""What the network sees where it must not look."""

import numpy as np
import pytest
from scipy import ndimage

from sanum.healthy.filling import interpolated, joined, mirrored, on_model
from sanum.scan import Scan
from sanum.scan.conform import Conformed
from sanum.space.box import Box
from sanum.space.mirror import reflection

from .heads import points

GRID = Box((48, 56, 44), 3.0).grid()
WHERE = points(GRID)
BRAIN = np.linalg.norm(WHERE / (60, 72, 55), axis=-1) < 1
HOLE = np.linalg.norm(WHERE - (30, 10, 5), axis=-1) < 15
# alike on both sides
TRUTH = (np.where(np.sin(WHERE[..., 1] / 8) + np.cos(WHERE[..., 0] / 9) > 0, 0.9, 0.6) * BRAIN).astype(
    np.float32
)
SHADING = np.exp(0.2 * WHERE[..., 0] / 60).astype(np.float32)
MASK = Scan(HOLE, GRID.affine)


class TestInterpolated:
    @pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.5, 2.0, 5.0)])
    def test_a_ramp_is_found_again(self, spacing):
        ramp = (np.moveaxis(np.indices((24, 20, 18)), 0, -1) * spacing @ (0.3, -0.2, 0.1)).astype(np.float32)
        hole = np.zeros(ramp.shape, bool)
        hole[4:15, 5:12, 3:14] = True
        hole[18, 3, 2] = True
        got = interpolated(np.where(hole, 1e6, ramp).astype(np.float32), hole, np.array(spacing))
        np.testing.assert_allclose(got, ramp, atol=0.01)

    def test_it_is_within_what_is_around_up_to_the_edge(self):
        image = np.random.default_rng(0).random((12, 14, 10)).astype(np.float32)
        hole = np.zeros(image.shape, bool)
        hole[6:, :5, 3:] = True
        got = interpolated(image, hole, np.ones(3))
        around = image[ndimage.binary_dilation(hole) & ~hole]
        assert around.min() <= got[hole].min() <= got[hole].max() <= around.max()
        np.testing.assert_array_equal(got[~hole], image[~hole])

    def test_without_a_hole_and_with_nothing_else(self):
        image = np.ones((4, 5, 6), np.float32)
        for hole in (np.zeros(image.shape, bool), np.ones(image.shape, bool)):
            np.testing.assert_array_equal(interpolated(image, hole, np.ones(3)), image)


def conformed(image):
    return Conformed(image.astype(np.float32), np.ones(GRID.shape, bool), GRID)


class TestFilling:
    def test_the_mirror_image_without_a_step(self):
        image = TRUTH * SHADING
        hidden = interpolated(image.astype(np.float32), HOLE, GRID.spacing_mm)
        across = reflection((1, 0, 0), (0, 0, 0))
        got = mirrored(conformed(hidden), across, MASK).image
        assert np.abs(got - image)[HOLE].mean() < 0.25 * np.abs(hidden - image)[HOLE].mean()
        np.testing.assert_array_equal(got[~HOLE], hidden[~HOLE])

    def test_where_the_mirror_image_is_hidden_too_nothing_is_taken_from_it(self):
        both = Scan(HOLE | HOLE[::-1], GRID.affine)
        hidden = interpolated(TRUTH, np.asarray(both.voxels), GRID.spacing_mm)
        got = mirrored(conformed(hidden), reflection((1, 0, 0), (0, 0, 0)), both).image
        assert np.abs(got - hidden)[both.voxels].mean() < 0.005

    def test_what_is_joined_has_no_step(self):
        image = np.full(GRID.shape, 0.7, np.float32)
        np.testing.assert_allclose(joined(image, image - 0.4, HOLE, GRID.spacing_mm), 0.7, atol=1e-3)

    def test_every_voxel_that_a_fine_mask_touches_is_hidden(self):
        fine = Box((144, 168, 132), 1.0).grid()
        mask = np.zeros(fine.shape, bool)
        mask[70:76, 80:86, 60:66] = True
        there = on_model(Scan(mask, fine.affine), conformed(TRUTH))
        inside = np.abs(points(GRID) - points(fine)[mask].mean(0)).max(axis=-1) < 3
        assert there[inside].all()
        assert there.sum() < 150
