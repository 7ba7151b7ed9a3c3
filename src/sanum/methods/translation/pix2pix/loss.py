"""The objectives of generator and discriminator."""

import torch

from ...common.translation_loss import fooling_loss, judging_loss, likeness_loss
from .model import Pix2PixNet

Terms = dict[str, torch.Tensor]


def generator_loss(
    net: Pix2PixNet, source: torch.Tensor, target: torch.Tensor, weights: tuple[float, float, float]
) -> tuple[torch.Tensor, Terms]:
    """Of G: a (D(x, G(x)) − 1)² + b (L1 + c (1 − SSIM)), and its terms.

    Parameters
    ----------
    net : Pix2PixNet
        Its generator learns.
    source, target : (B, …) float
        x and y.
    weights : (float, float, float)
        a, b, c.
    """
    a, b, c = weights
    made = net(source)
    likeness, terms = likeness_loss(made, target, c)
    fooling = fooling_loss(net.judged(source, made))
    return a * fooling + b * likeness, {"fooling": fooling.detach(), **terms}


def discriminator_loss(
    net: Pix2PixNet, source: torch.Tensor, target: torch.Tensor
) -> tuple[torch.Tensor, Terms]:
    """((D(x, y) − 1)² + D(x, G(x))²) / 2; it has no further terms.

    Parameters
    ----------
    net : Pix2PixNet
        Its discriminator learns.
    source, target : (B, …) float
        x and y.
    """
    with torch.no_grad():
        made = net(source)
    return judging_loss(net.judged(source, target), net.judged(source, made)), {}
