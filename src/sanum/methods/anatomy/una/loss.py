"""The objective of UNA, with terms of ours: each term a pure function that gives one number per sample, (B,).

The T1w is judged inside the brain alone; where the brain ends, the brain head says, and `whole` judges the
two together. Sums over voxels are divided by the brain's volume, so that a term does not depend on the box;
the loss is the mean over samples, so that a batch may be shared out among devices.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from .model import Prediction

Tensor = torch.Tensor
_VOXELS = (1, 2, 3, 4)


@dataclass(frozen=True)
class Weights:
    """Weights and temperatures of the terms.

    Parameters
    ----------
    lambda_p, lambda_gradient, lambda_c, alpha, beta, gamma : float
        As published by default.
    whole, anomaly, brain, uncertainty : float
        Ours.
    """

    lambda_p: float = 1.0
    lambda_gradient: float = 1.0
    lambda_c: float = 2.0
    alpha: float = 1.0
    beta: float = 1.0
    gamma: float = 1.0
    whole: float = 4.0
    anomaly: float = 0.6
    brain: float = 1.0
    uncertainty: float = 0.05


def kappa(p: Tensor, real: Tensor | float = 0.0, lambda_p: float = 1.0) -> Tensor:
    """κ = (1 − d·P) + λp (1 − d) P; d = 1 for a real lesion (UNA)."""
    return (1 - real * p) + lambda_p * (1 - real) * p


def reconstruction(t1w: Tensor, target: Tensor, weight: Tensor, volume: Tensor) -> Tensor:
    """∫ κ |Î − T| / volume."""
    return (weight * (t1w - target).abs()).sum(_VOXELS) / volume


def gradient(t1w: Tensor, target: Tensor, weight: Tensor, volume: Tensor) -> Tensor:
    """∫ κ |∇Î − ∇T| / volume, forward differences between voxels of weight > 0, mean over the three axes."""
    error = t1w - target
    total = torch.zeros_like(volume)
    for d in (2, 3, 4):
        n = error.shape[d] - 1
        pairs = weight.narrow(d, 1, n) * (weight.narrow(d, 0, n) > 0)
        total = total + (pairs * error.diff(dim=d).abs()).sum(_VOXELS)
    return total / (3 * volume)


def contrast(
    t1w: Tensor,
    scan: Tensor,
    mirrored: Tensor,
    where: Tensor,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    gamma: float = 1.0,
) -> Tensor:
    """−log [ ∫ exp(Î M/α) / ∫ ( exp(Î M/β) + exp(Î I/γ) ) ] over Ω', M = φ∘Ĩ; 0 where Ω' is empty.

    Parameters
    ----------
    t1w, scan, mirrored : (B, 1, X, Y, Z)
        Î, I and M.
    where : (B, 1, X, Y, Z) bool
        Ω': lesion voxels whose mirror voxel is healthy.
    """
    some = where.any(dim=(1, 2, 3, 4))
    # of an empty set every voxel is taken, and the result not: the gradient stays finite
    outside = ~(where | ~some.view(-1, 1, 1, 1, 1))

    def log_integral(x: Tensor) -> Tensor:
        return x.masked_fill(outside, -torch.inf).flatten(1).logsumexp(dim=1)

    alike, other = t1w * mirrored, t1w * scan
    pulled = log_integral(alike / alpha)
    pushed = torch.logaddexp(log_integral(alike / beta), log_integral(other / gamma))
    return torch.where(some, pushed - pulled, 0.0)


def whole(t1w: Tensor, brain_logits: Tensor, target: Tensor, known: Tensor, volume: Tensor) -> Tensor:
    """∫ (B Î − T)² / volume over the box where the target is `known`, B the probability of brain."""
    return (known * (brain_logits.sigmoid() * t1w - target) ** 2).sum(_VOXELS) / volume


def overlap(logits: Tensor, mask: Tensor, volume: Tensor) -> Tensor:
    """Cross-entropy per brain voxel + 1 − soft Dice (100 voxels of smoothing: an empty mask is defined)."""
    entropy = F.binary_cross_entropy_with_logits(logits, mask, reduction="none").sum(_VOXELS) / volume
    p = logits.sigmoid()
    dice = (2 * (p * mask).sum(_VOXELS) + 100) / (p.sum(_VOXELS) + mask.sum(_VOXELS) + 100)
    return entropy + 1 - dice


def laplace(t1w: Tensor, target: Tensor, log_scale: Tensor, where: Tensor, volume: Tensor) -> Tensor:
    """−log of the Laplace density of the error, |e|/b + log b, over `where`; e is taken as given."""
    error = (t1w - target).detach().abs()
    return ((error * torch.exp(-log_scale) + log_scale) * where).sum(_VOXELS) / volume


def objective(
    prediction: Prediction, batch: dict[str, Tensor], weights: Weights | None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    """Mean over samples of the weighted sum of the terms, and the mean of each.

    Parameters
    ----------
    batch : dict
        Of `synth.stream.Stream`: t1w, p, lesion, mirrored, brain (B, 1, X, Y, Z) and real (B,), which is 1
        where a lesion is a patient's own: what lies behind it is not known, and not asked for.
    """
    w = weights or Weights()
    target, p, brain, lesion = batch["t1w"], batch["p"], batch["brain"], batch["lesion"]
    real = batch["real"].view(-1, 1, 1, 1, 1)
    # a cut field of view may hold little brain
    volume = brain.sum(_VOXELS).clamp_min(0.02 * brain[0].numel())
    known = 1 - real * p
    weight = kappa(p, real, w.lambda_p) * brain
    scan, mirrored = prediction.guess.split(1, dim=1)
    t1w = prediction.t1w
    terms = {
        "recon": reconstruction(t1w, target, weight, volume),
        "gradient": w.lambda_gradient * gradient(t1w, target, weight, volume),
        "contrast": w.lambda_c
        * contrast(
            t1w, scan, mirrored, (lesion > 0) & (batch["mirrored"] == 0),
            alpha=w.alpha, beta=w.beta, gamma=w.gamma,
        ),
        "whole": w.whole * whole(t1w, prediction.brain, target, known, volume),
        "anomaly": w.anomaly * overlap(prediction.anomaly, lesion, volume),
        "brain": w.brain * overlap(prediction.brain, brain, volume),
        "uncertainty": w.uncertainty * laplace(t1w, target, prediction.log_scale, brain * known, volume),
    }  # fmt: skip
    means = {name: term.mean() for name, term in terms.items()}
    return torch.stack(list(means.values())).sum(), {name: m.detach() for name, m in means.items()}
