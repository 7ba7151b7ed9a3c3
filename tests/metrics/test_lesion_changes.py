"""Which lesions of two visits are one, and what has become of them."""

import numpy as np
import pytest

from sanum.metrics.lesion_changes import changes


def labels(*boxes, shape=(40, 12, 12)):
    out = np.zeros(shape, np.int32)
    for number, (start, stop) in enumerate(boxes, start=1):
        out[start:stop, 2:10, 2:10] = number
    return out


def states(before, now, volumes_before, volumes_now):
    found = changes(labels(*before), labels(*now), volumes_before, volumes_now)
    return {(one.before, one.now): one.state for one in found}


def test_five_things_happen_to_lesions():
    before = ((0, 5), (7, 12), (14, 19), (21, 26))
    now = ((0, 5), (6, 13), (15, 18), (30, 34))
    assert states(before, now, (1, 1, 1, 1), (1.1, 1.8, 0.6, 0.9)) == {
        ((1,), (1,)): "stable",
        ((2,), (2,)): "grown",
        ((3,), (3,)): "shrunk",
        ((4,), ()): "vanished",
        ((), (4,)): "new",
    }


def test_swapped_visits_swap_the_states():
    before, now = ((0, 5), (7, 12), (14, 19)), ((0, 8), (20, 22))
    one = states(before, now, (1, 0.2, 0.3), (2, 0.1))
    other = states(now, before, (2, 0.1), (1, 0.2, 0.3))
    swap = {"new": "vanished", "grown": "shrunk", "stable": "stable", "shrunk": "grown", "vanished": "new"}
    assert {(b, a): swap[state] for (a, b), state in other.items()} == one


def test_lesions_that_merge_are_one_and_so_are_those_that_split():
    two, one = ((2, 8), (12, 18)), ((2, 18),)
    assert states(two, one, (0.5, 0.5), (1.05,)) == {((1, 2), (1,)): "stable"}
    assert states(one, two, (1.05,), (0.5, 0.5)) == {((1,), (1, 2)): "stable"}


def test_a_touch_is_no_match():
    """A twentieth of the smaller one."""
    assert states(((0, 20),), ((19, 39),), (1,), (1,)) == {((), (1,)): "new", ((1,), ()): "vanished"}
    assert states(((0, 20),), ((17, 37),), (1,), (1,)) == {((1,), (1,)): "stable"}


def test_a_voxel_more_is_no_growth():
    assert states(((0, 5),), ((0, 5),), (0.002,), (0.009,)) == {((1,), (1,)): "stable"}


def test_the_order_is_that_of_the_volumes_now():
    found = changes(labels((0, 3), (8, 11), (20, 23)), labels((8, 11), (0, 3)), (1, 2, 3), (5, 4))
    assert [(one.before, one.now) for one in found] == [((2,), (1,)), ((1,), (2,)), ((3,), ())]


@pytest.mark.parametrize(("before", "now"), [((), ((0, 4),)), (((0, 4),), ()), ((), ())])
def test_a_visit_without_lesions(before, now):
    found = changes(labels(*before), labels(*now), [1.0] * len(before), [1.0] * len(now))
    assert [one.state for one in found] == ["vanished"] * len(before) + ["new"] * len(now)


def test_what_is_a_voxel_apart_is_one_where_nothing_else_is():
    before, now = labels((0, 4), (10, 11), (20, 24)), labels((4, 8), (12, 13), (20, 24))
    found = changes(before, now, (1, 0.1, 1), (1, 0.1, 1), near=((2, 2), (1, 2), (1, 3), (3, 1)))
    assert {(one.before, one.now): one.state for one in found} == {
        ((2,), (2,)): "stable",
        ((3,), (3,)): "stable",
        ((1,), ()): "vanished",
        ((), (1,)): "new",
    }
