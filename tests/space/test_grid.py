import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sanum.space.box import Box
from sanum.space.grid import Grid, apply_affine, at_spacing, box_of, covering, middle_of


def oblique(seed=0):
    q = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    affine = np.eye(4)
    affine[:3, :3] = q @ np.diag([1.0, 2.0, 3.5])
    affine[:3, 3] = [-10, 5, 30]
    return affine


def test_spacing_and_volume_do_not_depend_on_the_direction():
    grid = Grid((4, 5, 6), oblique())
    np.testing.assert_allclose(grid.spacing_mm, [1, 2, 3.5])
    assert grid.voxel_volume_ml == pytest.approx(0.007)


def test_centre_is_the_middle_of_the_corners():
    grid = Grid((4, 5, 6), oblique())
    ends = apply_affine(grid.affine, [[0, 0, 0], [3, 4, 5]])
    np.testing.assert_allclose(grid.centre_mm, ends.mean(0))


def test_affine_maps_many_points_as_it_maps_one():
    a = oblique()
    points = np.random.default_rng(1).normal(size=(3, 7, 3))
    one_by_one = [[(a @ [*p, 1])[:3] for p in row] for row in points]
    np.testing.assert_allclose(apply_affine(a, points), one_by_one)


def test_a_grid_cannot_be_changed():
    affine = oblique()
    grid = Grid((4, 5, 6), affine)
    affine[0, 0] = 99
    assert grid.affine[0, 0] != 99
    with pytest.raises(ValueError, match="read-only"):
        grid.affine[0, 0] = 1


@pytest.mark.parametrize("bad", [np.eye(3), np.full((4, 4), np.nan), np.diag([1.0, 0, 1, 1])])
def test_bad_affine(bad):
    with pytest.raises(ValueError, match="affine"):
        Grid((2, 2, 2), bad)


def test_a_box_is_centred():
    grid = Box((7, 8, 9), 2.0).grid((3, -4, 5))
    np.testing.assert_allclose(grid.centre_mm, [3, -4, 5])
    np.testing.assert_allclose(grid.spacing_mm, 2.0)


@pytest.mark.parametrize("seed", range(4))
def test_covering_holds_every_corner(seed):
    grid = Grid((4, 5, 6), oblique(seed))
    cover = covering(grid, 1.5)
    corners = apply_affine(grid.affine, np.array(list(np.ndindex(2, 2, 2))) * (np.array(grid.shape) - 1))
    index = apply_affine(np.linalg.inv(cover.affine), corners)
    assert index.min() > -1e-6
    assert (index <= np.array(cover.shape) - 1 + 1e-6).all()
    assert (index.max(0) > np.array(cover.shape) - 2).all()  # and is not larger than it must be


def test_covering_itself():
    grid = Box((4, 5, 6), 2.0).grid()
    assert covering(grid, 2.0).same_as(grid)


def test_same_as():
    grid = Grid((4, 5, 6), oblique())
    moved = np.array(grid.affine)
    moved[0, 3] += 0.01
    assert grid.same_as(Grid((4, 5, 6), grid.affine))
    assert not grid.same_as(Grid((4, 5, 7), grid.affine))
    assert not grid.same_as(Grid((4, 5, 6), moved))
    assert grid.same_as(Grid((4, 5, 6), moved), tolerance_mm=0.1)


def test_the_middle_of_a_mask_is_that_of_its_box_not_its_mean():
    mask = np.zeros((40, 40, 40), bool)
    mask[10:31, 5:16, 20] = True
    mask[10:13, 5:16, 18:23] = True  # more at one end moves the mean, not the middle
    middle = middle_of(mask, np.diag([2.0, 1, 1, 1]))
    np.testing.assert_allclose(middle, [40, 10, 20], atol=0.5)


def test_a_stray_voxel_hardly_moves_the_middle():
    mask = np.zeros((60, 20, 20), bool)
    mask[5:16, 5:16, 5:16] = True
    mask[59, 10, 10] = True
    np.testing.assert_allclose(middle_of(mask, np.eye(4)), [10, 10, 10], atol=0.5)


def tilted():
    """A tilted grid."""
    turn = Rotation.from_euler("zyx", [12, -7, 4], degrees=True).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([1.5, 1.0, 3.0])
    affine[:3, 3] = (-30, -20, -45)
    return Grid((40, 50, 30), affine)


def test_a_part_puts_its_voxels_where_they_were():
    grid = tilted()
    part = grid.part((slice(3, 20), slice(0, 50), slice(7, 8)))
    assert part.shape == (17, 50, 1)
    np.testing.assert_allclose(
        apply_affine(part.affine, (2, 4, 0)), apply_affine(grid.affine, (5, 4, 7)), atol=1e-9
    )


def test_the_box_of_a_mask_holds_its_voxels_with_a_margin_and_little_more():
    model, scan = Box((20, 24, 20), 4.0).grid(), tilted()
    mask = np.zeros(model.shape, bool)
    mask[9:12, 10:14, 8:11] = True
    box = box_of(mask, model, scan, 3.0)
    where = apply_affine(
        np.linalg.inv(model.affine) @ scan.affine, np.moveaxis(np.indices(scan.shape), 0, -1)
    )
    near = np.zeros(scan.shape, bool)
    for voxel in np.argwhere(mask):
        near |= (np.abs(where - voxel) * 4.0 <= 2 + 3.0 / np.sqrt(3)).all(-1)
    inside = np.zeros(scan.shape, bool)
    inside[box] = True
    assert near.any()
    assert not (near & ~inside).any()
    assert inside.sum() < 0.4 * inside.size


def test_a_mask_outside_of_the_grid_or_empty_has_an_empty_box():
    model, scan = Box((20, 24, 20), 4.0).grid((500, 0, 0)), tilted()
    for mask in (np.ones(model.shape, bool), np.zeros(model.shape, bool)):
        box = box_of(mask, model, scan, 3.0)
        assert np.zeros(scan.shape)[box].size == 0
        assert scan.part(box).shape == (0, 0, 0)


def test_other_spacing_same_box_same_axes():
    grid = tilted()
    coarse = at_spacing(grid, (3.0, 3.0, 3.0))
    np.testing.assert_allclose(coarse.spacing_mm, 3.0, rtol=1e-9)
    first = (-0.5, -0.5, -0.5)  # the corner of the first voxel stays where it was
    np.testing.assert_allclose(
        apply_affine(coarse.affine, first), apply_affine(grid.affine, first), atol=1e-9
    )
    assert coarse.shape == (20, 17, 30)
