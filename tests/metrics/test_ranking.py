import numpy as np
import pytest

from sanum.metrics.ranking import (
    auc,
    average_precision,
    candidates,
    decide,
    f1_threshold,
    false_positive_threshold,
    youden_threshold,
)

SCORES = np.array([0.1, 0.2, 0.2, 0.3, 0.5, 0.9])
LABELS = np.array([0, 0, 1, 1, 0, 1])


def test_auc_counts_pairs():
    pairs = [(a > b) + 0.5 * (a == b) for a in SCORES[LABELS == 1] for b in SCORES[LABELS == 0]]
    assert auc(SCORES, LABELS) == pytest.approx(np.mean(pairs))
    assert np.isnan(auc(SCORES, np.zeros(6, int)))
    assert average_precision(SCORES, LABELS) == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)


def test_decisions_of_a_threshold():
    told = decide(SCORES, LABELS, 0.3)
    assert told.as_dict() == pytest.approx(
        {
            "accuracy": 4 / 6,
            "balanced_accuracy": 2 / 3,
            "recall": 2 / 3,
            "precision": 2 / 3,
            "specificity": 2 / 3,
            "f1": 2 / 3,
        }
    )
    none = decide(SCORES, LABELS, np.inf)
    assert (none.recall, none.precision, none.f1, none.specificity) == (0, 0, 0, 1)
    every = decide(SCORES, LABELS, -np.inf)
    assert (every.recall, every.precision, every.specificity) == (1, 0.5, 0)


def test_everything_abnormal_has_the_f1_of_the_published_sets():
    """20 normals and 50 abnormals: F1 0.833, accuracy 0.714, precision 0.714, recall 1."""
    told = decide(np.zeros(70), np.r_[np.zeros(20, int), np.ones(50, int)], -np.inf)
    assert (round(told.f1, 3), round(told.accuracy, 3), round(told.precision, 3)) == (0.833, 0.714, 0.714)


def test_thresholds_that_are_tried_are_scores_and_infinity():
    assert candidates(SCORES).tolist() == [np.inf, 0.9, 0.5, 0.3, 0.2, 0.1]


def test_f1_threshold_is_the_best_of_all_and_of_equals_the_largest():
    rng = np.random.default_rng(0)
    for _ in range(20):
        scores, labels = rng.integers(0, 8, 30).astype(float), rng.integers(0, 2, 30)
        labels[:2] = 0, 1
        t = f1_threshold(scores, labels)
        grid = [np.inf, *np.unique(scores)]
        best = max(decide(scores, labels, one).f1 for one in grid)
        assert t == max(one for one in grid if decide(scores, labels, one).f1 == best)


def test_ties_take_the_larger_threshold():
    # at 4: one found, none wrong: F1 = 2/3; at 2: both found, two wrong: F1 = 4/6
    scores, labels = np.array([1.0, 2, 3, 3.5, 4]), np.array([0, 1, 0, 0, 1])
    assert decide(scores, labels, 4).f1 == decide(scores, labels, 2).f1
    assert f1_threshold(scores, labels) == 4


def test_youden_and_false_positives():
    assert youden_threshold(SCORES, LABELS) == 0.9
    normals = np.arange(10.0)
    for rate in (0, 0.1, 0.25, 1):
        t = false_positive_threshold(normals, rate)
        assert (normals >= t).mean() <= rate
        lower = normals[normals < t]
        assert not lower.size or (normals >= lower.max()).mean() > rate
    with pytest.raises(ValueError, match="one class is missing"):
        f1_threshold(SCORES, np.zeros(6, int))
