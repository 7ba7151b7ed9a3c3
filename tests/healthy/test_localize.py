import numpy as np
import pytest

from sanum.healthy.localize import find_brain, head_centres, pair_with_mirror, require_symmetry
from sanum.methods.common.anatomy import Maps
from sanum.scan import Scan, ScanError
from sanum.scan.conform import conform
from sanum.space.box import Box
from sanum.space.components import largest_component
from sanum.space.grid import apply_affine
from sanum.space.mirror import mirror, reflection
from sanum.synth.box import DEFAULT_BOX

CENTRE_MM = np.array([6.0, -10.0, 4.0])  # of the phantom of conftest.py


def points(grid):
    return apply_affine(grid.affine, np.moveaxis(np.indices(grid.shape), 0, -1))


class TestFinding:
    def test_one_of_the_guesses_is_near(self, phantom):
        guesses = head_centres(phantom)
        assert len(guesses) == 3
        assert min(np.linalg.norm(g - CENTRE_MM) for g in guesses) < 12

    def test_a_head_with_neck_and_shoulders(self):
        grid = Box((60, 60, 110), 4.0).grid((0, 0, -120))
        x = points(grid)
        head = ((x / (75, 90, 85)) ** 2).sum(-1) < 1
        neck = (np.hypot(x[..., 0], x[..., 1]) < 55) & (x[..., 2] < 0) & (x[..., 2] > -200)
        shoulders = (x[..., 2] < -180) & (np.abs(x[..., 1]) < 60)
        scan = Scan((head | neck | shoulders).astype(np.float32), grid.affine)
        assert np.linalg.norm(head_centres(scan)[0]) < 25

    def test_bright_bone_is_not_the_guide_in_ct(self, phantom):
        hu = np.where(phantom.voxels > 0, 35, -1000).astype(np.float32)
        hu[:, :, :2] = 3000  # the table
        scan = Scan(hu, phantom.affine, "CT")
        assert min(np.linalg.norm(g - CENTRE_MM) for g in head_centres(scan)) < 30

    def test_a_wrong_unit_does_not_fill_the_memory(self):
        grid = Box((400, 400, 4), 20.0).grid()  # 8 m wide
        scan = Scan(np.random.default_rng(0).random(grid.shape, np.float32), grid.affine)
        assert len(head_centres(scan)) == 3

    def test_the_brain_is_found_from_any_guess(self, phantom, phantom_predictor):
        assert np.linalg.norm(find_brain(phantom, phantom_predictor) - CENTRE_MM) < 3

    def test_it_takes_four_quick_passes_at_most(self, phantom, phantom_predictor_2mm):
        class Doubtful:
            """Finds a part of a brain wherever it looks, so that no guess is good enough to be the last."""

            box, passes = phantom_predictor_2mm.box, 0

            def __call__(self, pair, *, quick, contrast="unknown"):
                assert quick
                self.passes += 1
                maps = phantom_predictor_2mm(pair)
                x = np.arange(pair.shape[1])[:, None, None] / pair.shape[1]
                return Maps(maps.t1w, maps.anomaly, maps.brain * (x < 0.6), maps.uncertainty)

        doubtful = Doubtful()
        find_brain(phantom, doubtful)
        assert doubtful.passes == 4

    def test_no_brain(self, phantom, phantom_predictor):
        grid = phantom.grid
        ball = (np.linalg.norm(points(grid) - CENTRE_MM, axis=-1) < 30).astype(np.float32)
        with pytest.raises(ScanError, match=r"no brain found in this scan: .* found 1\d\d mL .*; check that"):
            find_brain(Scan(ball, grid.affine), phantom_predictor)

    def test_what_a_network_imagines_in_the_dark_does_not_count(self, phantom):
        class Dreamer:
            weights_name, weights_sha256, device = "dream", "0", "cpu"
            box = DEFAULT_BOX

            def __call__(self, pair, *, quick=False, contrast="unknown"):
                yes = np.ones(pair.shape[1:], np.float32)
                return Maps(yes, 0 * yes, yes, yes)

        ball = (np.linalg.norm(points(phantom.grid) - CENTRE_MM, axis=-1) < 25).astype(np.float32)
        with pytest.raises(ScanError, match="no brain found"):
            find_brain(Scan(ball, phantom.affine), Dreamer())

    def test_noise_is_not_like_its_mirror_image(self, phantom):
        across = reflection((1, 0, 0), CENTRE_MM)
        noise = phantom.with_voxels(np.random.default_rng(0).random(phantom.voxels.shape, np.float32))
        with pytest.raises(ScanError, match="no head found in this scan: its sides correlate by"):
            self.require_symmetry(noise, across)
        self.require_symmetry(phantom, across)

    def require_symmetry(self, scan, across):
        conformed = conform(scan, CENTRE_MM, DEFAULT_BOX)
        require_symmetry(scan, conformed, pair_with_mirror(conformed, across), across)


def test_the_pair_is_the_scan_and_its_mirror_image(phantom):
    seen = conform(phantom, CENTRE_MM, DEFAULT_BOX)
    across = reflection((1, 0, 0), CENTRE_MM)
    pair = pair_with_mirror(seen, across)
    assert pair.shape == (2, *DEFAULT_BOX.shape)
    np.testing.assert_array_equal(pair[0], seen.image)
    np.testing.assert_allclose(pair[1], seen.image[::-1], atol=1e-4)  # the box is centred on the plane
    np.testing.assert_allclose(mirror(pair[1], seen.grid, across), pair[0], atol=1e-4)


def test_largest_component():
    mask = np.zeros((6, 6, 6), bool)
    mask[0, 0, 0] = mask[3:5, 3:5, 3:5] = True
    part = largest_component(mask)
    assert part.sum() == 8
    assert part[3, 3, 3]
    assert not largest_component(np.zeros((2, 2, 2), bool)).any()
