"""A part that somebody has blanked is filled, and is an anomaly; what is dark by nature is not."""

import numpy as np
import pytest
from scipy import ndimage

from sanum.healthy.reconstruction import reconstruct
from sanum.healthy.void import NAME
from sanum.space.grid import apply_affine

pytestmark = pytest.mark.usefixtures("rough_mirror")


def blanked(scan, *balls, value=0.0):
    points = apply_affine(scan.affine, np.moveaxis(np.indices(scan.voxels.shape), 0, -1))
    there = np.any([np.linalg.norm(points - centre, axis=-1) < radius for centre, radius in balls], axis=0)
    return scan.with_voxels(np.where(there, np.float32(value), scan.voxels)), there


@pytest.fixture
def knowing(phantom, phantom_predictor_type):
    """A method that finds the phantom's brain whatever is missing of it, as a network does."""

    class Knowing(phantom_predictor_type):
        def __call__(self, pair, **how):
            maps = super().__call__(np.maximum(pair, pair[::-1]), **how)
            return type(maps)(np.minimum(pair[0], 1), maps.anomaly, maps.brain, maps.uncertainty)

    return Knowing()


WHOLE = []
"""What the phantom gives with nothing missing: computed once."""


@pytest.mark.parametrize(
    ("centre", "radius"), [((-20, -10, 10), 15), ((-45, -10, 20), 25), ((30, 50, 20), 25), ((45, -40, 0), 20)]
)
def test_a_void_inside_or_at_the_border_is_filled(phantom, knowing, centre, radius):
    if not WHOLE:
        WHOLE.append(reconstruct(phantom, predictor=knowing))
    [whole] = WHOLE
    scan, ball = blanked(phantom, (centre, radius))
    void = ball & (whole.brain.voxels > 0)
    result = reconstruct(scan, predictor=knowing)
    assert (result.brain.voxels[void] > 0).mean() > 0.97
    assert (result.anomaly_mask.voxels[void] > 0).mean() > 0.9
    assert np.abs(result.anatomy.voxels - whole.anatomy.voxels)[void].mean() < 0.12
    assert (result.anatomy.voxels[void] > 0.1).mean() > 0.97
    assert result.provenance["mask"] == NAME
    (warning,) = result.warnings
    assert "taken for a void" in warning


def test_a_void_that_the_network_leaves_out_of_the_brain_is_filled_whole(phantom, phantom_predictor_type):
    class Shy(phantom_predictor_type):
        """A method whose brain reaches a little into what is missing."""

        def __call__(self, pair, **how):
            shown, whole = (super(Shy, self).__call__(x, **how) for x in (pair, np.maximum(pair, pair[::-1])))
            brain = ndimage.binary_dilation(shown.brain > 0.5, iterations=2) * whole.brain
            return type(whole)(np.minimum(pair[0], 1), whole.anomaly, brain, whole.uncertainty)

    whole = reconstruct(phantom, predictor=Shy())
    scan, ball = blanked(phantom, ((-40, -10, 10), 30))
    void = ball & (whole.brain.voxels > 0)
    result = reconstruct(scan, predictor=Shy())
    assert (result.anomaly_mask.voxels[void] > 0).mean() > 0.97
    assert (result.anatomy.voxels[void] > 0.1).mean() > 0.97


def test_the_background_may_have_any_value(phantom, knowing):
    scan, ball = blanked(phantom, ((-20, -10, 10), 15))
    shifted = scan.with_voxels(np.where(scan.voxels == 0, -1000, scan.voxels * 100).astype(np.float32))
    result = reconstruct(shifted, predictor=knowing)
    assert (result.anomaly_mask.voxels[ball] > 0).mean() > 0.9


def test_what_both_sides_have_is_no_void(phantom, knowing):
    for balls in ([], [((-8, -10, 10), 12), ((20, -10, 10), 12)]):
        scan, _ = blanked(phantom, *balls)
        result = reconstruct(scan, predictor=knowing)
        assert "mask" not in result.provenance
        assert result.warnings == ()


def test_dark_is_not_blank(phantom, knowing):
    scan, _ = blanked(phantom, ((-20, -10, 10), 15), value=0.01)
    assert "mask" not in reconstruct(scan, predictor=knowing).provenance
