"""One to one, as many and as near as can be."""

import numpy as np
import pytest

from sanum.data.attributes import parse_by
from sanum.evaluation.audit import ScoreTable
from sanum.evaluation.audit.matching import distances, matched


def table(**columns):
    names = tuple(map(str, range(len(next(iter(columns.values()))))))
    people = {name: {key: str(words[n]) for key, words in columns.items()} for n, name in enumerate(names)}
    return ScoreTable(names, np.arange(len(names), dtype=float), np.zeros(len(names), int), people, ())


def test_everybody_has_one_partner_in_each_group():
    ages = [30, 40, 50, 31, 39, 70, 90, 32, 41, 52]
    codes = np.array([0, 0, 0, 1, 1, 1, 1, 2, 2, 2])
    found = matched(distances(table(age=ages), parse_by("age:2")), codes, 3)
    assert np.flatnonzero(found).tolist() == [0, 1, 3, 4, 7, 8]


def test_as_many_as_can_be():
    """The nearest first would leave 33 alone."""
    found = matched(distances(table(age=[31, 33, 29, 32]), parse_by("age:2")), np.array([0, 0, 1, 1]), 2)
    assert found.all()


def test_any_two_of_a_set_are_alike():
    """28 and 32 are both 2 from 30, and 4 from each other."""
    codes, caliper = np.array([0, 1, 2]), parse_by("age:2")
    assert not matched(distances(table(age=[30, 28, 32]), caliper), codes, 3).any()
    assert matched(distances(table(age=[30, 28, 29]), caliper), codes, 3).all()
    assert not matched(distances(table(age=[30, 28, 50]), caliper), codes, 3).any()
    rng = np.random.default_rng(0)
    ages, codes = rng.uniform(30, 40, 40), np.repeat([0, 1, 2], [8, 15, 17])
    found = matched(distances(table(age=ages), caliper), codes, 3)
    inside = [np.sort(ages[found & (codes == g)]) for g in range(3)]
    assert len(inside[0]) == len(inside[1]) == len(inside[2]) >= 6
    assert np.ptp(np.stack(inside), axis=0).max() <= 2  # sorted, sets are alike if any are


def test_words_are_the_same_and_who_is_unknown_is_left_out():
    people = table(sex=["F", "M", "n/a", "f", "F", "M"], age=[50, 50, 50, 50, 20, "n/a"])
    found = matched(distances(people, parse_by("sex,age:5")), np.array([0, 0, 0, 1, 1, 1]), 2)
    assert np.flatnonzero(found).tolist() == [0, 3]
    assert not matched(distances(people, parse_by("age:5")), np.array([0, 0, 0, -1, -1, -1]), 2).any()


@pytest.mark.parametrize(
    ("asked", "about"),
    [
        ("age:0", "a difference that is allowed is above 0, as in age:3"),
        ("sex:2", "sex is no number, so it is matched as it stands"),
        ("size", "no table says the size of people"),
        ("one", "one has one value alone: there is nothing to match"),
    ],
)
def test_what_makes_no_sense(asked, about):
    people = table(sex=["F", "M"], age=[50, 60], one=[1, 1])
    with pytest.raises(ValueError, match=about):
        distances(people, parse_by(asked))
