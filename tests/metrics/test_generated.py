"""FID of Gaussians whose moments are known, and KID by a sum written out."""

import doctest

import numpy as np
import pytest
from scipy.linalg import sqrtm

from sanum.metrics import generated
from sanum.metrics.generated import frechet_distance, kernel_distance

RNG = np.random.default_rng(0)


def rows(count, mean, root):
    """Rows of exactly this mean and of the covariance root rootᵀ."""
    white = RNG.normal(size=(count, len(root)))
    white -= white.mean(0)
    white = white @ np.linalg.inv(np.linalg.cholesky(np.cov(white.T))).T
    return mean + white @ root.T


def test_fid_is_the_distance_of_the_gaussians():
    one, other = RNG.normal(size=(2, 4, 4))
    shift = RNG.normal(size=4)
    s, t = one @ one.T, other @ other.T
    expected = shift @ shift + np.trace(s + t - 2 * sqrtm(s @ t).real)
    assert frechet_distance(rows(30, np.zeros(4), one), rows(50, shift, other)) == pytest.approx(expected)
    # along axes: (σ − τ)²
    sides = np.diag([1.0, 2.0]), np.diag([3.0, 0.5])
    assert frechet_distance(*(rows(9, np.ones(2), root) for root in sides)) == pytest.approx(4 + 2.25)


def test_fid_of_fewer_images_than_features():
    one, other = RNG.normal(size=(5, 40)), RNG.normal(1, 2, size=(7, 40))
    s, t = np.cov(one.T), np.cov(other.T)
    root = np.sqrt(np.clip(np.linalg.eigvals(s @ t).real, 0, None)).sum()
    expected = np.square(one.mean(0) - other.mean(0)).sum() + np.trace(s) + np.trace(t) - 2 * root
    assert frechet_distance(one, other) == pytest.approx(expected, rel=1e-5)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-9)


def test_kid_is_the_sum_over_pairs():
    x, y = RNG.normal(size=(4, 6)), RNG.normal(0.5, 1, size=(5, 6))

    def k(a, b):
        return (a @ b / 6 + 1) ** 3

    within = [np.mean([k(a, b) for n, a in enumerate(z) for m, b in enumerate(z) if n != m]) for z in (x, y)]
    between = np.mean([k(a, b) for a in x for b in y])
    assert kernel_distance(x, y) == pytest.approx(sum(within) - 2 * between)


def test_kid_has_no_bias_and_fid_has():
    """Of halves of one distribution, a few images each."""
    pairs = [RNG.normal(size=(2, 5, 8)) for _ in range(400)]
    kids = np.array([kernel_distance(*pair) for pair in pairs])
    assert abs(kids.mean()) < 4 * kids.std() / np.sqrt(len(kids))
    assert np.mean([frechet_distance(*pair) for pair in pairs]) > 3


def test_too_few_images_are_refused():
    with pytest.raises(ValueError, match="at least two images"):
        frechet_distance(np.zeros((1, 3)), np.zeros((4, 3)))


def test_the_examples_hold():
    assert doctest.testmod(generated).failed == 0
