"""Equations of the deep autoencoding Gaussian mixture."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from sanum.methods.anomaly2d.dagmm.loss import objective
from sanum.methods.anomaly2d.dagmm.mixture import Mixture, energy, mixture_of
from sanum.methods.anomaly2d.dagmm.model import Dagmm
from sanum.methods.anomaly2d.dagmm.recipe import DAGMM, RECIPES
from sanum.methods.common.picture_recipe import PictureSourceOfBatches
from sanum.methods.common.squares import stack_of
from sanum.methods.common.training import finished
from sanum.scan.picture_conform import PictureConfig

RNG = np.random.default_rng(0)
POINTS = torch.from_numpy(RNG.normal(size=(40, 5)) @ RNG.normal(size=(5, 5)))
SHARES = torch.from_numpy(RNG.dirichlet(np.ones(3), size=40))
SMALL = replace(DAGMM, widths=(4, 8), code=6, batch_size=8, picture=PictureConfig(size=16))


def pictures(count):
    return np.random.default_rng(1).integers(0, 255, (count, 16, 16), dtype=np.uint8)


def test_the_gaussians_are_weighted_means_and_covariances():
    found = mixture_of(POINTS, SHARES, 1e-6)
    z = POINTS.numpy()
    for k in range(3):
        weight = SHARES[:, k].numpy()
        assert found.share[k].item() == pytest.approx(weight.mean())
        np.testing.assert_allclose(found.mean[k], np.average(z, axis=0, weights=weight))
        slow = np.cov(z.T, aweights=weight, ddof=0) + 1e-6 * np.eye(5)
        np.testing.assert_allclose(found.factor[k] @ found.factor[k].T, slow, atol=1e-12)
        np.testing.assert_allclose(found.variances[k], slow.diagonal())


def test_the_energy_is_that_of_scipy():
    found = mixture_of(POINTS, SHARES, 1e-6)
    others = RNG.normal(size=(20, 5)) * 3
    density = sum(
        share * stats.multivariate_normal(mean, factor @ factor.T).pdf(others)
        for share, mean, factor in zip(*(x.numpy() for x in vars(found).values()), strict=True)
    )
    np.testing.assert_allclose(energy(torch.from_numpy(others), found), -np.log(density), rtol=1e-9)


def test_the_energy_is_a_number_where_the_density_and_the_determinant_are_none():
    """Of the published kind, exp(−5e7) and |S| = 1e-400, both are 0 in float64."""
    flat = Mixture(torch.ones(1).double(), torch.zeros(1, 80).double(), 1e-5 * torch.eye(80).double()[None])
    assert torch.linalg.det(flat.factor[0] @ flat.factor[0].T) == 0
    away = torch.zeros(1, 80).double()
    away[0, 0] = 0.1
    slow = 0.5 * 1e4**2 + 80 * np.log(1e-5) + 40 * np.log(2 * np.pi)
    assert energy(away, flat).item() == pytest.approx(slow)


def test_one_point_and_a_gaussian_without_points_give_numbers_and_gradients():
    points = torch.zeros(1, 5, requires_grad=True)
    shares = torch.tensor([[1.0, 0.0]])
    found = mixture_of(points, shares, 1e-3)
    value = energy(points, found).sum() + found.variances.reciprocal().sum()
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(points.grad).all()


@pytest.mark.parametrize("standardise", [True, False])
def test_a_point_is_code_distance_and_cosine(standardise):
    torch.manual_seed(0)
    net = Dagmm(2, 16, (4, 8), 6, reduced=3, standardise=standardise).eval()
    image, valid = torch.rand(4, 2, 16, 16), torch.ones(4, 1, 16, 16)
    valid[:, :, 12:] = 0
    made, z, shares = net(image, valid)
    x, other = (one[:, :, :12].flatten(1).detach().numpy() for one in (image, made))
    distance = np.linalg.norm(x - other, axis=1) / np.linalg.norm(x, axis=1)
    cosine = (x * other).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(other, axis=1)
    np.testing.assert_allclose(z[:, 3].detach(), distance, rtol=1e-4)
    np.testing.assert_allclose(z[:, 4].detach(), 1 - cosine, rtol=1e-4)
    np.testing.assert_allclose(
        z[:, :3].detach(), net.reduce(net.autoencoder.code_of(image)).detach(), rtol=1e-4
    )
    np.testing.assert_allclose(shares.sum(1).detach(), 1, rtol=1e-5)


def test_the_objective_has_three_terms():
    torch.manual_seed(0)
    net = SMALL.build(1).train()
    image, valid = torch.rand(8, 1, 16, 16), torch.ones(8, 1, 16, 16)
    answer = made, z, shares = net(image, valid)
    value, terms = objective(answer, image, valid, (0.1, 0.005), 1e-3)
    found = mixture_of(z, shares, 1e-3)
    assert terms["mse"].item() == pytest.approx((made - image).square().mean().item(), rel=1e-5)
    assert terms["energy"].item() == pytest.approx(0.1 * energy(z, found).mean().item(), rel=1e-5)
    assert terms["barrier"].item() == pytest.approx(0.005 * (1 / found.variances).sum().item(), rel=1e-5)
    assert value.item() == pytest.approx(sum(terms.values()).item(), rel=1e-5)


@pytest.mark.parametrize("standardise", [True, False])
def test_after_training_the_gaussians_are_those_of_all_pictures(standardise):
    """By a loop over single pictures, in evaluation mode; 37 pictures are no multiple of 16."""
    recipe = replace(SMALL, standardise=standardise)
    stack = stack_of(pictures(37), recipe)
    torch.manual_seed(0)
    net = recipe.build(1)
    state = finished(PictureSourceOfBatches(recipe, stack), net, net.state_dict())
    other = recipe.build(1).eval()
    other.load_state_dict(state)
    with torch.no_grad():
        rows = [other(one[None] * 2 - 1, torch.ones(1, 1, 16, 16)) for one in stack.pixels]
    z, shares = (torch.cat([row[n] for row in rows]) for n in (1, 2))
    if standardise:
        np.testing.assert_allclose(z.mean(0), 0, atol=1e-4)
        np.testing.assert_allclose(z.var(0, correction=0), 1, rtol=0.01)
    slow = mixture_of(z, shares, recipe.jitter)
    np.testing.assert_allclose(state["share"], slow.share, rtol=1e-4)
    np.testing.assert_allclose(state["mean"], slow.mean, atol=1e-4)
    np.testing.assert_allclose(state["factor"], slow.factor, atol=1e-4)
    np.testing.assert_allclose(other.energy(z), energy(z, slow), rtol=1e-4)


def test_the_network_is_that_of_the_study():
    net = RECIPES["dagmm-faithful"].build(1)
    kinds = [layer.out_features for layer in net.estimate if isinstance(layer, nn.Linear)]
    assert kinds == [32, 64, 32, 4]
    assert (net.reduce.in_features, net.reduce.out_features, net.mean.shape) == (128, 3, (4, 5))
    assert not any(isinstance(part, nn.Dropout | nn.Dropout2d) and part.p for part in net.modules())
    assert (DAGMM.loop.clip, DAGMM.energy_weight, DAGMM.barrier_weight) == (5, 0.1, 0.005)


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="gaussians and reduced must be at least 1, and jitter above 0"):
        replace(DAGMM, jitter=0.0)
