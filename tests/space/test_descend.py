"""Finding a map again that was put between two images."""

import numpy as np
import pytest
import torch

from sanum.space.affine import REACH_MM, draw_affine, matrix_of, mean_displacement_mm
from sanum.space.descend import LEAST_SHARE, LEVELS, Resolution, cost_of, descend, moved, starts_of, volume_of
from sanum.space.grid import Grid, apply_affine
from sanum.space.resample import resample
from sanum.space.similarity import MutualInformation, NormalizedGradients


def test_a_map_moves_voxels_as_resampling_does(phantom):
    """The oracle is `space.resample`, which knows no unit cube."""
    numbers = draw_affine(np.random.default_rng(0), shift_mm=10, turn_deg=20, scale=0.1, shear=0.1)
    world = matrix_of(torch.tensor(numbers)[None], torch.tensor(phantom.grid.centre_mm))
    fixed, moving = (volume_of(phantom.voxels, phantom.grid, mm) for mm in (6.0, 5.0))
    image, _ = moved(fixed, moving, world)
    back = Grid(tuple(moving.size), np.linalg.inv(world[0].numpy()) @ moving.affine)
    grid = Grid(tuple(fixed.size), fixed.affine)
    expected = resample(moving.image[0, 0].numpy(), back, grid, antialias=False)
    np.testing.assert_allclose(image[0, 0].numpy(), expected, atol=2e-3)


def test_little_overlap_costs(phantom):
    volume = volume_of(phantom.voxels, phantom.grid, 8.0)
    numbers = torch.zeros(2, 12)
    numbers[1, 3] = 200.0
    cost, share = cost_of(volume, volume, matrix_of(numbers, torch.zeros(3)), MutualInformation())
    assert float(share[0]) > 0.99
    assert float(share[1]) < LEAST_SHARE
    assert float(cost[1]) > 1.0 > float(cost[0])


@pytest.mark.parametrize("measure", [MutualInformation(), NormalizedGradients()])
def test_a_turned_head_of_another_contrast_is_found_again(icbm152_2mm, measure):
    """Within a coarse voxel, from 14 mm and 17 degrees."""
    scan = icbm152_2mm
    other = np.where(scan.voxels > 0, scan.voxels.max() - scan.voxels, 0)  # white matter dark, fluid bright
    turn = np.deg2rad([10, -6, 12]) * REACH_MM
    numbers = np.concatenate([turn, [9, -8, 7], np.zeros(6)])
    centre = torch.tensor(scan.grid.centre_mm)
    truth = matrix_of(torch.tensor(numbers), centre).numpy()
    grid = Grid(scan.grid.shape, truth @ scan.affine)
    pair = volume_of(scan.voxels, scan.grid, 8.0), volume_of(other, grid, 8.0)
    starts = starts_of([np.zeros(3)])[:3]
    level = Resolution(LEVELS[0].spacing_mm, 3, 40, 3.0)
    found, costs = descend(*pair, starts, centre.float(), measure, level)
    world = matrix_of(found[costs.argmin()].double(), centre).numpy()
    points = apply_affine(scan.affine, np.argwhere(scan.voxels > 0)[::500])
    assert mean_displacement_mm(truth, np.eye(4), points) > 10
    assert mean_displacement_mm(world, truth, points) < 6


def test_a_constant_image_is_refused():
    with pytest.raises(ValueError, match="one value everywhere"):
        volume_of(np.ones((9, 9, 9)), Grid((9, 9, 9), np.eye(4)), 2.0)
