"""Errors of a predicted image over its whole box, for methods that regress one; one number per sample, (B,).

In units of the brain's volume, as the terms of UNA, so that neither depends on the size of the box.
"""

import torch

from ..anatomy.una.loss import gradient, reconstruction

Tensor = torch.Tensor


def brain_volume(brain: Tensor) -> Tensor:
    """(B,): voxels of `brain` (B, 1, X, Y, Z), at least 2 % of the box: a cut field of view may hold few."""
    return brain.sum((1, 2, 3, 4)).clamp_min(0.02 * brain[0].numel())


def l1(image: Tensor, target: Tensor, brain: Tensor) -> Tensor:
    """∫ |Î − T| / volume of the brain; all (B, 1, X, Y, Z)."""
    return reconstruction(image, target, torch.ones_like(target), brain_volume(brain))


def l1_of_gradient(image: Tensor, target: Tensor, brain: Tensor) -> Tensor:
    """∫ |∇Î − ∇T| / volume of the brain, mean over the three axes."""
    return gradient(image, target, torch.ones_like(target), brain_volume(brain))
