"""Maps of twelve numbers: what each number does, and that they can be descended."""

import numpy as np
import torch

from sanum.space.affine import (
    REACH_MM,
    RIGID,
    draw_affine,
    matrix_of,
    mean_displacement_mm,
    numbers_of,
)
from sanum.space.grid import apply_affine

CENTRE = torch.tensor([10.0, -20.0, 30.0], dtype=torch.float64)


def one(place, value):
    numbers = torch.zeros(12, dtype=torch.float64)
    numbers[place] = value
    return matrix_of(numbers, CENTRE).numpy()


def test_zeros_are_the_identity():
    np.testing.assert_allclose(one(0, 0.0), np.eye(4), atol=1e-15)


def test_each_number_is_about_a_millimetre_at_the_reach():
    """Of a point that it moves: all but the shifts leave the centre where it is."""
    for place in range(12):
        world = one(place, 0.5)
        centre = CENTRE.numpy()
        moved = np.linalg.norm(world[:3, :3] @ centre + world[:3, 3] - centre)
        np.testing.assert_allclose(moved, 0.5 if 3 <= place < 6 else 0, atol=1e-12)
        axis = {0: 1, 1: 2, 2: 0, 9: 1, 10: 2, 11: 2}.get(place, place % 3)
        point = centre + REACH_MM * np.eye(3)[axis]
        away = np.linalg.norm(world[:3, :3] @ point + world[:3, 3] - point)
        np.testing.assert_allclose(away, 0.5, rtol=0.01)


def test_a_turn_is_right_handed_and_keeps_lengths():
    world = one(2, np.pi / 2 * REACH_MM)
    np.testing.assert_allclose(world[:3, :3], [[0, -1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-12)


def test_draws_stay_in_their_range_and_depend_on_the_generator_alone():
    rng = np.random.default_rng(3)
    drawn = np.array([draw_affine(rng, shift_mm=20, turn_deg=30, scale=0.1, shear=0.05) for _ in range(200)])
    turn, shift, scale, shear = np.split(drawn, 4, 1)
    assert np.linalg.norm(turn, axis=1).max() <= np.deg2rad(30) * REACH_MM
    assert 15 < np.linalg.norm(shift, axis=1).max() <= 20
    assert abs(scale).max() <= 0.1 * REACH_MM
    assert abs(shear).max() <= 0.05 * REACH_MM
    again = draw_affine(np.random.default_rng(3), shift_mm=20, turn_deg=30, scale=0.1, shear=0.05)
    np.testing.assert_array_equal(drawn[0], again)


def test_displacement_of_a_shift_is_its_length():
    world = one(4, -7.0)
    assert mean_displacement_mm(world, np.eye(4), np.random.default_rng(0).normal(0, 50, (9, 3))) == 7.0


def test_numbers_of_a_map_are_found_again():
    numbers = draw_affine(np.random.default_rng(5), shift_mm=30, turn_deg=100, scale=0.2, shear=0.2)
    centre = np.array([5.0, -20.0, 11.0])
    world = matrix_of(torch.tensor(numbers), torch.tensor(centre)).numpy()
    np.testing.assert_allclose(numbers_of(world, centre), numbers, atol=1e-9)
    near = numbers_of(world, centre, rigid=True)
    assert not near[RIGID:].any()
    turned = matrix_of(torch.tensor(near), torch.tensor(centre)).numpy()
    np.testing.assert_allclose(turned[:3, :3] @ turned[:3, :3].T, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(apply_affine(turned, centre), apply_affine(world, centre), atol=1e-9)
    assert np.linalg.det(turned[:3, :3]) > 0
