"""The objective (spec 4): each term a pure function.

The contrastive term is left to the learning issue's recipe.
The T1w is judged inside the brain alone; where the brain ends, the brain head says, and `whole` judges the
two together. Sums over voxels are divided by the brain's volume, so that a term does not depend on the box.
"""

import torch
import torch.nn.functional as F

from .model import Prediction

Tensor = torch.Tensor
LAMBDA_GRADIENT = 1.0  # published
LAMBDA_P = 3.0  # published: 1, which leaves a lesion's few voxels hardly heard beside the rest
WEIGHT_WHOLE, WEIGHT_ANOMALY, WEIGHT_BRAIN, WEIGHT_UNCERTAINTY = 4.0, 0.6, 1.0, 0.05  # ours


def kappa(p: Tensor, real: float = 0.0) -> Tensor:
    """κ = (1 − d·P) + λp (1 − d) P; d = 1 for a real lesion (spec 4)."""
    return (1 - real * p) + LAMBDA_P * (1 - real) * p


def reconstruction(t1w: Tensor, target: Tensor, weight: Tensor, volume: Tensor) -> Tensor:
    """∫ κ |Î − T| / volume."""
    return (weight * (t1w - target).abs()).sum() / volume


def gradient(t1w: Tensor, target: Tensor, weight: Tensor, volume: Tensor) -> Tensor:
    """∫ κ |∇Î − ∇T| / volume, forward differences between voxels of weight > 0, mean over the three axes."""
    error = t1w - target
    total = torch.zeros((), device=error.device)
    for d in (2, 3, 4):
        n = error.shape[d] - 1
        pairs = weight.narrow(d, 1, n) * (weight.narrow(d, 0, n) > 0)
        total = total + (pairs * error.diff(dim=d).abs()).sum()
    return total / (3 * volume)


def whole(t1w: Tensor, brain_logits: Tensor, target: Tensor, volume: Tensor) -> Tensor:
    """∫ (B Î − T)² / volume over the whole box, B the probability of brain: what PSNR measures."""
    return ((brain_logits.sigmoid() * t1w - target) ** 2).sum() / volume


def overlap(logits: Tensor, mask: Tensor, volume: Tensor) -> Tensor:
    """Cross-entropy per brain voxel + 1 − soft Dice (100 voxels of smoothing: an empty mask is defined)."""
    entropy = F.binary_cross_entropy_with_logits(logits, mask, reduction="sum") / volume
    p = logits.sigmoid()
    dice = (2 * (p * mask).sum() + 100) / (p.sum() + mask.sum() + 100)
    return entropy + 1 - dice


def laplace(t1w: Tensor, target: Tensor, log_scale: Tensor, brain: Tensor, volume: Tensor) -> Tensor:
    """−log of the Laplace density of the error inside the brain, |e|/b + log b; e is taken as given."""
    error = (t1w - target).detach().abs()
    return ((error * torch.exp(-log_scale) + log_scale) * brain).sum() / volume


def objective(prediction: Prediction, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
    """Weighted sum of the terms, and each as a number."""
    target, p, brain = batch["t1w"], batch["p"], batch["brain"]
    volume = brain.sum().clamp_min(0.02 * brain.numel())  # a cut field of view may hold little brain
    weight = kappa(p) * brain
    terms = {
        "recon": reconstruction(prediction.t1w, target, weight, volume),
        "gradient": LAMBDA_GRADIENT * gradient(prediction.t1w, target, weight, volume),
        "whole": WEIGHT_WHOLE * whole(prediction.t1w, prediction.brain, target, volume),
        "anomaly": WEIGHT_ANOMALY * overlap(prediction.anomaly, batch["lesion"], volume),
        "brain": WEIGHT_BRAIN * overlap(prediction.brain, brain, volume),
        "uncertainty": WEIGHT_UNCERTAINTY
        * laplace(prediction.t1w, target, prediction.log_scale, brain, volume),
    }
    loss = torch.stack(list(terms.values())).sum()
    return loss, {k: v.item() for k, v in terms.items()}
