import doctest

import numpy as np
import pytest

from sanum.metrics import overlap
from sanum.metrics.errors import dice
from sanum.metrics.overlap import LesionCounts, average_precision, count_lesions, dice_curve, soft_dice

P = np.array([0.9, 0.6, 0.6, 0.2, 0.0], np.float32)
TRUE = np.array([1, 0, 1, 1, 0], bool)


def test_soft_dice_by_hand():
    assert soft_dice(P, TRUE) == pytest.approx(2 * (0.9 + 0.6 + 0.2) / (2.3 + 3))
    assert soft_dice(TRUE.astype(np.float32), TRUE) == 1
    assert np.isnan(soft_dice(np.zeros(3, np.float32), np.zeros(3, bool)))


def test_the_curve_is_the_dice_at_each_threshold():
    rng = np.random.default_rng(0)
    p, truth = rng.random((6, 7, 8)).astype(np.float32).round(2), rng.random((6, 7, 8)) < 0.2
    thresholds = [0.0, 0.1, 0.5, 0.99, 1.0]
    np.testing.assert_allclose(dice_curve(p, truth, thresholds), [dice(p > t, truth) for t in thresholds])


def test_the_curve_by_hand():
    # above 0.1: 4 called, 3 right; above 0.6 (which 0.6 is not): 1 called, 1 right
    np.testing.assert_allclose(dice_curve(P, TRUE, [0.1, 0.6, 0.95]), [6 / 7, 2 / 4, 0])
    assert np.isnan(dice_curve(P, TRUE & ~TRUE, [1.0])).all()


def boxes(*corners):
    out = np.zeros((20, 20, 20), bool)
    for x in corners:
        out[x : x + 2, 4:6, 4:6] = True
    return out


def test_lesions_are_counted_one_by_one():
    truth, found = boxes(2, 8, 14), boxes(2, 17)
    found[8, 4, 4] = True  # an eighth of the second
    assert count_lesions(found, truth) == LesionCounts(true=3, detected=2, predicted=3, correct=2)
    assert count_lesions(found, truth, least=0.2).detected == 1
    assert count_lesions(found, truth).f1 == pytest.approx(2 / 3)


def test_what_touches_at_a_corner_is_one_lesion():
    truth = boxes(2)
    truth[4, 6, 6] = True
    assert count_lesions(truth, truth) == LesionCounts(1, 1, 1, 1)


def test_f1_of_nothing():
    nothing = np.zeros((4, 4, 4), bool)
    assert np.isnan(count_lesions(~nothing, nothing).f1)
    assert count_lesions(nothing, ~nothing).f1 == 0


def test_average_precision_by_hand():
    # ranked: hit (1/1), then two at once of which one hits (2/3), then a hit (3/4)
    assert average_precision(P, TRUE) == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    assert np.isnan(average_precision(P, TRUE & ~TRUE))


def test_examples():
    assert doctest.testmod(overlap, extraglobs={"np": np}).failed == 0
