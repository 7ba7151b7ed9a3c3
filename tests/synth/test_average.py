import numpy as np
import pytest

from sanum.space.grid import apply_affine
from sanum.synth.anatomy import ATLAS_GRID
from sanum.synth.average import atlas, average_anatomy
from sanum.synth.box import DEFAULT_BOX


@pytest.mark.full
def test_the_middle_is_brain_in_every_pose_and_the_corners_in_none(anatomy):
    mean, share = average_anatomy([anatomy], seed=0, repeats=4)
    assert mean.shape == share.shape == DEFAULT_BOX.shape
    middle = tuple(slice(n // 2 - 8, n // 2 + 8) for n in DEFAULT_BOX.shape)
    assert share[middle].min() == 1
    assert share[:4, :4].max() == 0
    assert set(np.unique(share)) <= {0, 0.25, 0.5, 0.75, 1}
    assert (mean[share == 0] == 0).all()
    assert 0.2 < mean[middle].min() < mean[middle].max() <= 1.05


def test_the_seed_decides(anatomy):
    def draw(seed):
        return average_anatomy([anatomy], seed=seed, repeats=1)

    assert np.array_equal(draw(1), draw(1))
    assert not np.array_equal(draw(1), draw(2))


def test_the_atlas_of_one_anatomy_is_that_anatomy_in_mni_space(anatomy):
    mean, share = atlas([anatomy])
    assert mean.shape == DEFAULT_BOX.shape
    np.testing.assert_array_equal(share, share[::-1])  # left and right alike
    np.testing.assert_array_equal(mean, mean[::-1])
    white = tuple(np.round(apply_affine(np.linalg.inv(ATLAS_GRID.affine), (0, -10, 44))).astype(int))
    assert share[white] == 1
    assert mean[white] == pytest.approx(1, abs=0.05)  # 40 mm above the head's middle, within white matter
    assert share[0, 0, 0] == 0


def test_needs_an_anatomy():
    with pytest.raises(ValueError, match="anatomy"):
        average_anatomy([], seed=0)
    with pytest.raises(ValueError, match="anatomy"):
        atlas([])
