"""Half of a map."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sanum.space.grid import Grid, apply_affine
from sanum.space.halfway import half_of, halfway_grid


def screw(degrees, shift):
    out = np.eye(4)
    out[:3, :3] = Rotation.from_rotvec(np.deg2rad(degrees) * np.array([0.36, 0.48, 0.8])).as_matrix()
    out[:3, 3] = shift
    return out


@pytest.mark.parametrize("degrees", [0, 1e-3, 12, 90, 170])
def test_twice_the_half_is_the_whole(degrees):
    whole = screw(degrees, (9, -40, 3))
    half = half_of(whole)
    np.testing.assert_allclose(half @ half, whole, atol=1e-9)
    np.testing.assert_allclose(half[:3, :3] @ half[:3, :3].T, np.eye(3), atol=1e-9)  # rigid as well
    turn = Rotation.from_matrix(half[:3, :3]).magnitude()
    assert np.rad2deg(turn) == pytest.approx(degrees / 2, abs=1e-6)


def test_the_half_of_the_way_back_leads_back():
    whole = screw(25, (1, 2, 3)) @ np.diag([1.1, 0.95, 1.02, 1])
    np.testing.assert_allclose(half_of(np.linalg.inv(whole)), np.linalg.inv(half_of(whole)), atol=1e-9)


@pytest.mark.parametrize("world", [np.diag([-1.0, 1, 1, 1]), screw(180, (0, 0, 0))])
def test_what_has_no_half(world):
    if np.linalg.det(world) > 0:
        world = world @ screw(0, (1, 1, 1))
        world[:3, :3] = np.diag([-1.0, -1, 1])
    with pytest.raises(ValueError, match="has no half"):
        half_of(world)


def test_a_grid_holds_all_boxes():
    one = Grid((5, 6, 7), np.diag([2.0, 2, 2, 1]))
    other = Grid((3, 3, 3), screw(30, (-40, 10, 0)) @ np.diag([0.8, 0.8, 3, 1]))
    grid = halfway_grid([one, other], 0.8)
    np.testing.assert_allclose(grid.spacing_mm, 0.8)
    for part in (one, other):
        corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
        index = apply_affine(np.linalg.inv(grid.affine) @ part.affine, corners * (np.array(part.shape) - 1))
        assert (index >= 3).all()
        assert (index <= np.array(grid.shape) - 4).all()
    assert halfway_grid([one], 4.0).spacing_mm.tolist() == [1, 1, 1]
    assert halfway_grid([one], 0.1).spacing_mm.tolist() == [0.5, 0.5, 0.5]
