"""Equations and layers of the variational autoencoder."""

from dataclasses import replace
from typing import get_args

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from sanum.methods.anomaly2d.vae.loss import distance, kl_from_standard, objective
from sanum.methods.anomaly2d.vae.maps import MapKind, map_of
from sanum.methods.anomaly2d.vae.model import Vae
from sanum.methods.anomaly2d.vae.recipe import RECIPES, VAE

DRAWN = torch.Generator().manual_seed(0)
IMAGE = torch.rand(2, 3, 16, 16, generator=DRAWN) * 2 - 1
VALID = torch.ones(2, 1, 16, 16)


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Vae(3, 16, (8, 16), code=6).eval()


def test_the_divergence_is_that_of_torch_distributions():
    mu, log_sigma = torch.randn(5, 7, generator=DRAWN), torch.randn(5, 7, generator=DRAWN)
    slow = kl_divergence(Normal(mu, log_sigma.exp()), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(kl_from_standard(mu, log_sigma), slow)
    assert kl_from_standard(torch.zeros(1, 3), torch.zeros(1, 3)).item() == 0


def test_the_network_is_that_of_the_paper():
    faithful = RECIPES["vae-faithful"]
    net = faithful.build(1).eval()
    assert faithful.picture.size == 128
    assert net.encode[:5](torch.zeros(1, 1, 128, 128)).shape == (1, 16, 8, 8)
    assert net.mu.in_features == 1024
    assert [block[0].kernel_size for block in net.encode[:4]] == [(5, 5)] * 4
    assert [block[0].out_channels for block in net.encode[:4]] == [32, 64, 128, 128]
    assert [block[0].out_channels for block in net.decode[4:8]] == [128, 64, 32, 32]
    made, mu, log_sigma = net(torch.zeros(2, 1, 128, 128))
    assert (made.shape, mu.shape, log_sigma.shape) == ((2, 1, 128, 128), (2, 128), (2, 128))
    assert (faithful.batch_size, faithful.loop.learning_rate, faithful.loop.betas) == (8, 1e-4, (0.5, 0.999))


def test_the_code_is_drawn_in_training_only(net):
    assert torch.equal(net(IMAGE)[0], net(IMAGE)[0])
    net.train()
    made = []
    for part in net.modules():
        if isinstance(part, torch.nn.Dropout | torch.nn.BatchNorm2d):
            part.eval()
    for _ in range(2):
        made.append(net(IMAGE)[0])
    assert not torch.equal(*made)


def test_drawn_codes_have_the_distribution_that_is_said():
    """The standard deviation of 20,000 codes of one image, by a decoder that copies the code."""
    net = Vae(1, 8, (8,), code=4, dropout=0.0).eval()
    net.decode = torch.nn.Identity()
    image = torch.rand(1, 1, 8, 8, generator=DRAWN)
    _, mu, log_sigma = net(image)
    net.training = True  # of the network alone: its batch norms stay as they are
    torch.manual_seed(0)
    codes = net(image.expand(20_000, -1, -1, -1))[0]
    torch.testing.assert_close(codes.mean(0), mu[0], atol=0.05, rtol=0)
    torch.testing.assert_close(codes.std(0), log_sigma[0].exp(), rtol=0.03, atol=0)


def test_the_objective_is_distance_and_divergence(net):
    answer = net(IMAGE)
    value, terms = objective(IMAGE, answer, VALID, 0.5)
    slow = (answer[0] - IMAGE).abs().sum() / 2 + 0.5 * kl_from_standard(*answer[1:]).mean()
    torch.testing.assert_close(value, slow)
    torch.testing.assert_close(sum(terms.values()), value)


def test_what_is_not_valid_has_no_say_in_distance():
    valid = VALID.clone()
    valid[..., :8] = 0
    wrong = IMAGE.clone()
    wrong[..., :8] += 9
    assert distance(IMAGE, wrong, valid).tolist() == [0, 0]


@pytest.mark.parametrize("kind", ["elbo", "kl", "reconstruction"])
def test_gradient_maps_are_differences_of_the_loss(net, kind):
    """By central differences in float64, at some pixels."""
    net, image, valid = net.double(), IMAGE.double(), VALID.double()

    def loss(x):
        made, mu, log_sigma = net(x)
        away, kl = distance(x, made, valid), kl_from_standard(mu, log_sigma)
        return {"elbo": away + 0.3 * kl, "kl": kl, "reconstruction": away}[kind]

    found = map_of(net, image, valid, kind, 0.3)
    step = 1e-6
    with torch.no_grad():
        for row, column in ((0, 0), (7, 9), (15, 3)):
            rows = []
            for channel in range(3):
                move = torch.zeros_like(image)
                move[:, channel, row, column] = step
                rows.append((loss(image + move) - loss(image - move)) / (2 * step))
            slow = torch.stack(rows).abs().mean(0)
            torch.testing.assert_close(found[:, row, column], slow, rtol=1e-5, atol=1e-7)


def test_the_other_maps(net):
    made = net(IMAGE)[0]
    residual, bright = (map_of(net, IMAGE, VALID, kind) for kind in ("residual", "bright"))
    torch.testing.assert_close(residual, (IMAGE - made).abs().mean(1))
    torch.testing.assert_close(bright, (IMAGE - made).clamp_min(0).mean(1))
    combined = map_of(net, IMAGE, VALID, "combined")
    torch.testing.assert_close(combined, residual * map_of(net, IMAGE, VALID, "kl"))


@pytest.mark.parametrize("kind", get_args(MapKind))
def test_every_map_can_be_had_where_gradients_are_off(net, kind):
    recipe = replace(VAE, map=kind, kl_weight=0.5)
    with torch.inference_mode():
        maps, score = recipe.respond(net, IMAGE * 1, VALID[:, 0] > 0)
    assert maps.shape == (2, 16, 16)
    assert torch.isfinite(maps).all()
    assert maps.max() > 0
    value, _ = objective(IMAGE, net(IMAGE), VALID, 0.5)
    assert score.mean().item() == pytest.approx(value.item() / (3 * 16 * 16), rel=1e-5)
