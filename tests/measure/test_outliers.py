import doctest

import numpy as np

from sanum.measure import outliers
from sanum.measure.outliers import FEWEST, LIMIT, robust_z


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


def test_what_cannot_be_judged_is_nan():
    assert np.isnan(robust_z([1, 2, 3, 99][: FEWEST - 1])).all()
    assert np.isnan(robust_z([1, 1, 1, 1, 9, 10])).all()
    z = robust_z([1, 2, np.nan, 3, 4, 5])
    assert np.isnan(z).tolist() == [False, False, True, False, False, False]
