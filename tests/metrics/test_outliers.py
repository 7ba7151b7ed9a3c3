import doctest

import numpy as np
import pytest

from sanum.metrics import outliers
from sanum.metrics.outliers import FEWEST, LIMIT, robust_z


def test_examples():
    assert doctest.testmod(outliers).failed == 0


def test_a_normal_sample_has_unit_spread_whatever_its_scale():
    x = np.random.default_rng(0).normal(size=20_001)
    np.testing.assert_allclose(robust_z(5 + 3 * x), robust_z(x), rtol=1e-9, atol=1e-9)
    assert abs(robust_z(x).std() - 1) < 0.02


def test_outliers_do_not_hide_each_other():
    """With mean and standard deviation none of the three is beyond 3."""
    x = [*np.linspace(0, 1, 17), 40, 41, 42]
    assert (np.abs(robust_z(x)) > LIMIT).tolist() == [False] * 17 + [True] * 3
    assert (np.abs((x - np.mean(x)) / np.std(x)) < 3).all()


def test_one_among_equals_stands_apart():
    """The median of |x - median| is 0, as of the anomalies of a mostly healthy cohort."""
    assert (np.abs(robust_z([0] * 6 + [180])) > LIMIT).tolist() == [False] * 6 + [True]
    assert (np.abs(robust_z([7] * 60 + [5] * 20 + [9] * 20)) < LIMIT).all()
    assert robust_z([3] * 9).tolist() == [0] * 9


def test_the_mean_deviation_too_has_unit_spread():
    """More than half of a normal sample set to its median: its other values keep their order of z."""
    x = np.random.default_rng(1).normal(size=20_001)
    away = x - np.median(x)
    expected = away / (1.253314 * np.abs(away).mean())
    assert abs(expected.std() - 1) < 0.02
    tied = np.where(np.arange(x.size) % 5 < 3, 0, x)
    z = robust_z(tied)
    np.testing.assert_allclose(z, tied / (1.253314 * np.abs(tied).mean()))


@pytest.mark.parametrize("rest", [[0.0] * 20, [0.0, 0.01] * 10], ids=["ties", "no ties"])
def test_a_trifle_does_not(rest):
    assert abs(robust_z([*rest, 0.1])[-1]) > LIMIT
    assert np.nanmax(np.abs(robust_z([*rest, 0.1], smallest=0.2))) < LIMIT
    assert robust_z([*rest, 0.75], smallest=0.2)[-1] > LIMIT


def test_what_cannot_be_judged_is_nan():
    assert np.isnan(robust_z([1, 2, 3, 99][: FEWEST - 1])).all()
    z = robust_z([1, 2, np.nan, 3, 4, 5])
    assert np.isnan(z).tolist() == [False, False, True, False, False, False]
