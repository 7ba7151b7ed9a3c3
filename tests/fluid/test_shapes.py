import numpy as np
import pytest

from sanum.fluid import noise_shape
from sanum.fluid.shapes import soften

DOMAIN = np.ones((20, 22, 18), bool)
DOMAIN[:4] = False


def shape(percentile=90.0, softness=0.7, seed=0):
    return noise_shape(
        DOMAIN,
        rng=np.random.default_rng(seed),
        percentile=percentile,
        periods=(3, 3, 3),
        softness_vox=softness,
    )


def test_between_0_and_1_inside_the_domain():
    p0 = shape()
    assert p0.min() == 0
    assert p0.max() == 1
    assert (p0[~DOMAIN] == 0).all()


@pytest.mark.parametrize("percentile", [50.0, 90.0, 99.0])
def test_percentile_is_the_share_left_out(percentile):
    p0 = shape(percentile, softness=0.0)
    assert set(np.unique(p0)) == {0.0, 1.0}
    assert p0.sum() / DOMAIN.sum() == pytest.approx(1 - percentile / 100, abs=2e-3)


def test_seed_decides():
    assert np.array_equal(shape(seed=1), shape(seed=1))
    assert not np.array_equal(shape(seed=1), shape(seed=2))


def test_soften_an_empty_mask_is_empty():
    assert not soften(np.zeros(DOMAIN.shape, bool), DOMAIN, 1.0).any()


def test_soften_leaves_a_border_between_0_and_1():
    mask = np.zeros(DOMAIN.shape, bool)
    mask[8:14, 8:14, 6:12] = True
    soft = soften(mask, DOMAIN, 1.0)
    assert soft.max() == 1
    assert ((soft > 0) & (soft < 1)).any()
    assert not soften(mask, ~mask, 0.0).any()


def test_bad_input():
    with pytest.raises(ValueError, match="domain"):
        noise_shape(np.zeros((4, 4, 4), bool), rng=np.random.default_rng(0), percentile=90, periods=(1, 1, 1))
    for q in (0, 100, -3):
        with pytest.raises(ValueError, match="percentile"):
            shape(q)
