"""The objective: the image and the labels, from one latent.

    L = w_rec · BCE(Î, I) + w_seg · [mean_k BCE(p_k, y_k) + mean_k (1 − Dice_k)] + l_h · mean(h²) + l_w · Σ w²

The first term alone, with that of h, is what a latent is fitted by: it has no labels in its arguments.
"""

import torch
from torch import nn

SMOOTH = 1.0
"""Points that Dice counts on both sides, so that a class without any gives no division by zero."""

EPSILON = 1e-6
UNLABELLED = -1
"""Label of a point that the image alone teaches."""


def reconstruction(logits: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy of an intensity in [0, 1]; mean over all points.

    Parameters
    ----------
    logits, image : (B, N) tensor
        Logit of the intensity, and the intensity.
    """
    return nn.functional.binary_cross_entropy_with_logits(logits, image)


def segmentation(logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean binary cross-entropy of the classes, and mean of 1 − Dice of the classes that there are.

    Sums of Dice go over all points of the batch: a few hundred points of one subject may lack a class. A
    class that the whole batch lacks has no Dice. Points without a label count in neither; both are 0 where
    there is no other.

    Parameters
    ----------
    logits : (B, N, K) tensor
        Of the classes.
    labels : (B, N) int64 tensor
        Class of each point, or `UNLABELLED`.
    """
    known = labels != UNLABELLED
    logits, labels = logits[known], labels[known]
    if not len(labels):
        nothing = 0 * logits.sum()
        return nothing, nothing
    p = logits.softmax(-1)
    y = nn.functional.one_hot(labels, logits.shape[-1]).to(p.dtype)
    bce = nn.functional.binary_cross_entropy(p.clamp(EPSILON, 1 - EPSILON), y)
    dice = (2 * (p * y).sum(0) + SMOOTH) / (p.sum(0) + y.sum(0) + SMOOTH)
    return bce, (1 - dice)[y.any(0)].mean()


def latent_size(latents: torch.Tensor) -> torch.Tensor:
    """Mean square of latents.

    Parameters
    ----------
    latents : (B, width) tensor
        Of the subjects of a batch.
    """
    return latents.square().mean()


def weight_size(model: nn.Module) -> torch.Tensor:
    """Sum of the squares of all weights but the latents: a sum, so that 1e-4 of it is a strong decay.

    Parameters
    ----------
    model : Module
        A `Nisf`.
    """
    return torch.stack(
        [p.square().sum() for name, p in model.named_parameters() if not name.startswith("latents")]
    ).sum()
