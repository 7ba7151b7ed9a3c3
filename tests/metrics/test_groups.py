import numpy as np
import pytest
from scipy import stats

from sanum.metrics.groups import (
    auc_weighted,
    chance_gaps,
    cliffs_delta,
    gap,
    mann_whitney,
    permutation_test,
    share_explained,
    without_covariates,
)
from sanum.metrics.ranking import auc


def test_cliffs_delta_counts_pairs():
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 9, 30).astype(float), rng.integers(2, 9, 20).astype(float)
    pairs = np.sign(one[:, None] - other[None])
    assert cliffs_delta(one, other) == pytest.approx(pairs.mean())
    assert cliffs_delta(one, other) == pytest.approx(-cliffs_delta(other, one))
    assert np.isnan(cliffs_delta(one, one[:0]))


def test_weighted_area_is_that_of_repeated_scores():
    rng = np.random.default_rng(1)
    low, high = rng.normal(0, 1, 25).round(1), rng.normal(0.7, 1, 15).round(1)
    w_low, w_high = rng.integers(0, 4, (3, 25)), rng.integers(0, 4, (3, 15))
    found = auc_weighted(low, high, w_low, w_high)
    for n in range(3):
        a, b = np.repeat(low, w_low[n]), np.repeat(high, w_high[n])
        labels = np.repeat([0, 1], [len(a), len(b)])
        assert found[n] == pytest.approx(auc(np.concatenate([a, b]), labels))


def test_share_explained_is_that_of_an_analysis_of_variance():
    rng = np.random.default_rng(2)
    groups = np.repeat([0, 1, 2], [10, 15, 20])
    values = rng.normal(size=45) + groups
    f = stats.f_oneway(*(values[groups == g] for g in range(3))).statistic
    assert share_explained(values, groups) == pytest.approx(2 * f / (2 * f + 42))  # η² = f d1 / (f d1 + d2)


def test_a_covariate_explains_what_groups_seemed_to():
    rng = np.random.default_rng(3)
    groups = np.repeat([0, 1], 200)
    age = rng.normal(40 + 20 * groups, 5)
    values = 0.1 * age + rng.normal(size=400)
    assert share_explained(values, groups) > 0.3
    assert share_explained(values, groups, age[:, None]) < 0.02
    assert permutation_test(values, groups, repeats=200, rng=rng) < 0.01
    assert permutation_test(values, groups, age[:, None], repeats=200, rng=rng) > 0.05


def test_the_permutation_test_agrees_with_the_t_test():
    rng = np.random.default_rng(4)
    groups = np.repeat([0, 1], 25)
    values = rng.normal(size=50) + 0.6 * groups
    p = permutation_test(values, groups, repeats=4000, rng=rng)
    assert p == pytest.approx(stats.ttest_ind(values[:25], values[25:]).pvalue, abs=0.015)
    assert mann_whitney(values[:25], values[25:]) == pytest.approx(p, abs=0.05)


def test_adjusting_takes_the_slope_within_groups_and_leaves_their_difference():
    rng = np.random.default_rng(5)
    groups = np.repeat([0, 1], 50)
    age = rng.normal(30 + 30 * groups, 5)
    values = 0.2 * age + 3 * groups
    sick = np.zeros(100, bool)
    sick[::10] = True
    moved = without_covariates(values + 50 * sick, groups, age[:, None], ~sick)
    assert moved[~sick & (groups == 0)].std() < 1e-9
    difference = moved[~sick & (groups == 1)].mean() - moved[~sick & (groups == 0)].mean()
    assert difference == pytest.approx(3)
    assert (moved[sick] - moved[~sick].min() > 40).all()


def test_gaps():
    assert gap([[0.1, 0.4, 0.2], [0.5, np.nan, 0.5]]).tolist() == pytest.approx([0.3, 0.0])
    assert np.isnan(gap([0.3, np.nan]))
    rng = np.random.default_rng(6)
    rates, groups = np.repeat([0.0, 1.0], [90, 10]), np.repeat([0, 1, 2], [40, 40, 20])
    by_lot = chance_gaps(rates, groups, (0, 1), repeats=500, rng=rng)
    one = by_lot * 40  # of 80 people, between whole numbers of them
    assert one == pytest.approx(one.round())
    # only the first 80, of whom nobody is called, take part
    assert by_lot.max() == 0
