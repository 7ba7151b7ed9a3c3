"""Numbers of one lesion against ellipsoids, whose volume, surface and axes are known."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sanum.metrics.lesion_shape import lesion_shape, surface_mm2
from sanum.space.grid import Grid, apply_affine

OBLIQUE = Rotation.from_euler("xyz", [20, -15, 35], degrees=True).as_matrix()


def surface_of(radii):
    """Area of an ellipsoid: the length of the normal over the sphere, summed by the midpoint rule."""
    a, b, c = radii
    theta, phi = np.meshgrid((np.arange(400) + 0.5) / 400 * np.pi, (np.arange(400) + 0.5) / 200 * np.pi)
    x, y = np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi)
    normal = np.sqrt((b * c * x) ** 2 + (a * c * y) ** 2 + (a * b * np.cos(theta)) ** 2)
    return float((normal * np.sin(theta)).sum()) * (np.pi / 400) * (np.pi / 200)


def ellipsoid(radii, spacing, *, turn=OBLIQUE, axes=OBLIQUE, shear=0.0):
    """Mask, grid and centre of an ellipsoid, turned, on a grid that is oblique in another way."""
    linear = turn @ np.array([[1, shear, 0], [0, 1, 0], [0, 0, 1]]) @ np.diag(spacing)
    shape = tuple(int(2 * max(radii) * (1 + shear) / s) + 8 for s in spacing)
    centre = np.array([-31.0, 17.3, 42.9])
    affine = np.eye(4)
    affine[:3, :3] = linear
    affine[:3, 3] = centre - linear @ (np.array(shape) / 2 - [0.4, 0.7, 0.2])
    x = (apply_affine(affine, np.moveaxis(np.indices(shape), 0, -1)) - centre) @ axes.T
    return ((x / radii) ** 2).sum(-1) < 1, Grid(shape, affine), centre


def test_the_area_of_a_ball():
    assert surface_of((3, 3, 3)) == pytest.approx(4 * np.pi * 9, rel=1e-4)


@pytest.mark.parametrize(
    ("radii", "spacing", "shear"),
    [
        ((8.0, 8.0, 8.0), (1.0, 1.0, 1.0), 0.0),
        ((6.0, 9.0, 14.0), (1.0, 1.0, 1.0), 0.0),
        ((7.0, 10.0, 16.0), (1.0, 1.0, 1.0), 0.3),
        ((12.0, 15.0, 24.0), (0.9, 0.9, 3.0), 0.0),
        ((14.0, 17.0, 22.0), (0.7, 1.4, 3.5), 0.0),
        ((12.0, 16.0, 24.0), (2.0, 2.0, 2.0), 0.0),
    ],
)
def test_ellipsoids_to_two_percent(radii, spacing, shear):
    mask, grid, centre = ellipsoid(radii, spacing, shear=shear)
    found = lesion_shape(mask, grid)
    assert found.volume_ml == pytest.approx(4 / 3 * np.pi * np.prod(radii) / 1000, rel=0.02)
    assert found.surface_mm2 == pytest.approx(surface_of(radii), rel=0.02)
    assert found.elongation == pytest.approx(max(radii) / min(radii), rel=0.02)
    np.testing.assert_allclose(found.centre_mm, centre, atol=0.02 * max(radii))


def test_the_stairs_of_a_mask_have_more_surface():
    """What marching cubes alone would give is off by more than what is asked."""
    from skimage.measure import marching_cubes, mesh_surface_area

    mask, grid, _ = ellipsoid((12.0, 15.0, 24.0), (0.9, 0.9, 3.0))
    vertices, faces, _, _ = marching_cubes(np.pad(mask, 1).astype(np.float32), 0.5, spacing=(0.9, 0.9, 3.0))
    assert mesh_surface_area(vertices, faces) > 1.1 * surface_mm2(mask, grid)


def test_a_move_of_the_world_moves_the_centre_alone():
    mask, grid, _ = ellipsoid((4.0, 5.0, 8.0), (1.0, 1.0, 2.0))
    move = np.eye(4)
    move[:3, :3], move[:3, 3] = Rotation.from_euler("z", 70, degrees=True).as_matrix(), (9, -40, 3)
    here, there = lesion_shape(mask, grid), lesion_shape(mask, Grid(grid.shape, move @ grid.affine))
    np.testing.assert_allclose(there.centre_mm, apply_affine(move, here.centre_mm), atol=1e-9)
    for name in ("volume_ml", "elongation", "surface_mm2"):
        assert getattr(there, name) == pytest.approx(getattr(here, name), rel=1e-6), name


def test_the_order_of_the_axes_does_not_matter():
    mask, grid, _ = ellipsoid((4.0, 5.0, 8.0), (1.0, 1.0, 2.0))
    turned = Grid(grid.shape[::-1], grid.affine[:, [2, 1, 0, 3]])
    here, there = lesion_shape(mask, grid), lesion_shape(mask.transpose(), turned)
    for name in ("volume_ml", "elongation", "surface_mm2", "centre_mm"):
        assert getattr(there, name) == pytest.approx(getattr(here, name), rel=1e-3), name


@pytest.mark.parametrize("voxels", [1, 2, 8])
def test_the_smallest_lesions_are_round_and_never_smaller_than_a_ball(voxels):
    mask = np.zeros((9, 9, 9), bool)
    side = round(voxels ** (1 / 3)) if voxels != 2 else 1
    mask[3 : 3 + side, 3 : 3 + side, 3 : 3 + (2 if voxels == 2 else side)] = True
    assert mask.sum() == voxels
    ball = (36 * np.pi) ** (1 / 3) * voxels ** (2 / 3)
    assert 0.99 * ball < surface_mm2(mask, Grid(mask.shape, np.eye(4))) < 1.3 * ball


def test_a_lesion_at_the_end_of_the_grid_ends_there():
    mask, grid, _ = ellipsoid((6.0, 6.0, 6.0), (1.0, 1.0, 1.0), turn=np.eye(3))
    x, y, z = (int(n) for n in np.argwhere(mask).min(0))
    cut = mask[x:, y:, z:]
    there = lesion_shape(cut, grid.part((slice(x, grid.shape[0]), slice(y, grid.shape[1]), slice(z, 99))))
    here = lesion_shape(mask, grid)
    assert there.surface_mm2 == pytest.approx(here.surface_mm2, rel=1e-6)
    np.testing.assert_allclose(there.centre_mm, here.centre_mm)


def test_an_empty_mask_is_no_lesion():
    with pytest.raises(ValueError, match="at least one voxel"):
        lesion_shape(np.zeros((3, 3, 3), bool), Grid((3, 3, 3), np.eye(4)))
