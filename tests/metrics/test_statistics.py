import doctest

import numpy as np
import pytest

from sanum.metrics import statistics
from sanum.metrics.statistics import FEWEST_SUBJECTS, holm, mean_over_subjects, paired_test

SUBJECTS = [f"sub-{n}" for n in range(12)]


def test_the_mean_is_over_samples():
    found = mean_over_subjects([1.0, 1, 1, 5], ["a", "a", "a", "b"])
    assert (found.value, found.samples, found.subjects) == (2.0, 4, 2)


def test_few_subjects_get_no_interval_however_many_samples():
    names = [s for s in SUBJECTS[: FEWEST_SUBJECTS - 1] for _ in range(50)]
    found = mean_over_subjects(np.arange(len(names), dtype=float), names)
    assert found.low is found.high is None
    assert paired_test(np.arange(len(names)), np.zeros(len(names)), names) is None


def test_the_interval_is_that_of_the_subjects_not_of_the_samples():
    rng = np.random.default_rng(0)
    means = rng.normal(0, 1, len(SUBJECTS))
    names = [s for s in SUBJECTS for _ in range(100)]
    alike = mean_over_subjects(np.repeat(means, 100), names)
    alone = mean_over_subjects(means, SUBJECTS)
    assert (alike.low, alike.high) == pytest.approx((alone.low, alone.high))
    assert alone.low < alone.value < alone.high
    # about ±t·s/√n; samples taken for independent would give a tenth of that
    assert 3 * means.std() / np.sqrt(12) < alone.high - alone.low < 5 * means.std() / np.sqrt(12)


def test_about_95_of_100_intervals_hold_the_truth():
    rng = np.random.default_rng(2)
    held = [
        m.low <= 0 <= m.high
        for m in (mean_over_subjects(rng.normal(size=40), range(40), seed=k) for k in range(100))
    ]
    assert 88 <= sum(held) <= 99


def test_one_seed_one_interval():
    x = np.random.default_rng(3).random(12)
    assert mean_over_subjects(x, SUBJECTS, seed=1) == mean_over_subjects(x, SUBJECTS, seed=1)
    assert mean_over_subjects(x, SUBJECTS, seed=1) != mean_over_subjects(x, SUBJECTS, seed=2)


def test_what_is_not_finite_does_not_count():
    found = mean_over_subjects([1.0, np.nan, np.inf, 3], ["a", "a", "b", "c"])
    assert (found.value, found.samples, found.subjects) == (2.0, 2, 2)
    nothing = mean_over_subjects([np.nan], ["a"])
    assert np.isnan(nothing.value)
    assert (nothing.low, nothing.samples) == (None, 0)


def test_equal_values_have_an_interval_of_no_width():
    found = mean_over_subjects([0.5] * 12, SUBJECTS)
    assert (found.low, found.high) == (0.5, 0.5)


def test_wilcoxon_by_hand():
    # six subjects, all better: both tails hold 2 of 2⁶ signs
    one = np.array([1.0, 2, 3, 4, 5, 6])
    assert paired_test(one, np.zeros(6), list("abcdef")) == pytest.approx(2 / 64)
    assert paired_test(one, one, list("abcdef")) == 1


def test_holm_in_the_order_given():
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([]) == []


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="one value for each of 12"):
        mean_over_subjects([1.0], SUBJECTS)


def test_examples():
    assert doctest.testmod(statistics).failed == 0
