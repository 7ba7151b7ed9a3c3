"""Losses that translators share: L1 and structural similarity, and least-squares GANs."""

from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import nn

from ...extras import needs_extra
from .translation import SSIM_WINDOW

if TYPE_CHECKING:
    from monai.losses.ssim_loss import SSIMLoss


@cache
def _ssim(dims: int) -> "SSIMLoss":
    with needs_extra("SSIM as a loss", "translate"):
        from monai.losses.ssim_loss import SSIMLoss
    return SSIMLoss(dims, data_range=1.0, win_size=SSIM_WINDOW)


def dissimilarity(made: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """1 − SSIM (Wang et al. 2004; Gaussian window of 11 voxels), mean over the batch; MONAI's.

    Parameters
    ----------
    made, target : (B, 1, *spatial) float
        In [−1, 1].
    """
    loss: torch.Tensor = _ssim(made.ndim - 2)((made + 1) / 2, (target + 1) / 2)
    return loss


def likeness_loss(
    made: torch.Tensor, target: torch.Tensor, weight: float
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Mean |ŷ − y| + w (1 − SSIM(ŷ, y)), and both terms.

    Parameters
    ----------
    made, target : (B, 1, *spatial) float
        ŷ and y, in [−1, 1].
    weight : float
        w; 0: SSIM is not computed.
    """
    l1 = (made - target).abs().mean()
    if not weight:
        return l1, {"l1": l1.detach()}
    ssim = weight * dissimilarity(made, target)
    return l1 + ssim, {"l1": l1.detach(), "ssim": ssim.detach()}


def verdict(discriminator: nn.Module, image: torch.Tensor) -> torch.Tensor:
    """One number for each image, (B,): the mean of what a discriminator of patches answers.

    Parameters
    ----------
    discriminator : Module
        MONAI's, whose last map is the answer.
    image : (B, C, *spatial) float
        What it judges.
    """
    answer: torch.Tensor = discriminator(image)[-1].flatten(1).mean(1)
    return answer


def fooling_loss(of_made: torch.Tensor) -> torch.Tensor:
    """What the generator minimises: mean (D(ŷ) − 1)² (Mao et al. 2017).

    Parameters
    ----------
    of_made : tensor
        D(ŷ).
    """
    return (of_made - 1).square().mean()


def judging_loss(of_real: torch.Tensor, of_made: torch.Tensor) -> torch.Tensor:
    """What the discriminator minimises: (mean (D(y) − 1)² + mean D(ŷ)²) / 2.

    Parameters
    ----------
    of_real, of_made : tensor
        D(y) and D(ŷ).
    """
    return ((of_real - 1).square().mean() + of_made.square().mean()) / 2
