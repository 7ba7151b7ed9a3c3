import numpy as np
import pytest

from sanum.metrics.conformal import conformal_threshold
from sanum.metrics.group_rates import (
    called,
    called_by_group,
    conformal_thresholds,
    draw_halves,
    recall_at_rate,
    resampled_rates,
)


def test_thresholds_are_those_of_split_conformal_prediction():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=60).round(1)
    counts = rng.integers(0, 3, (20, 60))
    counts[0] = 0
    found = conformal_thresholds(scores, counts, 0.1)
    assert found.tolist() == [conformal_threshold(np.repeat(scores, row), 0.1) for row in counts]
    assert found[0] == np.inf


def test_coverage_holds_on_exchangeable_scores():
    """In 1,000 repeats; k = ⌈(n + 1)(1 − α)⌉ of n = 50, so 1 − k/51 = 3.9 % is expected."""
    rng = np.random.default_rng(1)
    rates = []
    for _ in range(1000):
        scores = rng.standard_t(3, 100)
        halves = draw_halves(np.ones(100, bool), 1, rng)
        rates.append(np.nanmean(called(scores, halves, 0.05).rates))
    mean, error = np.mean(rates), np.std(rates) / np.sqrt(1000)
    assert mean < 0.05
    assert abs(mean - (1 - np.ceil(51 * 0.95) / 51)) < 4 * error


def test_a_person_is_not_called_by_their_own_threshold():
    scores = np.array([0.0, 1.0, 2.0, 3.0, 9.0])
    halves = np.array([[True, True, False, False, False], [False, False, True, True, False]])
    twins = np.array([0, 1, 2, 3, 3])  # the last is the fourth person's anomaly
    found = called(scores, halves, 0.4, twins)
    assert found.thresholds == pytest.approx([1, 3])
    assert found.rates.tolist() == [0, 0, 1, 1, 1]
    assert called(scores, halves[1:], 0.4, twins).rates[-1:] == pytest.approx(np.nan, nan_ok=True)


def test_a_threshold_for_each_group_evens_out_a_shift():
    rng = np.random.default_rng(2)
    groups = np.repeat([0, 1], 400)
    scores = rng.normal(size=800) + 1.5 * groups
    halves = draw_halves(groups == 0, 50, rng) | draw_halves(groups == 1, 50, rng)
    together = called(scores, halves, 0.05).rates
    apart = called_by_group(scores, halves, groups, 0.05)
    assert together[groups == 1].mean() - together[groups == 0].mean() > 0.05
    assert np.abs([apart.rates[groups == g].mean() - 0.05 for g in (0, 1)]).max() < 0.02
    assert np.diff(np.median(apart.thresholds, 0))[0] == pytest.approx(1.5, abs=0.5)


def test_the_bootstrap_is_around_what_was_measured_and_as_wide_as_new_samples():
    rng = np.random.default_rng(3)
    pool = np.ones(200, bool)
    new = []
    for _ in range(200):
        new.append(np.nanmean(called(rng.normal(size=200), draw_halves(pool, 20, rng), 0.1).rates[:60]))
    scores = rng.normal(size=200)
    weights = rng.multinomial(200, np.full(200, 1 / 200), 400).astype(float)
    sets = np.stack([np.arange(200) < 60])
    drawn = resampled_rates(scores, weights, pool, sets, 0.1, np.arange(200))[:, 0]
    point = np.nanmean(called(scores, draw_halves(pool, 200, rng), 0.1).rates[:60])
    assert np.median(drawn) == pytest.approx(point, abs=0.02)
    assert drawn.std() == pytest.approx(np.std(new), rel=0.5)


def test_recall_at_a_rate_of_its_own_normals():
    normals = np.arange(100.0)
    assert recall_at_rate(normals, np.array([94.0, 95.0, 200.0]), 0.05) == pytest.approx(2 / 3)
    assert np.isnan(recall_at_rate(normals, normals[:0], 0.05))
