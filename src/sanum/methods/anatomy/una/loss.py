"""The objective of UNA, with terms of ours: each term a pure function that gives one number per sample, (B,).

The T1w is compared inside the brain only. The brain head says where the brain ends, and `whole` compares the
two together. Sums over voxels are divided by the brain's volume, so that a term does not depend on the box;
the loss is the mean over samples, so that a batch may be shared out among devices.
"""

from dataclasses import dataclass

import torch

from ...common.loss import VOXELS, brain_volume, gradient, overlap, reconstruction
from .model import UnaPrediction

Tensor = torch.Tensor


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
    """κ = (1 − d·P) + λp (1 − d) P; d = 1 for a real lesion (UNA).

    Parameters
    ----------
    p : (B, 1, X, Y, Z)
        Probability P of an anomaly, in [0, 1].
    real : Tensor or float
        d: 1 where the lesion is a patient's own.
    lambda_p : float
        λp, how much more an anomaly counts.
    """
    return (1 - real * p) + lambda_p * (1 - real) * p


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
    alpha, beta, gamma : float
        Temperatures.
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
    """∫ (B Î − T)² / volume over the box where the target is `known`, B the probability of brain.

    Parameters
    ----------
    t1w, target : (B, 1, X, Y, Z)
        Î and T.
    brain_logits : (B, 1, X, Y, Z)
        Logits of B.
    known : (B, 1, X, Y, Z)
        1 where the target is known.
    volume : (B,)
        Of the brain, in voxels.
    """
    return (known * (brain_logits.sigmoid() * t1w - target) ** 2).sum(VOXELS) / volume


def laplace(t1w: Tensor, target: Tensor, log_scale: Tensor, where: Tensor, volume: Tensor) -> Tensor:
    """−log of the Laplace density of the error, |e|/b + log b, over `where`; e is taken as given.

    Parameters
    ----------
    t1w, target : (B, 1, X, Y, Z)
        Î and T.
    log_scale : (B, 1, X, Y, Z)
        log b, b in intensities of the T1w.
    where : (B, 1, X, Y, Z)
        1 where the error counts.
    volume : (B,)
        Of the brain, in voxels.
    """
    error = (t1w - target).detach().abs()
    return ((error * torch.exp(-log_scale) + log_scale) * where).sum(VOXELS) / volume


def objective(
    prediction: UnaPrediction, batch: dict[str, Tensor], weights: Weights | None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    """Mean over samples of the weighted sum of the terms, and the mean of each.

    Parameters
    ----------
    batch : dict
        Of `synth.stream.Stream`: t1w, p, lesion, mirrored, brain (B, 1, X, Y, Z) and real (B,), which is 1
        for a patient's own lesion: the anatomy behind it is not known and not part of the loss.
    prediction : UnaPrediction
        Of the network.
    weights : Weights, optional
        Of the terms; default as published.
    """
    w = weights or Weights()
    target, p, brain, lesion = batch["t1w"], batch["p"], batch["brain"], batch["lesion"]
    real = batch["real"].view(-1, 1, 1, 1, 1)
    volume = brain_volume(brain)
    known = 1 - real * p
    weight = kappa(p, real, w.lambda_p) * brain
    scan, mirrored = prediction.guess[:, :1], prediction.guess[:, 1:]
    t1w = prediction.t1w
    alone = (lesion > 0) & (batch["mirrored"] == 0)
    terms = {
        "recon": reconstruction(t1w, target, weight, volume),
        "gradient": w.lambda_gradient * gradient(t1w, target, weight, volume),
        # in this place: the order of the terms is that in which their gradients are added up, to the last bit
        "contrast": w.lambda_c
        * contrast(t1w, scan, mirrored, alone, alpha=w.alpha, beta=w.beta, gamma=w.gamma),
        "whole": w.whole * whole(t1w, prediction.brain, target, known, volume),
        "anomaly": w.anomaly * overlap(prediction.anomaly, lesion, volume),
        "brain": w.brain * overlap(prediction.brain, brain, volume),
        "uncertainty": w.uncertainty * laplace(t1w, target, prediction.log_scale, brain * known, volume),
    }
    means = {name: term.mean() for name, term in terms.items()}
    return torch.stack(list(means.values())).sum(), {name: m.detach() for name, m in means.items()}
