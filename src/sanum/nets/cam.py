"""Class-activation maps: which places of an image speak for a class, from feature maps and their gradients.

A (B, C, h, w) are feature maps, y (B,) the class's logit, g = ∂y/∂A. ∑ₛ is the sum over places, mean_s their
mean, and ∑_c the sum over feature maps. Maps (B, h, w) are not scaled, and not negative.
"""

from collections.abc import Callable
from typing import Literal

import torch

CamKind = Literal[
    "gradcam", "gradcam++", "hirescam", "xgradcam", "layercam", "eigencam", "eigengradcam", "ablationcam"
]
Head = Callable[[torch.Tensor], torch.Tensor]
AT_ONCE = 64
"""Feature maps that are left out, one in each copy, at the same time."""

_TINY = 1e-12


def cam(features: torch.Tensor, head: Head, kind: CamKind) -> torch.Tensor:
    """Map (B, h, w) of what speaks for a class.

    Parameters
    ----------
    features : (B, C, h, w) tensor
        A; may come from inference mode.
    head : function
        From A to y (B,): the logit of the class.
    kind : str
        "gradcam" relu ∑_c mean_s(g) A (Selvaraju et al., ICCV 2017); "gradcam++" (Chattopadhay et al., WACV
        2018); "hirescam" relu ∑_c g A (Draelos and Carin 2020); "xgradcam" relu ∑_c (∑ₛ g A / ∑ₛ A) A (Fu et
        al., BMVC 2020); "layercam" ∑_c relu(g) A, relu (Jiang et al., TIP 2021); "eigencam" first principal
        component of A, which knows no class (Muhammad and Yeasin, IJCNN 2020); "eigengradcam" of g A;
        "ablationcam" relu ∑_c (y − y₋c) / |y| A, y₋c without feature map c (Desai and Ramaswamy, WACV 2020).
    """
    if kind == "eigencam":
        return first_component(features)
    if kind == "ablationcam":
        return (_without_each(features, head) * features).sum(1).relu()
    with torch.inference_mode(False), torch.enable_grad():
        a = features.clone().requires_grad_()
        logit = head(a.clone())  # a copy: a head may change it in place
        (g,) = torch.autograd.grad(logit.sum(), a)
    a = a.detach()
    if kind == "eigengradcam":
        return first_component(g * a)
    if kind == "hirescam":
        found: torch.Tensor = (g * a).sum(1)
        return found.relu()
    if kind == "layercam":
        found = (g.relu() * a).sum(1)
        return found.relu()
    found = (_weights(a, g, kind) * a).sum(1)
    return found.relu()


def _weights(a: torch.Tensor, g: torch.Tensor, kind: CamKind) -> torch.Tensor:
    """What each feature map counts, (B, C, 1, 1)."""
    places = (2, 3)
    if kind == "gradcam":
        return g.mean(places, keepdim=True)
    if kind == "xgradcam":
        total = a.sum(places, keepdim=True)
        return (g * a).sum(places, keepdim=True) / torch.where(total.abs() > _TINY, total, 1.0)
    # α = g² / (2 g² + ∑ₛ A · g³) of an exponential score, for which higher derivatives are powers of g
    below = 2 * g**2 + a.sum(places, keepdim=True) * g**3
    alpha = torch.where(g.abs() > 0, g**2 / torch.where(below.abs() > _TINY**2, below, 1.0), 0.0)
    weights: torch.Tensor = (alpha * g.relu()).sum(places, keepdim=True)
    return weights


@torch.no_grad()
def _without_each(a: torch.Tensor, head: Head) -> torch.Tensor:
    """What a logit loses when a feature map is 0 everywhere, in parts of its size, (B, C, 1, 1)."""
    rows = []
    for one, logit in zip(a, head(a.clone()), strict=True):
        lost = []
        for places in torch.arange(len(one), device=a.device).split(AT_ONCE):
            left = one.repeat(len(places), 1, 1, 1)
            left[range(len(places)), places] = 0
            lost.append(logit - head(left))
        rows.append(torch.cat(lost) / logit.abs().clamp_min(_TINY))
    return torch.stack(rows)[:, :, None, None]


def first_component(maps: torch.Tensor) -> torch.Tensor:
    """Projection of each place on the first principal component of all places, where it is positive.

    A component has no sign of its own: the one is taken for which the projections' extreme of larger size is
    positive.

    Parameters
    ----------
    maps : (B, C, h, w) tensor
        Feature maps.
    """
    rows = maps.flatten(2).transpose(1, 2).double()
    centred = rows - rows.mean(1, keepdim=True)
    u, s, _ = torch.linalg.svd(centred, full_matrices=False)
    found = u[:, :, 0] * s[:, :1]
    largest = found.gather(1, found.abs().argmax(1, keepdim=True))
    positive = (found * largest.sign()).relu()
    shaped: torch.Tensor = positive.reshape(len(maps), *maps.shape[2:]).to(maps.dtype)
    return shaped
