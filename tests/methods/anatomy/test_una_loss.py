from dataclasses import fields
from math import exp, log

import pytest
import torch

from sanum.methods.anatomy.una.loss import (
    Weights,
    contrast,
    kappa,
    laplace,
    objective,
    whole,
)
from sanum.methods.anatomy.una.model import UnaPrediction
from sanum.methods.common.loss import gradient, overlap, reconstruction


def line(*values):
    """Volume (1, 1, n, 1, 1)."""
    return torch.tensor(values, dtype=torch.float32).reshape(1, 1, -1, 1, 1)


def volume(*values):
    """Brain's volume of each sample, (B,)."""
    return torch.tensor(values, dtype=torch.float32)


ONE = volume(1)


def test_published_by_default():
    w = Weights()
    assert (w.lambda_p, w.lambda_c, w.lambda_gradient) == (1, 2, 1)
    assert (w.alpha, w.beta, w.gamma) == (1, 1, 1)


def test_kappa():
    p = line(0, 0.5, 1)
    # synthetic: (1 − 0·P) + λp·P;  real: 1 − P
    torch.testing.assert_close(kappa(p), line(1, 1.5, 2))
    torch.testing.assert_close(kappa(p, lambda_p=3.0), line(1, 2.5, 4))
    torch.testing.assert_close(kappa(p, real=1.0, lambda_p=3.0), line(1, 0.5, 0))


def test_whole():
    # B = ½, ½, 1: (½·2 − 1)² + (½·1 − 0)² + (3 − 1)² = 4.25, per 2 voxels
    loss = whole(line(2, 1, 3), line(0, 0, 60), line(1, 0, 1), line(1, 1, 1), volume(2))
    assert loss.item() == pytest.approx(2.125)
    # the third voxel's target is not known: 0.25 per 2
    assert whole(line(2, 1, 3), line(0, 0, 60), line(1, 0, 1), line(1, 1, 0), volume(2)).item() == 0.125


def test_contrast():
    # Î = 2, 1; M = 0.5, 1; I = 1, 3 over both voxels, temperatures 1: A = e^1 + e^1, B = e^2 + e^3
    t1w, mirrored, scan = line(2, 1), line(0.5, 1), line(1, 3)
    both = line(1, 1) > 0
    a, b = 2 * exp(1), exp(2) + exp(3)
    assert contrast(t1w, scan, mirrored, both).item() == pytest.approx(-log(a / (a + b)), rel=1e-6)
    # α = 2, β = ½, γ = 4 over the second voxel alone: e^½ / (e^2 + e^¾)
    loss = contrast(t1w, scan, mirrored, line(0, 1) > 0, alpha=2, beta=0.5, gamma=4)
    assert loss.item() == pytest.approx(-log(exp(0.5) / (exp(2) + exp(0.75))), rel=1e-6)


def test_contrast_pulls_towards_the_mirror_image():
    t1w = line(0.5, 0.5, 0.5).requires_grad_()
    where = line(1, 1, 0) > 0
    contrast(t1w, line(0.2, 0.9, 0.1), line(0.8, 0.6, 0.9), where).backward()
    down = -t1w.grad.flatten()
    assert down[0] > 0  # the mirror image is brighter than the scan
    assert down[1] < 0
    assert down[2] == 0  # not of Ω'


def test_contrast_of_nothing_is_0_with_a_gradient_of_0():
    t1w = torch.cat([line(0.5, 1), line(0.5, 1)]).requires_grad_()
    where = torch.cat([line(0, 0), line(1, 0)]) > 0
    loss = contrast(t1w, t1w.detach() + 1, t1w.detach() * 2, where)
    assert loss[0] == 0
    assert loss[1] > 0
    loss.sum().backward()
    assert t1w.grad[0].abs().sum() == 0
    assert torch.isfinite(t1w.grad).all()


def test_contrast_of_huge_intensities_is_finite():
    t1w = line(300.0, -300.0).requires_grad_()
    loss = contrast(t1w, line(200, 100), line(100, 200), line(1, 1) > 0)
    loss.sum().backward()
    assert torch.isfinite(loss).all()
    assert torch.isfinite(t1w.grad).all()


def test_laplace():
    # e = 2, b = e^1: 2/e + 1; the second voxel lies outside the brain
    loss = laplace(line(2, 9), line(0, 0), line(1, 1), line(1, 0), volume(4))
    assert loss.item() == pytest.approx((2 * exp(-1) + 1) / 4, rel=1e-6)


