"""Maps of a variational autoencoder: what it cannot copy, or what its loss would change in the image."""

from typing import Literal

import torch
from torch import nn

from ...common.residual import residual
from .loss import distance, kl_from_standard

MapKind = Literal["residual", "bright", "elbo", "kl", "reconstruction", "combined"]


def map_of(
    net: nn.Module, image: torch.Tensor, valid: torch.Tensor, kind: MapKind, kl_weight: float = 1.0
) -> torch.Tensor:
    """Map (B, S, S), the mean over channels.

    Parameters
    ----------
    net : Module
        A `Vae`, in evaluation mode.
    image : (B, C, S, S) float
        x.
    valid : (B, 1, S, S) float
        1 where the image is.
    kind : str
        "residual" |x − x̂|; "bright" max(x − x̂, 0); gradients with respect to the image, "elbo"
        |∂(∑ |x − x̂| + λ KL)/∂x|, "kl" |∂KL/∂x|, "reconstruction" |∂(∑ |x − x̂|)/∂x|; "combined"
        |x − x̂| · |∂KL/∂x|.
    kl_weight : float
        λ.
    """
    if kind == "bright":
        made: torch.Tensor = net(image)[0]
        return (image - made).clamp_min(0).mean(1)
    if kind == "residual":
        return residual(image, net(image)[0])
    slope = _slope(net, image, valid, "kl" if kind == "combined" else kind, kl_weight)
    return slope * residual(image, net(image)[0]) if kind == "combined" else slope


def _slope(
    net: nn.Module, image: torch.Tensor, valid: torch.Tensor, kind: MapKind, kl_weight: float
) -> torch.Tensor:
    with torch.inference_mode(False), torch.enable_grad():
        x, inside = image.clone().requires_grad_(), valid.clone()  # copies: a detector computes in inference
        made, mu, log_sigma = net(x)
        terms = {
            "reconstruction": distance(x, made, inside),
            "kl": kl_from_standard(mu, log_sigma),
        }
        terms["elbo"] = terms["reconstruction"] + kl_weight * terms["kl"]
        (slope,) = torch.autograd.grad(terms[kind].sum(), x)
    return slope.abs().mean(1)
