"""Class-activation maps that need the whole network and the image, not the last feature maps alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import nn

NetworkCamKind = Literal["scorecam", "fullgrad"]
Logit = Callable[[torch.Tensor], torch.Tensor]
AT_ONCE = 16
"""Masked images that go through the network at the same time."""

_TINY = 1e-12


@torch.no_grad()
def score_cam(
    features: torch.Tensor, pixels: torch.Tensor, logit: Logit, most: int | None = None
) -> torch.Tensor:
    """Score-CAM, relu ∑_c w_c A_c with w = softmax_c y(x · s(A_c)): what an image keeps behind each map.

    s scales a map up to the image, and to [0, 1]. No gradient is taken (Wang et al., CVPR workshops 2020).

    Parameters
    ----------
    features : (B, C, h, w) tensor
        A.
    pixels : (B, D, H, W) tensor
        x, of which A were made; 0 hides a pixel.
    logit : function
        From images to y (B,): the logit of the class.
    most : int, optional
        Of the feature maps those that vary most over an image are tried, the others have no weight; default
        all, each of which costs a pass through the network.
    """
    rows = []
    for a, x in zip(features, pixels, strict=True):
        spread = a.flatten(1).std(1)
        kept = spread.argsort(descending=True, stable=True)[:most]
        tried = a[kept]
        masks = F.interpolate(_unit(tried)[:, None], size=x.shape[1:], mode="bilinear")
        y = torch.cat([logit(part * x) for part in masks.split(AT_ONCE)])
        rows.append((y.softmax(0)[:, None, None] * tried).sum(0).relu())
    return torch.stack(rows)


def full_grad(net: nn.Module, pixels: torch.Tensor, logit: Logit, black: float = 0.0) -> torch.Tensor:
    """Map (B, H, W) of FullGrad (Srinivas and Fleuret, NeurIPS 2019): ψ(x ∂y/∂x) + ∑_layers ∑_c ψ(b ∂y/∂b).

    ψ is the size of a map, scaled to [0, 1] and up to the image. See `full_gradient`.

    Parameters
    ----------
    net : Module
        In evaluation mode.
    pixels, logit, black
        As of `full_gradient`.
    """
    of_input, of_biases = full_gradient(net, pixels, logit, black)
    size = of_input.shape[2:]
    found: torch.Tensor = _unit(of_input.abs().flatten(0, 1)).reshape(of_input.shape).sum(1)
    for part in of_biases:
        if part.ndim == 4:  # a layer without places has none to show
            small = _unit(part.abs().flatten(0, 1)).reshape(part.shape)
            large = F.interpolate(small, size=size, mode="bilinear").sum(1)
            found = found + large.reshape(len(pixels), -1, *size).sum(1)  # of all views of an image
    return found


def full_gradient(
    net: nn.Module, pixels: torch.Tensor, logit: Logit, black: float = 0.0
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Products x ∂y/∂x (B, D, H, W), and b ∂y/∂b of every bias at every place: a ReLU network is their sum.

    Biases are those of convolutions and linear layers, and what a batch norm adds, b = β − γ mean / √var.
    Activations that are not linear on both sides of 0, such as ReLU6 above 6, have a share of their own.

    Parameters
    ----------
    net : Module
        In evaluation mode; whose layers `logit` uses.
    pixels : (B, D, H, W) tensor
        May come from inference mode.
    logit : function
        From images to y (B,).
    black : float
        Value of a pixel that the first layer sees as 0.
    """
    with torch.inference_mode(False), torch.enable_grad():
        x = pixels.clone().requires_grad_()
        with _added_zeros(net) as added:
            y = logit(x)
        slopes = torch.autograd.grad(y.sum(), [x, *(zero for zero, _ in added)])
    of_biases = [
        slope * bias.reshape(-1, *[1] * (slope.ndim - 2))
        for slope, (_, bias) in zip(slopes[1:], added, strict=True)
    ]
    return slopes[0] * (pixels - black), of_biases


@contextmanager
def _added_zeros(net: nn.Module) -> Iterator[list[tuple[torch.Tensor, torch.Tensor]]]:
    """Meanwhile each layer with a bias adds zeros, of which gradients can be taken; with its bias (C,)."""
    added: list[tuple[torch.Tensor, torch.Tensor]] = []

    def hook(layer: Any, _: Any, out: torch.Tensor) -> torch.Tensor:
        zero = torch.zeros_like(out, requires_grad=True)
        added.append((zero, _bias_of(layer)))
        return out + zero

    layers = [part for part in net.modules() if _has_bias(part)]
    hooks = [layer.register_forward_hook(hook) for layer in layers]
    try:
        yield added
    finally:
        for one in hooks:
            one.remove()


def _has_bias(layer: nn.Module) -> bool:
    if isinstance(layer, (nn.Conv2d, nn.Linear)):
        return layer.bias is not None
    return isinstance(layer, nn.BatchNorm2d)


def _bias_of(layer: Any) -> torch.Tensor:
    if isinstance(layer, nn.BatchNorm2d):
        assert layer.running_mean is not None
        assert layer.running_var is not None
        scale = layer.weight / (layer.running_var + layer.eps).sqrt()
        return (layer.bias - scale * layer.running_mean).detach()
    bias: torch.Tensor = layer.bias.detach()
    return bias


def _unit(maps: torch.Tensor) -> torch.Tensor:
    """(N, h, w), each to [0, 1] by its own range; a constant one becomes 0."""
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return (maps - low) / torch.where(high - low > _TINY, high - low, 1.0)