def test_laplace_is_least_where_the_scale_is_the_error():
    e = 0.3
    scales = torch.linspace(-4, 1, 501)
    losses = torch.stack([laplace(line(e), line(0), line(s), line(1), ONE) for s in scales.tolist()])
    assert scales[losses.argmin()].item() == pytest.approx(log(e), abs=0.02)


def test_laplace_does_not_train_the_image():
    t1w, scale = line(2.0).requires_grad_(), line(0.5).requires_grad_()
    laplace(t1w, line(0), scale, line(1), ONE).backward()
    assert t1w.grad is None
    assert scale.grad is not None


def make(samples=1, size=12):
    g = torch.Generator().manual_seed(0)
    shape = (samples, 1, size, size, size)
    heads = [torch.randn(shape, generator=g).requires_grad_() for _ in range(4)]
    guess = torch.rand((samples, 2, size, size, size), generator=g)
    mask = torch.rand(shape, generator=g).round()
    batch = {
        "t1w": torch.rand(shape, generator=g),
        "p": mask * torch.rand(shape, generator=g),
        "lesion": mask,
        "mirrored": torch.rand(shape, generator=g).round(),
        "brain": (torch.rand(shape, generator=g) > 0.2).float(),
        "real": torch.zeros(samples),
    }
    return UnaPrediction(*heads, guess), batch


def part(prediction, batch, index):
    """One sample of a batch."""
    one = slice(index, index + 1)
    return (
        UnaPrediction(*(getattr(prediction, f.name)[one] for f in fields(UnaPrediction))),
        {k: v[one] for k, v in batch.items()},
    )


def test_objective_is_the_weighted_sum():
    prediction, batch = make()
    w = Weights(lambda_p=3, lambda_c=0.5, whole=4, anomaly=0.6, brain=0.7, uncertainty=0.05)
    loss, values = objective(prediction, batch, w)
    inside = batch["brain"].sum().reshape(1)
    weight = kappa(batch["p"], lambda_p=3) * batch["brain"]
    t1w, target = prediction.t1w, batch["t1w"]
    where = (batch["lesion"] > 0) & (batch["mirrored"] == 0)
    expected = {
        "recon": reconstruction(t1w, target, weight, inside),
        "gradient": gradient(t1w, target, weight, inside),
        "contrast": 0.5 * contrast(t1w, prediction.guess[:, :1], prediction.guess[:, 1:], where),
        "whole": 4 * whole(t1w, prediction.brain, target, torch.ones_like(t1w), inside),
        "anomaly": 0.6 * overlap(prediction.anomaly, batch["lesion"], inside),
        "brain": 0.7 * overlap(prediction.brain, batch["brain"], inside),
        "uncertainty": 0.05 * laplace(t1w, target, prediction.log_scale, batch["brain"], inside),
    }
    assert values.keys() == expected.keys()
    for name, term in expected.items():
        torch.testing.assert_close(values[name], term[0].detach(), msg=name)
    assert loss.item() == pytest.approx(sum(v.item() for v in values.values()), rel=1e-5)
    loss.backward()
    heads = (prediction.t1w, prediction.anomaly, prediction.brain, prediction.log_scale)
    assert all(x.grad.abs().sum() > 0 for x in heads)


def test_objective_is_the_mean_over_samples():
    prediction, batch = make(samples=3, size=6)
    batch["real"][1] = 1
    loss, _ = objective(prediction, batch)
    alone = [objective(*part(prediction, batch, i))[0] for i in range(3)]
    torch.testing.assert_close(loss, torch.stack(alone).mean())


def test_what_lies_behind_a_real_lesion_is_not_asked_for():
    prediction, batch = make()
    batch["p"] = batch["lesion"].clone()
    batch["real"] = torch.ones(1)
    other = {**batch, "t1w": torch.where(batch["lesion"] > 0, 7.0, batch["t1w"])}
    assert objective(prediction, batch)[0] == objective(prediction, other)[0]
    batch["real"] = other["real"] = torch.zeros(1)
    assert objective(prediction, batch)[0] != objective(prediction, other)[0]


def test_objective_without_a_brain_is_finite():
    prediction, batch = make()
    loss, _ = objective(prediction, {k: torch.zeros_like(v) for k, v in batch.items()})
    assert torch.isfinite(loss)
