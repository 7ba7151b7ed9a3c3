import numpy as np
import pytest

from sanum.space.components import largest_component


def test_the_largest_of_several():
    mask = np.zeros((6, 6, 6), bool)
    mask[0, 0, :2] = True
    mask[3:5, 3:5, 3:5] = True
    expected = mask.copy()
    expected[0] = False
    np.testing.assert_array_equal(largest_component(mask), expected)


def test_the_first_of_equals():
    assert largest_component(np.array([1, 0, 1], bool)).tolist() == [True, False, False]


@pytest.mark.parametrize(("connectivity", "count"), [(1, 1), (2, 2), (3, 3)])
def test_connectivity_says_how_neighbours_touch(connectivity, count):
    mask = np.zeros((4, 4, 4), bool)
    mask[0, 0, 0] = mask[0, 1, 1] = mask[1, 2, 2] = True  # one edge, then one corner
    assert largest_component(mask, connectivity=connectivity).sum() == count


def test_an_empty_mask_has_none():
    found = largest_component(np.zeros((3, 4), bool))
    assert found.dtype == bool
    assert found.shape == (3, 4)
    assert not found.any()


def test_the_mask_is_left_alone():
    mask = np.array([1, 0, 1, 1], bool)
    largest_component(mask)
    assert mask.tolist() == [True, False, True, True]
