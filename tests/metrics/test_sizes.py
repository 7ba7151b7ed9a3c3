import numpy as np
import pytest

from sanum.metrics.sizes import SIZES, by_size

NOTHING = np.zeros((40, 20, 20), bool)


def with_boxes(*boxes):
    out = NOTHING.copy()
    for x, *sides in boxes:
        a, b, c = sides
        out[x : x + a, 2 : 2 + b, 2 : 2 + c] = True
    return out


def test_each_lesion_counts_in_its_bin():
    """Voxels of 10 µL: 9 are 0.09 mL, 10 are 0.1 mL, 100 are 1 mL, 1,000 are 10 mL."""
    truth = with_boxes((0, 1, 3, 3), (3, 1, 2, 5), (6, 4, 5, 5), (20, 10, 10, 10))
    found = by_size(truth, truth, 0.01)
    assert len(SIZES) == 4
    assert [s.true for s in found] == [s.detected for s in found] == [1, 1, 1, 1]
    assert [s.recall for s in found] == [s.dice for s in found] == [1, 1, 1, 1]
    assert [s.false for s in found] == [0, 0, 0, 0]


def test_recall_and_dice_by_hand():
    """A lesion of 100 voxels of which 30 are called, by a part of 50; one of 9 that is missed."""
    truth = with_boxes((0, 4, 5, 5), (10, 1, 3, 3))
    called = NOTHING.copy()
    called[0:2, 2:5, 2:7] = True  # 30 in the lesion
    called[0:2, 2:4, 7:12] = True  # 20 beside it, in the same part
    small, none, medium, large = by_size(called, truth, 0.01)
    assert (small.true, small.detected, small.recall, small.dice) == (1, 0, 0, 0)
    assert none.true == large.true == 0
    assert np.isnan(none.recall)
    assert np.isnan(none.dice)
    assert (medium.true, medium.detected, medium.recall) == (1, 1, 0.3)
    assert medium.dice == pytest.approx(2 * 30 / (100 + 50))
    assert medium.false == 0


def test_what_a_lesion_of_another_size_explains_is_not_held_against_a_bin():
    """One part that covers both lesions, and no more but the voxels between them."""
    truth = with_boxes((0, 1, 3, 3), (3, 4, 5, 5))  # 9 and 100 voxels
    called = truth | with_boxes((1, 2, 1, 1))  # 2 voxels join them
    small, _, medium, _ = by_size(called, truth, 0.01)
    assert small.dice == pytest.approx(2 * 9 / (9 + 9 + 2))
    assert medium.dice == pytest.approx(2 * 100 / (100 + 100 + 2))


def test_false_parts_are_counted_by_their_own_size():
    truth = with_boxes((0, 4, 5, 5))
    called = with_boxes((10, 1, 3, 3), (14, 1, 1, 1), (20, 10, 10, 10))
    called[3, 6, 6] = True  # a voxel of the lesion: met, so not false
    parts = by_size(called, truth, 0.01)
    assert [s.false for s in parts] == [2, 0, 0, 1]
    assert [s.false_ml for s in parts] == pytest.approx([0.1, 0, 0, 10])
    assert parts[2].detected == 0  # a hundredth of it


def test_a_part_that_is_hardly_true_is_false():
    truth = with_boxes((0, 1, 1, 1))
    called = with_boxes((0, 3, 3, 3))  # 1 of 27 is true
    parts = by_size(called, truth, 0.01)
    assert parts[0].detected == 1
    assert parts[1].false == 1
    assert by_size(called, truth, 0.01, least=1 / 27)[1].false == 0


def test_nothing_and_nothing_called():
    assert all(s.true == s.false == 0 and np.isnan(s.dice) for s in by_size(NOTHING, NOTHING, 1.0))
    (*_, large) = by_size(NOTHING, ~NOTHING, 1.0)
    assert (large.true, large.detected, large.dice) == (1, 0, 0)
