"""Terms that the objectives of several methods share: pure functions that give one number per sample, (B,).

Sums over voxels are divided by a volume that the caller gives, so that a term does not depend on the box.
"""

import torch
import torch.nn.functional as F

Tensor = torch.Tensor
VOXELS = (1, 2, 3, 4)
"""Axes of a batch (B, C, X, Y, Z) that a term sums over."""

SMOOTHING = 100
"""Voxels that soft Dice adds above and below: the Dice of an empty mask is then defined."""


def brain_volume(brain: Tensor) -> Tensor:
    """(B,): voxels of the brain, at least 2 % of the box: a cut field of view may hold few.

    Parameters
    ----------
    brain : (B, 1, X, Y, Z)
        1 inside the brain.
    """
    return brain.sum(VOXELS).clamp_min(0.02 * brain[0].numel())


def reconstruction(t1w: Tensor, target: Tensor, weight: Tensor, volume: Tensor) -> Tensor:
    """∫ κ |Î − T| / volume.

    Parameters
    ----------
    t1w, target, weight : (B, 1, X, Y, Z)
        Î, T and κ.
    volume : (B,)
        In voxels.
    """
    return (weight * (t1w - target).abs()).sum(VOXELS) / volume


def gradient(t1w: Tensor, target: Tensor, weight: Tensor, volume: Tensor) -> Tensor:
    """∫ κ |∇Î − ∇T| / volume, forward differences between voxels of weight > 0, mean over the three axes.

    Parameters
    ----------
    t1w, target, weight : (B, 1, X, Y, Z)
        Î, T and κ.
    volume : (B,)
        In voxels.
    """
    error = t1w - target
    total = torch.zeros_like(volume)
    for d in (2, 3, 4):
        n = error.shape[d] - 1
        pairs = weight.narrow(d, 1, n) * (weight.narrow(d, 0, n) > 0)
        total = total + (pairs * error.diff(dim=d).abs()).sum(VOXELS)
    return total / (3 * volume)


def overlap(logits: Tensor, mask: Tensor, volume: Tensor) -> Tensor:
    """Cross-entropy per brain voxel + 1 − soft Dice.

    Parameters
    ----------
    logits, mask : (B, 1, X, Y, Z)
        What is predicted, and a probability or 0 and 1.
    volume : (B,)
        Of the brain, in voxels.
    """
    entropy = F.binary_cross_entropy_with_logits(logits, mask, reduction="none").sum(VOXELS) / volume
    p = logits.sigmoid()
    dice = (2 * (p * mask).sum(VOXELS) + SMOOTHING) / (p.sum(VOXELS) + mask.sum(VOXELS) + SMOOTHING)
    return entropy + 1 - dice


def l1(image: Tensor, target: Tensor, brain: Tensor) -> Tensor:
    """∫ |Î − T| / volume of the brain, over the whole box.

    Parameters
    ----------
    image, target, brain : (B, 1, X, Y, Z)
        Î, T and the mask of the brain.
    """
    return reconstruction(image, target, torch.ones_like(target), brain_volume(brain))


def l1_of_gradient(image: Tensor, target: Tensor, brain: Tensor) -> Tensor:
    """∫ |∇Î − ∇T| / volume of the brain, over the whole box, mean over the three axes.

    Parameters
    ----------
    image, target, brain : (B, 1, X, Y, Z)
        Î, T and the mask of the brain.
    """
    return gradient(image, target, torch.ones_like(target), brain_volume(brain))
