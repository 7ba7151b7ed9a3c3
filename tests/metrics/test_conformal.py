import math

import numpy as np
import pytest

from sanum.metrics.conformal import conformal_threshold, fewest_normals


@pytest.mark.parametrize(("count", "alpha"), [(19, 0.05), (20, 0.05), (40, 0.1), (57, 0.2)])
@pytest.mark.parametrize("law", ["continuous", "ties"])
def test_at_most_alpha_of_new_normals_are_called(count, alpha, law):
    """Exchangeable scores: the rate over many draws is ≤ α, and near it without ties."""
    rng = np.random.default_rng([count, law == "ties"])
    called = []
    for _ in range(4000):
        scores = rng.gamma(2, size=count + 1)
        scores = np.floor(scores * 3) if law == "ties" else scores
        called.append(scores[-1] >= conformal_threshold(scores[:-1], alpha))
    rate, error = np.mean(called), 3 * math.sqrt(alpha / 4000)
    assert rate <= alpha + error
    if law == "continuous":
        assert rate >= alpha - 1 / (count + 1) - error


def test_too_few_normals_call_nothing():
    assert fewest_normals(0.05) == 19
    assert conformal_threshold(np.arange(18.0), 0.05) == math.inf
    t = conformal_threshold(np.arange(19.0), 0.05)
    assert 18 < t < 18.001


def test_a_threshold_is_just_above_its_score():
    scores = np.arange(99.0)
    t = conformal_threshold(scores, 0.1)  # k = 90
    assert not scores[89] >= t
    assert scores[90] >= t


@pytest.mark.parametrize("alpha", [0, 1, -0.1])
def test_alpha_is_a_probability(alpha):
    with pytest.raises(ValueError, match="between 0 and 1"):
        conformal_threshold([1.0], alpha)
    with pytest.raises(ValueError, match="no number"):
        conformal_threshold([math.nan], 0.1)
