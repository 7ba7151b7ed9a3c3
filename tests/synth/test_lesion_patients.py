"""Made-up patients: the outcome depends on pairs of type A, and on no count."""

import numpy as np
import pytest

from sanum.synth.lesion_patients import LEAST, MOST, RelationalRule, draw_lesion_patient, pairs_within


@pytest.fixture(scope="module")
def patients():
    rng = np.random.default_rng(0)
    return [draw_lesion_patient(rng) for _ in range(1000)]


def auc(values, outcomes):
    values, outcomes = np.asarray(values, float), np.asarray(outcomes)
    one, other = values[outcomes == 1][:, None], values[outcomes == 0]
    return float((one > other).mean() + 0.5 * (one == other).mean())


def test_pairs_tell_the_outcome_and_counts_do_not(patients):
    outcomes = [p.active for p in patients]
    pairs = [pairs_within(p.centres_mm[p.type_a], 15.0).sum() for p in patients]
    assert auc(pairs, outcomes) > 0.88
    for count in (lambda p: len(p.type_a), lambda p: p.type_a.sum(), lambda p: (~p.type_a).sum()):
        assert abs(auc([count(p) for p in patients], outcomes) - 0.5) < 0.055  # three standard errors
    beside = [(pairs_within(p.centres_mm, 15.0) & ~p.type_a).any(1)[p.type_a].mean() for p in patients]
    assert auc(beside, outcomes) < 0.65  # the other lesion of a pair has one beside it as well


def test_informative_lesions_are_those_of_pairs_of_type_a(patients):
    for p in patients[:50]:
        near = pairs_within(p.centres_mm, 15.0) & p.type_a[:, None] & p.type_a
        np.testing.assert_array_equal(p.informative, near.any(1))
        assert LEAST <= len(p.type_a) <= MOST
        assert p.type_a.sum() >= 2


def test_type_a_is_told_by_features(patients):
    rule = RelationalRule()
    direction = np.resize((1.0, -1.0), rule.features) / np.sqrt(rule.features)
    along = np.concatenate([p.features @ direction for p in patients])
    type_a = np.concatenate([p.type_a for p in patients])
    assert along[type_a].mean() - along[~type_a].mean() == pytest.approx(rule.apart, abs=0.1)
    assert along[type_a].std() == pytest.approx(1, abs=0.05)


def test_the_same_seed_gives_the_same_patient():
    one, other = (draw_lesion_patient(np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one.features, other.features)
    np.testing.assert_array_equal(one.centres_mm, other.centres_mm)


def test_rules_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match=r"below 0\.5, and with one above"):
        RelationalRule(offset=1.0)
    with pytest.raises(ValueError, match="near_mm must be at least 0, got -1"):
        RelationalRule(near_mm=-1)
    with pytest.raises(ValueError, match=r"no places for .* make near_mm smaller"):
        draw_lesion_patient(np.random.default_rng(0), RelationalRule(near_mm=500.0, count=40.0))
