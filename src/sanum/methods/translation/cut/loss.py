"""The objectives: patches that keep their place, and least-squares GAN."""

import torch
import torch.nn.functional as F

from ...common.translation_loss import fooling_loss, judging_loss, likeness_loss
from .model import CutNet

Terms = dict[str, torch.Tensor]


def patch_nce(made: torch.Tensor, source: torch.Tensor, temperature: float) -> torch.Tensor:
    """Mean of −log( exp(q·k⁺/τ) / Σ exp(q·k/τ) ): k⁺ is the source at the same place, k at all of the image.

    Parameters
    ----------
    made : (B, P, F) float
        q, of length 1.
    source : (B, P, F) float
        k, of length 1; no gradient goes through it.
    temperature : float
        τ.
    """
    likeness = made @ source.detach().transpose(1, 2) / temperature
    own = torch.arange(likeness.shape[1], device=likeness.device).expand(likeness.shape[:2])
    return F.cross_entropy(likeness.flatten(0, 1), own.flatten())


def contrast_loss(
    net: CutNet, image: torch.Tensor, made: torch.Tensor, *, patches: int, temperature: float
) -> torch.Tensor:
    """Mean of `patch_nce` over the maps that are looked at.

    Parameters
    ----------
    net : CutNet
        Its heads learn.
    image : (B, channels, *patch) float
        What the generator saw.
    made : (B, 1, *patch) float
        What it made of it; it is looked at with the image's other channels.
    patches : int
        Places of each map, drawn from PyTorch's generator.
    temperature : float
        τ.
    """
    chosen = net.draw_places(tuple(image.shape[2:]), patches)
    of_made = net.places(torch.cat([made, image[:, 1:]], 1), chosen)
    with torch.no_grad():
        of_image = net.places(image, chosen)
    terms = [patch_nce(q, k, temperature) for q, k in zip(of_made, of_image, strict=True)]
    return torch.stack(terms).mean()


def generator_loss(
    net: CutNet,
    source: torch.Tensor,
    other: torch.Tensor,
    target: torch.Tensor | None,
    *,
    weights: tuple[float, float, float],
    patches: int,
    temperature: float,
) -> tuple[torch.Tensor, Terms]:
    """(D(G(x)) − 1)² + a (NCE(x, G(x)) + NCE(y, G(y))), and of pairs b (L1 + c (1 − SSIM)).

    Parameters
    ----------
    net : CutNet
        Its generator and heads learn.
    source : (B, channels, *patch) float
        x.
    other : (B, 1, *patch) float
        y, of whomever; it is seen with the source's other channels.
    target : (B, 1, *patch) float or None
        The source's own, where there are pairs.
    weights : (float, float, float)
        a, b, c.
    patches : int
        As of `contrast_loss`.
    temperature : float
        τ.
    """
    a, b, c = weights
    made, same = net(source), torch.cat([other, source[:, 1:]], 1)
    terms: Terms = {
        "fooling": fooling_loss(net.judged(made)),
        "nce": a * contrast_loss(net, source, made, patches=patches, temperature=temperature),
        "same": a * contrast_loss(net, same, net(same), patches=patches, temperature=temperature),
    }
    if target is not None:
        terms["likeness"] = b * likeness_loss(made, target, c)[0]
    return torch.stack(list(terms.values())).sum(), {name: x.detach() for name, x in terms.items()}


def discriminator_loss(net: CutNet, source: torch.Tensor, other: torch.Tensor) -> tuple[torch.Tensor, Terms]:
    """((D(y) − 1)² + D(G(x))²) / 2; it has no further terms.

    Parameters
    ----------
    net : CutNet
        Its discriminator learns.
    source, other : (B, …) float
        x and y.
    """
    with torch.no_grad():
        made = net(source)
    return judging_loss(net.judged(other), net.judged(made)), {}
