"""Blocks of 2-D autoencoders."""

import pytest
import torch

from sanum.nets.strided import SMALL, Doubling, Halving


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize(
    ("layer", "side"), [(Halving, SMALL), (Halving, 2 * SMALL), (Doubling, SMALL // 2), (Doubling, SMALL)]
)
def test_small_maps_are_computed_otherwise_and_give_the_same(layer, side, kernel):
    torch.manual_seed(0)
    one, x = layer(6, 5, kernel), torch.randn(3, 6, side, side, requires_grad=True)
    found = []
    for training in (True, False):
        made = one.train(training)(x)
        gradients = torch.autograd.grad(made.square().sum(), [x, *one.parameters()])
        found.append([made, *gradients])
    for quick, plain in zip(*found, strict=True):
        torch.testing.assert_close(quick, plain, rtol=1e-5, atol=1e-5)
