from math import exp, log

import pytest
import torch

from sanum.methods.una.loss import (
    WEIGHT_ANOMALY,
    WEIGHT_BRAIN,
    WEIGHT_UNCERTAINTY,
    WEIGHT_WHOLE,
    gradient,
    kappa,
    laplace,
    objective,
    overlap,
    reconstruction,
    whole,
)
from sanum.methods.una.model import Prediction


def line(*values):
    """Volume (1, 1, n, 1, 1)."""
    return torch.tensor(values, dtype=torch.float32).reshape(1, 1, -1, 1, 1)


ONE = torch.tensor(1.0)


def test_kappa():
    p = line(0, 0.5, 1)
    # synthetic: (1 − 0·P) + 3·P;  real: 1 − P
    torch.testing.assert_close(kappa(p), line(1, 2.5, 4))
    torch.testing.assert_close(kappa(p, real=1.0), line(1, 0.5, 0))


def test_reconstruction():
    # 1·|1 − 0| + 2·|3 − 5| = 5, per 10 voxels
    loss = reconstruction(line(1, 3), line(0, 5), line(1, 2), torch.tensor(10.0))
    assert loss.item() == pytest.approx(0.5)


def test_gradient():
    # errors 1, −2, 4: differences −3, 6, weighed by the voxel after: 2·3 + 7·6 = 48, over 3 axes × 8
    loss = gradient(line(1, -2, 4), line(0, 0, 0), line(1, 2, 7), torch.tensor(8.0))
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


def test_whole():
    # B = ½, ½, 1: (½·2 − 1)² + (½·1 − 0)² + (3 − 1)² = 4.25, per 2 voxels
    loss = whole(line(2, 1, 3), line(0, 0, 60), line(1, 0, 1), torch.tensor(2.0))
    assert loss.item() == pytest.approx(2.125)


def test_overlap():
    # logits 0, 0: p = ½; entropy 2·log 2 per 2 voxels; Dice (2·½ + 100)/(1 + 1 + 100)
    loss = overlap(line(0, 0), line(1, 0), torch.tensor(2.0))
    assert loss.item() == pytest.approx(log(2) + 1 - 101 / 102, rel=1e-5)


def test_overlap_of_the_truth_and_of_nothing_is_0():
    for mask in (line(1, 0, 1), line(0, 0, 0)):
        assert overlap(60 * (mask - 0.5), mask, ONE).item() == pytest.approx(0, abs=1e-4)


def test_laplace():
    # e = 2, b = e^1: 2/e + 1; the second voxel lies outside the brain
    loss = laplace(line(2, 9), line(0, 0), line(1, 1), line(1, 0), torch.tensor(4.0))
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


def make(shape=(1, 1, 12, 12, 12)):
    g = torch.Generator().manual_seed(0)
    t1w, anomaly, brain, scale = (torch.randn(shape, generator=g).requires_grad_() for _ in range(4))
    mask = torch.rand(shape, generator=g).round()
    batch = {
        "t1w": torch.rand(shape, generator=g),
        "p": mask * 0.5,
        "lesion": mask,
        "brain": torch.ones(shape),
    }
    return Prediction(t1w, anomaly, brain, scale), batch


def test_objective_is_the_weighted_sum():
    prediction, batch = make()
    loss, values = objective(prediction, batch)
    volume = torch.tensor(12.0**3)
    error = (prediction.t1w - batch["t1w"]).abs()
    assert values["recon"] == pytest.approx((kappa(batch["p"]) * error).mean().item(), rel=1e-5)
    anomaly = overlap(prediction.anomaly, batch["lesion"], volume)
    brain = overlap(prediction.brain, batch["brain"], volume)
    scale = laplace(prediction.t1w, batch["t1w"], prediction.log_scale, batch["brain"], volume)
    product = (prediction.t1w * prediction.brain.sigmoid() - batch["t1w"]) ** 2
    assert values["whole"] == pytest.approx(WEIGHT_WHOLE * product.mean().item(), rel=1e-5)
    assert values["anomaly"] == pytest.approx(WEIGHT_ANOMALY * anomaly.item(), rel=1e-5)
    assert values["brain"] == pytest.approx(WEIGHT_BRAIN * brain.item(), rel=1e-5)
    assert values["uncertainty"] == pytest.approx(WEIGHT_UNCERTAINTY * scale.item(), rel=1e-5)
    assert loss.item() == pytest.approx(sum(values.values()), rel=1e-5)
    loss.backward()
    heads = (prediction.t1w, prediction.anomaly, prediction.brain, prediction.log_scale)
    assert all(x.grad.abs().sum() > 0 for x in heads)


def test_objective_without_a_brain_is_finite():
    prediction, batch = make()
    loss, _ = objective(prediction, {k: torch.zeros_like(v) for k, v in batch.items()})
    assert torch.isfinite(loss)
