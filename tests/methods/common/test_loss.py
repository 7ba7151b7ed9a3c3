from math import log

import pytest
import torch

from sanum.methods.common.loss import brain_volume, gradient, l1, l1_of_gradient, overlap, reconstruction


def line(*values):
    """Volume (1, 1, n, 1, 1)."""
    return torch.tensor(values, dtype=torch.float32).reshape(1, 1, -1, 1, 1)


def volume(*values):
    """Brain's volume of each sample, (B,)."""
    return torch.tensor(values, dtype=torch.float32)


ONE = volume(1)


def test_reconstruction():
    # 1·|1 − 0| + 2·|3 − 5| = 5, per 10 voxels
    loss = reconstruction(line(1, 3), line(0, 5), line(1, 2), volume(10))
    assert loss.item() == pytest.approx(0.5)


def test_gradient():
    # errors 1, −2, 4: differences −3, 6, weighed by the voxel after: 2·3 + 7·6 = 48, over 3 axes × 8
    loss = gradient(line(1, -2, 4), line(0, 0, 0), line(1, 2, 7), volume(8))
    assert loss.item() == pytest.approx(2.0)


def test_gradient_leaves_out_pairs_that_cross_the_border():
    # differences 5, −3, 4; the first and the second voxel lie inside
    assert gradient(line(1, 6, 3, 7), line(0, 0, 0, 0), line(1, 1, 0, 0), ONE).item() == pytest.approx(5 / 3)


def test_gradient_looks_along_every_axis():
    x = torch.randn(1, 1, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    turned = x.permute(0, 1, 4, 2, 3)
    one, zero = torch.ones_like, torch.zeros_like
    torch.testing.assert_close(
        gradient(x, zero(x), one(x), ONE), gradient(turned, zero(turned), one(turned), ONE)
    )
    assert gradient(x + 7, x, one(x), ONE).item() == pytest.approx(0, abs=1e-4)


def test_overlap():
    # logits 0, 0: p = ½; entropy 2·log 2 per 2 voxels; Dice (2·½ + 100)/(1 + 1 + 100)
    loss = overlap(line(0, 0), line(1, 0), volume(2))
    assert loss.item() == pytest.approx(log(2) + 1 - 101 / 102, rel=1e-5)


def test_overlap_of_the_truth_and_of_nothing_is_0():
    for mask in (line(1, 0, 1), line(0, 0, 0)):
        assert overlap(60 * (mask - 0.5), mask, ONE).item() == pytest.approx(0, abs=1e-4)


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
