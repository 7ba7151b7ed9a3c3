import numpy as np
import pytest

from sanum.scan.conform import MODEL_SHAPE
from sanum.synth.average import average_anatomy


def test_the_middle_is_brain_in_every_pose_and_the_corners_in_none(anatomy):
    mean, share = average_anatomy([anatomy], seed=0, repeats=4)
    assert mean.shape == share.shape == MODEL_SHAPE
    middle = tuple(slice(n // 2 - 8, n // 2 + 8) for n in MODEL_SHAPE)
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


def test_needs_an_anatomy():
    with pytest.raises(ValueError, match="anatomy"):
        average_anatomy([], seed=0)
