import pytest
import torch

from sanum.methods.common.regression import brain_volume, l1, l1_of_gradient


def boxes():
    """Two samples of 4×4×4: half of each is brain, the first is wrong by 0.5 at one voxel outside of it."""
    brain = torch.zeros(2, 1, 4, 4, 4)
    brain[:, :, :2] = 1
    image = brain.clone()
    image[0, 0, 3, 0, 0] = 0.5
    return image, brain.clone(), brain


def test_errors_outside_of_the_brain_count():
    image, target, brain = boxes()
    torch.testing.assert_close(l1(image, target, brain), torch.tensor([0.5 / 32, 0.0]))
    # a corner has one neighbour along each axis
    torch.testing.assert_close(l1_of_gradient(image, target, brain), torch.tensor([3 * 0.5 / (3 * 32), 0.0]))


def test_a_box_with_hardly_any_brain_is_not_divided_by_nothing():
    assert brain_volume(torch.zeros(1, 1, 10, 10, 10)).item() == pytest.approx(20)
