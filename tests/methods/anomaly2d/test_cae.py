"""Equations and layers of the convolutional autoencoder."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from sanum.methods.anomaly2d.cae.model import DenseAutoencoder
from sanum.methods.anomaly2d.cae.recipe import CAE, RECIPES
from sanum.methods.common.residual import residual, squared_error
from sanum.nets.strided import Doubling, Halving


def test_the_network_is_that_of_the_study():
    torch.manual_seed(0)
    net = CAE.build(1)
    x = torch.rand(2, 1, 64, 64)
    assert net.encode(x).shape == (2, 512, 2, 2)
    assert net.to_code(net.encode(x).flatten(1)).shape == (2, 128)
    assert net(x).shape == x.shape
    kinds = [[type(layer) for layer in block] for block in net.encode]
    rest = [nn.BatchNorm2d, nn.LeakyReLU, nn.Dropout2d]
    assert kinds == [[Halving, *rest[1:]], *[[Halving, *rest]] * 4]
    back = [[type(layer) for layer in block] for block in list(net.decode)[:-1]]
    assert back == [*[[Doubling, *rest]] * 3, [Doubling, *rest[1:]]]
    assert [type(layer) for layer in net.to_code] == [nn.Linear, nn.LeakyReLU, nn.Dropout, nn.BatchNorm1d]
    assert [block[0].out_channels for block in net.encode] == [32, 64, 128, 256, 512]


def test_dropout_of_the_code_leaves_out_numbers_and_no_whole_image():
    net = DenseAutoencoder(1, 16, (4, 8), 64, 0.25).to_code
    (drop,) = (layer for layer in net if isinstance(layer, nn.Dropout))
    torch.manual_seed(0)
    kept = drop.train()(torch.ones(200, 64)) > 0
    assert kept.float().mean(1).min() > 0.6


def test_the_optimizer_is_that_of_the_study():
    loop = RECIPES["cae-faithful"].loop
    assert (loop.optimizer, loop.learning_rate, loop.betas, loop.steps) == (
        "adam",
        2e-4,
        (0.5, 0.999),
        10_000,
    )
    assert (CAE.batch_size, loop.weight_decay, loop.ema, loop.warmup) == (30, 0, 0, 0)
    assert CAE.loop == replace(loop, steps=2_500)
    assert loop.save_every <= 500  # what a crash may cost
    assert RECIPES["cae-faithful"].picture.signed is False
    assert CAE.picture.signed is True
    assert (CAE.seen(torch.tensor(0.0)), CAE.seen(torch.tensor(1.0))) == (-1, 1)


def test_errors_are_means_over_valid_pixels():
    x, made = torch.zeros(2, 3, 4, 4), torch.ones(2, 3, 4, 4)
    made[:, 1] = 3
    valid = torch.zeros(2, 1, 4, 4)
    valid[:, :, 0] = 1
    made[:, :, 1:] = 100
    assert squared_error(x, made, valid).tolist() == pytest.approx([11 / 3] * 2)
    assert residual(x, made)[0, 0].tolist() == pytest.approx([5 / 3] * 4)


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(
        ValueError, match=r"picture\.size is 24 and is halved 5 times: make it a multiple of 32"
    ):
        DenseAutoencoder(1, 24, (4,) * 5)
