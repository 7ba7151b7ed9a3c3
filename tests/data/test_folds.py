import json

import numpy as np
import pytest
from sklearn.model_selection import KFold

from sanum.data.folds import Fold, hold_out, make_folds, manifest, require_disjoint

LABELS = [1] * 100 + [0] * 100  # as in the set of head CTs: abnormals first


def test_the_indices_are_those_of_the_protocol():
    """Ten runs of 60 / 20 + 50 / 20 + 50, dealt out by scikit-learn from both classes in their order."""
    normal = [100 + part for _, part in KFold(5, shuffle=True, random_state=0).split(np.arange(100))]
    abnormal = [part for _, part in KFold(2, shuffle=True, random_state=0).split(np.arange(100))]
    folds = make_folds(LABELS)
    assert [(f.normal, f.abnormal) for f in folds] == [(g, b) for g in range(5) for b in range(2)]
    for f in folds:
        assert set(f.train) == {n for step in range(3) for n in normal[(f.normal + step) % 5]}
        assert set(f.validation) == {*normal[(f.normal + 3) % 5], *abnormal[f.abnormal]}
        assert set(f.test) == {*normal[(f.normal + 4) % 5], *abnormal[1 - f.abnormal]}
        assert (len(f.train), len(f.validation), len(f.test), f.left_out) == (60, 70, 70, ())


def test_single_groups_change_nothing():
    assert make_folds(LABELS, [f"g{n}" for n in range(200)]) == make_folds(LABELS)


@pytest.mark.parametrize("seed", range(5))
def test_groups_of_any_kind_are_in_one_set(seed):
    """Also groups with images of both classes; what is in no set is named."""
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 120, 200).tolist()
    for f in make_folds(LABELS, groups, seed=seed):
        sets = [{groups[n] for n in some} for _, some in f.sets()]
        assert not sets[0] & sets[1] | sets[0] & sets[2] | sets[1] & sets[2]
        assert all(LABELS[n] == 0 for n in f.train)
        both = {*f.train, *f.validation}
        assert not both & set(f.left_out)
        assert all(groups[n] in sets[1] | sets[2] for n in f.left_out)


def test_every_image_is_tested():
    folds = make_folds([0] * 20 + [1] * 9, normal_folds=4, abnormal_folds=3)
    assert len(folds) == 12
    assert {n for f in folds for n in f.test} == set(range(29))


def test_a_leak_is_found():
    leaky = Fold(train=(0, 1), validation=(2, 3), test=(4, 5), normal=0, abnormal=0)
    require_disjoint(leaky, "abcdef")
    with pytest.raises(ValueError, match="group a is in train and in test of fold-g0b0: results would leak"):
        require_disjoint(leaky, "abcdea")


@pytest.mark.parametrize(
    ("labels", "groups", "told"),
    [
        ([0] * 10, None, "one is missing"),
        ([0] * 4 + [1] * 4, None, "there are 4 groups of normal images and 5 folds"),
        ([0] * 10 + [1] * 4, [1] * 14, "there are 1 groups of normal images and 5 folds"),
        ([0] * 10 + [1] * 4, list(range(13)), "a group for each of 14 images, got 13"),
        ([0] * 5 + [1] * 10, [0, 1, 2, 3, 4] * 3, "a set is left without images of one class"),
    ],
)
def test_what_cannot_be_dealt_out(labels, groups, told):
    with pytest.raises(ValueError, match=told):
        make_folds(labels, groups)


def test_the_manifest_names_every_image_once():
    folds = make_folds([0] * 10 + [1] * 4)
    rows = [{"id": n} for n in range(14)]
    told = json.loads(manifest(folds[3], rows))
    assert (told["normal_fold"], told["abnormal_fold"]) == (1, 1)
    assert [row["id"] for row in told["test"]] == list(folds[3].test)


def test_held_out_groups_are_whole_and_never_all():
    groups = [n // 3 for n in range(30)]
    kept, held = hold_out(groups, 0.2, seed=1)
    assert sorted((*kept, *held)) == list(range(30))
    assert len(held) == 6
    assert not {groups[n] for n in kept} & {groups[n] for n in held}
    assert hold_out(groups, 0.2, seed=1) == (kept, held)
    assert len(hold_out("ab", 0.99, seed=0)[0]) == 1
    with pytest.raises(ValueError, match="one group of images, only"):
        hold_out("aa", 0.2, seed=0)
