import doctest

import numpy as np
import pytest

from sanum.metrics import calibration
from sanum.metrics.calibration import coverage, expected_calibration_error


def test_calibration_error_by_hand():
    p = np.array([0.05, 0.05, 0.95, 0.95, 1.0])
    truth = np.array([0, 0, 1, 0, 1], bool)
    # lowest bin: told 0.1, true 0; highest: told 2.9, true 2
    assert expected_calibration_error(p, truth) == pytest.approx((0.1 + 0.9) / 5)
    assert np.isnan(expected_calibration_error(p[:0], truth[:0]))


def test_what_means_what_it_says_has_no_calibration_error():
    rng = np.random.default_rng(0)
    p = rng.random(200_000)
    assert expected_calibration_error(p, rng.random(p.size) < p) < 0.005


def test_a_laplace_law_is_covered_as_it_says():
    rng = np.random.default_rng(1)
    scale = rng.uniform(0.02, 0.2, 200_000)
    np.testing.assert_allclose(
        coverage(rng.laplace(0, scale), scale, (0.5, 0.8, 0.95)), [0.5, 0.8, 0.95], atol=4e-3
    )
    assert coverage(rng.laplace(0, 2 * scale), scale, (0.8,))[0] < 0.7
    assert np.isnan(coverage(scale[:0], scale[:0], (0.5,))).all()


def test_examples():
    assert doctest.testmod(calibration, extraglobs={"np": np}).failed == 0
