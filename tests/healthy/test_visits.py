"""Two visits of planted lesions, on grids that differ, with the head somewhere else."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sanum.healthy.lesions import found_in, rows_of
from sanum.healthy.visits import Visit, compared
from sanum.scan import Scan, ScanError
from sanum.space.grid import Grid, apply_affine

from .heads import points

WORLD = np.eye(4)
WORLD[:3, :3] = Rotation.from_euler("xyz", [8, -5, 20], degrees=True).as_matrix()
WORLD[:3, 3] = 6, -11, 4
BEFORE = {"stable": 5.0, "grown": 4.0, "shrunk": 6.0, "vanished": 4.5}
NOW = {"stable": 5.0, "grown": 6.0, "shrunk": 4.0, "new": 4.5}
AT = {
    "stable": (-30, 0, 0),
    "grown": (0, 20, 10),
    "shrunk": (25, -10, 5),
    "vanished": (0, -30, 0),
    "new": (9, 3, 25),
}
"""Centres at the previous visit, mm."""


def visit(radii, world, spacing):
    """Balls where the head carries them, on a grid of its own."""
    shape = tuple(int(120 / s) for s in spacing)
    turn = Rotation.from_euler("zx", [12, 9], degrees=True).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag(spacing)
    affine[:3, 3] = apply_affine(world, (0, 0, 0)) - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    grid = Grid(shape, affine)
    x, mask = points(grid), np.zeros(shape, bool)
    for name, radius in radii.items():
        mask |= np.linalg.norm(x - apply_affine(world, AT[name]), axis=-1) < radius
    found = found_in(Scan(mask, affine))
    return Visit(found, grid, rows_of(found, grid))


@pytest.fixture(scope="module")
def visits():
    return visit(BEFORE, np.eye(4), (0.9, 0.9, 3.0)), visit(NOW, WORLD, (1.0, 1.2, 1.0))


def test_each_lesion_is_what_was_planted(visits):
    rows = compared(*visits, WORLD)
    assert len(rows) == 5
    for row in rows:
        place = apply_affine(WORLD, AT[row.state])
        np.testing.assert_allclose((row.x_mm, row.y_mm, row.z_mm), place, atol=0.5)
        for ml, radii in ((row.volume_ml, NOW), (row.previous_ml, BEFORE)):
            assert ml == pytest.approx(4 / 3 * np.pi * radii.get(row.state, 0) ** 3 / 1000, rel=0.15)
        assert row.change_ml == pytest.approx(row.volume_ml - row.previous_ml)
    named = {row.state: (row.ids, row.previous_ids) for row in rows}
    assert named["vanished"][0] == named["new"][1] == ""


def test_swapped_visits_swap_the_result(visits):
    there = {(row.ids, row.previous_ids): row.state for row in compared(*visits, WORLD)}
    back = {(row.previous_ids, row.ids): row.state for row in compared(*visits[::-1], np.linalg.inv(WORLD))}
    swap = {"new": "vanished", "grown": "shrunk", "stable": "stable", "shrunk": "grown", "vanished": "new"}
    assert {ids: swap[state] for ids, state in back.items()} == there


def test_a_visit_without_lesions_has_new_ones(visits):
    nothing = found_in(Scan(np.zeros((9, 9, 9), np.uint8), np.eye(4)))
    empty = Visit(nothing, Grid((9, 9, 9), np.eye(4)), ())
    assert {row.state for row in compared(empty, visits[1], WORLD)} == {"new"}
    assert {row.state for row in compared(visits[0], empty, WORLD)} == {"vanished"}
    assert compared(empty, empty, WORLD) == ()


def test_the_same_mask_is_stable(visits):
    """Down to a single voxel."""
    mask = np.zeros((20, 20, 20), np.uint8)
    mask[3, 4, 5] = mask[10:13, 10, 10] = 1
    found = found_in(Scan(mask, np.diag([0.7, 0.7, 2, 1])))
    one = Visit(found, Grid(mask.shape, np.diag([0.7, 0.7, 2, 1])), ())
    one = Visit(one.found, one.grid, rows_of(found, one.grid))
    assert [row.state for row in compared(one, one, np.eye(4))] == ["stable", "stable"]


def test_a_mirrored_head_has_no_half_way(visits):
    with pytest.raises(ScanError, match="the two visits have no half-way"):
        compared(*visits, np.diag([-1.0, 1, 1, 1]))


def with_a_voxel(grid, world, place):
    """A visit with a ball and a lesion of one voxel, where a world map has carried them from."""
    back = np.linalg.inv(world)
    mask = np.linalg.norm(points(grid) - apply_affine(back, (20, 20, 20)), axis=-1) < 6
    mask[tuple(np.rint(apply_affine(np.linalg.inv(world @ grid.affine), place)).astype(int))] = True
    found = found_in(Scan(mask, grid.affine))
    return Visit(found, grid, rows_of(found, grid))


def test_a_lesion_of_a_voxel_is_found_again_whatever_the_turn():
    """Half-way voxels may miss it, and it may be a voxel off."""
    rng = np.random.default_rng(0)
    for _ in range(6):
        turn = np.eye(4)
        turn[:3, :3] = Rotation.from_euler("xyz", rng.uniform(-20, 20, 3), degrees=True).as_matrix()
        turn[:3, 3] = rng.uniform(-5, 5, 3)
        here = Grid((60, 60, 60), np.eye(4))
        place = np.array([40.0, 30, 20])
        now = with_a_voxel(here, np.eye(4), place)
        before = with_a_voxel(here, turn, place + rng.uniform(-0.4, 0.4, 3))
        rows = compared(before, now, turn)
        assert [(row.ids, row.previous_ids, row.state) for row in rows] == [
            ("1", "1", "stable"),
            ("2", "2", "stable"),
        ]


def test_what_is_too_small_at_one_visit_alone_is_no_news():
    grid, index = Grid((60, 60, 60), np.eye(4)), np.indices((60, 60, 60)).T
    visits = []
    for radius in (2.6, 1.8):  # 0.081 and 0.033 mL; the limit is between
        mask = np.linalg.norm(index - (30, 30, 30), axis=-1) < radius
        mask |= np.linalg.norm(index - (10, 10, 10), axis=-1) < 5
        mask[50, 50, 50 if radius > 2 else 45] = True  # too small at both
        found = found_in(Scan(mask, grid.affine))
        visits.append(Visit(found, grid, rows_of(found, grid)))
    rows = compared(*visits, np.eye(4), least_ml=0.05)
    assert [(row.state, row.ids, row.previous_ids) for row in rows] == [
        ("stable", "1", "1"),
        ("shrunk", "", "2"),
    ]
    assert rows[1].volume_ml == pytest.approx(0.033, abs=0.01)
    assert len(compared(*visits, np.eye(4))) == 4
