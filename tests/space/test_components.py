import numpy as np
import pytest
from scipy import ndimage

from sanum.space.components import bounds_of, components, largest_component


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


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("points", [[(0, 0, 0)], [(5, 7, 8)], [(2, 1, 7), (3, 6, 1)], [(1, 1, 4), (1, 5, 4)]])
def test_bounds_are_those_of_scipy(points, order):
    mask = np.zeros((6, 8, 9), bool, order=order)
    mask[tuple(np.transpose(points))] = True
    assert bounds_of(mask) == ndimage.find_objects(mask.astype(np.uint8))[0]


def test_an_empty_mask_has_no_bounds():
    assert bounds_of(np.zeros((2, 3, 4), bool)) is None


def test_the_mask_is_left_alone():
    mask = np.array([1, 0, 1, 1], bool)
    largest_component(mask)
    assert mask.tolist() == [True, False, True, True]


def test_all_parts_the_largest_first():
    mask = np.zeros((9, 8, 7), bool)
    mask[1, 1, 1] = mask[2, 2, 2] = True  # by a corner
    mask[5:8, 4:6, 3:5] = True
    mask[1, 6, 5] = True
    found = components(mask)
    assert found.sizes.tolist() == [12, 2, 1]
    whole = np.zeros(mask.shape, int)
    whole[found.box] = found.labels
    assert (whole > 0).tolist() == mask.tolist()
    assert (whole[6, 4, 3], whole[2, 2, 2], whole[1, 6, 5]) == (1, 2, 3)
    for n, (part, box) in enumerate(found.parts(), start=1):
        np.testing.assert_array_equal(part, whole[box] == n)
        assert part.any(axis=(1, 2)).all()


def test_small_parts_are_left_out():
    mask = np.zeros((9, 3, 3), bool)
    mask[:3, 1, 1] = mask[4:6, 1, 1] = mask[7, 1, 1] = True
    assert components(mask, least=2).sizes.tolist() == [3, 2]
    assert components(mask, least=2).labels.max() == 2
    assert components(mask, connectivity=1).sizes.tolist() == [3, 2, 1]


def test_nothing_has_no_parts():
    found = components(np.zeros((3, 4, 5), bool))
    assert found.sizes.tolist() == list(found.parts()) == []
    assert components(np.ones((2, 2, 2), bool), least=9).sizes.tolist() == []
