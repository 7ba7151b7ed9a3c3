import torch
from torch import nn

from sanum.learn.memory import available, kept_by_autograd, largest_shape, need


def test_what_is_kept_by_hand():
    """x·w keeps x (w is the model's own); its square keeps itself; a second use of x costs nothing."""
    net = nn.Linear(10, 10, bias=False)
    x = torch.zeros(50, 10)
    assert kept_by_autograd(net, lambda: net(x).square().sum()) == 2 * 50 * 10 * 4
    assert kept_by_autograd(net, lambda: (net(x) + net(x)).square().sum()) == 2 * 50 * 10 * 4


def test_twice_the_voxels_need_twice_the_activations():
    fixed = need(1000, 0.0, (8, 8, 8), 1)
    assert need(1000, 400.0, (16, 8, 8), 1) - fixed == 2 * (need(1000, 400.0, (8, 8, 8), 1) - fixed)
    assert need(1000, 400.0, (8, 8, 8), 2) == need(1000, 400.0, (16, 8, 8), 1)


def test_the_largest_box_that_fits():
    def fits(shape):
        return shape[0] * shape[1] * shape[2] <= 64 * 80 * 64

    assert largest_shape((80, 96, 80), 16, fits) == (64, 80, 64)
    assert largest_shape((80, 96, 80), 16, lambda _: False) is None


def test_memory_is_told_where_it_is_known():
    assert available(torch.device("meta")) is None
    free = available(torch.device("cpu"))
    assert free is None or 1e6 < free < 1e14
