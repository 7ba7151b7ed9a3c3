"""Sides, regions and distances of lesions, where they are known."""

import numpy as np
import pytest

from sanum.metrics.lesion_places import (
    MOST_POINTS,
    Normal,
    Region,
    Regions,
    every,
    midplane_of,
    most,
    points_of,
    side_of,
)
from sanum.space.grid import Grid, apply_affine

TABLE = {
    1: Region("ventricle", "", "", "ventricle"),
    2: Region("white", "left", "frontal", "white"),
    3: Region("cortex", "left", "frontal", "cortex"),
    4: Region("other", "left", "parietal", "white"),
}


@pytest.fixture(scope="module")
def shells():
    """A ventricle to 20 mm, white matter to 60, parietal behind, cortex to 70; on a sheared 2 mm grid."""
    affine = np.array([[2, 0.3, 0, -75], [0, 2, 0.2, -80], [0, 0, 2, -75], [0, 0, 0, 1.0]])
    grid = Grid((75, 78, 75), affine)
    x = apply_affine(affine, np.moveaxis(np.indices(grid.shape), 0, -1))
    r = np.linalg.norm(x, axis=-1)
    labels = np.select([r < 20, (r < 60) & (x[..., 1] < 0), r < 60, r < 70], [1, 4, 2, 3], 0)
    return Regions(labels.astype(np.uint8), grid, TABLE)


def ball(centre, radius, spacing=1.0):
    grid = Grid((30, 30, 30), np.diag([spacing, spacing, spacing, 1.0]))
    affine = grid.affine.copy()
    affine[:3, 3] = np.array(centre) - 14.5 * spacing
    grid = Grid(grid.shape, affine)
    x = apply_affine(affine, np.moveaxis(np.indices(grid.shape), 0, -1)) - centre
    return points_of(np.linalg.norm(x, axis=-1) < radius, grid)


@pytest.mark.parametrize("away", [30.0, 35.0, 45.0])
def test_distances_are_those_of_spheres(shells, away):
    points = ball((0, away, 0), 5)
    assert shells.distance_mm(points, "ventricle", 0.5) == pytest.approx(away - 5 - 20, abs=1.0)
    assert shells.distance_mm(points, "cortex", 0.5) == pytest.approx(60 - away - 5, abs=1.0)


def test_what_touches_has_no_distance(shells):
    assert shells.distance_mm(ball((0, 22, 0), 5), "ventricle", 0.5) == 0
    assert shells.distance_mm(ball((60, 0, 0), 5), "cortex", 0.5) == 0


def test_a_map_without_a_tissue_knows_no_distance(shells):
    bare = Regions(shells.labels, shells.grid, {2: TABLE[2]})
    assert np.isnan(bare.distance_mm(ball((0, 30, 0), 5), "ventricle", 0.5))


def test_lobe_and_tissue_are_what_most_voxels_say(shells):
    there = shells.at(ball((0, 40, 0), 6))
    assert (most([r.lobe for r in there]), most([r.tissue for r in there])) == ("frontal", "white")
    assert most([r.lobe for r in shells.at(ball((0, -40, 0), 6))]) == "parietal"
    assert shells.at(ball((0, 0, 300), 6)) == []
    assert most([]) == most(["", ""]) == ""


def test_the_side_is_that_of_the_plane():
    plane = midplane_of(np.diag([-1.0, 1, 1, 1]))
    assert side_of(ball((20, 0, 0), 5), plane) == "right"
    assert side_of(ball((-20, 0, 0), 5), plane) == "left"
    assert side_of(ball((1, 0, 0), 5), plane) == "both"
    assert side_of(ball((4.5, 0, 0), 5), plane) == "right"  # 3 % of it is left


def test_a_tilted_plane_beside_the_origin():
    normal = np.array([np.cos(0.2), np.sin(0.2), 0])
    reflection = np.eye(4)
    reflection[:3, :3] -= 2 * np.outer(normal, normal)
    reflection[:3, 3] = 2 * 7 * normal
    plane = midplane_of(reflection)
    np.testing.assert_allclose(plane, [*normal, -7], atol=1e-12)
    np.testing.assert_allclose(midplane_of(reflection, -normal), -plane, atol=1e-12)


def test_a_large_lesion_is_looked_up_evenly():
    grid = Grid((40, 40, 40), np.eye(4))
    points = points_of(np.ones(grid.shape, bool), grid)
    assert len(np.unique(points, axis=0)) == MOST_POINTS
    np.testing.assert_allclose(points.mean(0), 19.5, atol=0.5)
    np.testing.assert_allclose(points.std(0), 40 / np.sqrt(12), atol=0.3)
    assert len(every(np.arange(7))) == 7


def test_how_far_from_healthy_people():
    grid = Grid((4, 4, 4), np.eye(4))
    spread = np.full(grid.shape, 0.1, np.float32)
    spread[0] = 0
    normal = Normal(np.full(grid.shape, 0.8, np.float32), spread, grid)
    points = np.array([[1.0, 1, 1], [2.1, 2, 2], [0, 0, 0]])
    assert normal.z(points, np.array([1.0, 1.2, 9], np.float32)) == pytest.approx(3.0)
    assert np.isnan(normal.z(points[2:], np.ones(1, np.float32)))
    assert np.isnan(normal.z(points + 50, np.ones(3, np.float32)))
