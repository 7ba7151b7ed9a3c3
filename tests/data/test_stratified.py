"""Folds of classifiers: stratified, disjoint, every image tested once."""

import numpy as np
import pytest

from sanum.data.folds import require_disjoint
from sanum.data.stratified import folds_by_strata, hold_out_of_both, stratified_folds

LABELS = np.array([0] * 40 + [1] * 25)
GROUPS = [n // 2 for n in range(65)]  # 20 is of both classes


def test_every_image_is_tested_once_and_no_group_is_on_two_sides():
    folds = stratified_folds(LABELS, GROUPS, seed=1)
    assert sorted(n for f in folds for n in f.test) == list(range(65))
    for fold in folds:
        require_disjoint(fold, GROUPS)
        assert sorted(n for _, some in fold.sets() for n in some) == list(range(65))
        for _, some in fold.sets():
            assert abs(LABELS[list(some)].mean() - 25 / 65) < 0.1
    assert [fold.name for fold in folds] == [f"fold-{n}" for n in range(5)]
    assert stratified_folds(LABELS, GROUPS, seed=1) == folds != stratified_folds(LABELS, GROUPS, seed=2)


def test_validation_of_a_run_is_the_test_of_the_next():
    folds = stratified_folds(LABELS, folds=4)
    assert all(folds[n].validation == folds[(n + 1) % 4].test for n in range(4))


def test_some_of_both_are_held_out():
    kept, held = hold_out_of_both(LABELS, GROUPS, 0.2, seed=0)
    assert sorted((*kept, *held)) == list(range(65))
    assert not {GROUPS[n] for n in kept} & {GROUPS[n] for n in held}
    assert set(LABELS[list(kept)]) == set(LABELS[list(held)]) == {0, 1}
    assert 0.15 < len(held) / 65 < 0.25
    kept, held = hold_out_of_both([0, 0, 1, 1], "abcd", 0.2, seed=0)
    assert len(held) == 2  # of so few a half: one of each class


@pytest.mark.parametrize(
    ("labels", "groups", "told"),
    [
        ([0] * 10, None, "one is missing"),
        ([0] * 10 + [1] * 4, None, "there are 4 groups of abnormal images and 5 folds"),
        ([0] * 10 + [1] * 5, [0] * 10 + [1] * 5, "there are 1 groups of normal images and 5 folds"),
        ([0] * 10 + [1] * 5, [0, 1], "expected a group for each of 15 images, got 2"),
    ],
)
def test_what_cannot_be_dealt_out(labels, groups, told):
    with pytest.raises(ValueError, match=told):
        stratified_folds(labels, groups)


def test_fewer_than_three_folds():
    with pytest.raises(ValueError, match="expected at least 3 folds"):
        stratified_folds(LABELS, folds=2)


def test_strata_are_dealt_out_evenly():
    strata = [(n % 2, n % 7 == 0) for n in range(83)]
    folds = folds_by_strata(strata, folds=10, seed=3)
    assert sorted(n for fold in folds for n in fold.test) == list(range(83))
    for which in (
        lambda s: s[0] == 1,
        lambda s: s[0] == 0,
        lambda s: s == (1, True),
        lambda s: s == (0, False),
    ):
        counts = [sum(which(strata[n]) for n in fold.test) for fold in folds]
        assert max(counts) - min(counts) <= 1
    for k, fold in enumerate(folds):
        assert fold.validation == folds[k - 1].test
        assert sorted((*fold.train, *fold.validation, *fold.test)) == list(range(83))
    assert folds_by_strata(strata, folds=10, seed=3) == folds != folds_by_strata(strata, folds=10, seed=4)
    with pytest.raises(ValueError, match="at least 3 folds"):
        folds_by_strata(strata, folds=2, seed=3)
