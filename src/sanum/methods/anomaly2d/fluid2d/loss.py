"""The objective: marks by cross-entropy and soft Dice, the healthy image by its absolute error."""

import torch
import torch.nn.functional as F

from .model import Answer

SMOOTH = 50.0
"""Pixels that soft Dice adds to both of its sums, so that an image without anomaly has one."""

SICK, WELL = 0.1, 0.002
"""A place is one to be marked if more than this share of it is marked, and none if less than that."""


def objective(
    found: Answer, mark: torch.Tensor, image: torch.Tensor, valid: torch.Tensor
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Mean over the batch of cross-entropy + (1 − Dice) + L1, which counts marked pixels tenfold.

    With a memory + the cross-entropy of the places; what is marked in part does not count there.

    Parameters
    ----------
    found : Answer
        Of the network, to images with anomalies.
    mark : (B, 1, S, S) float
        In [0, 1].
    image : (B, C, S, S) float
        Without anomalies.
    valid : (B, 1, S, S) float
        1 where the image is.
    """
    logits, healthy = found.logits, found.healthy
    count = valid.sum((1, 2, 3)).clamp_min(1)
    entropy = F.binary_cross_entropy_with_logits(logits, mark, reduction="none")
    entropy = ((entropy * valid).sum((1, 2, 3)) / count).mean()
    p = logits.sigmoid() * valid
    both, sums = (p * mark).sum((1, 2, 3)), (p.square() + mark.square()).sum((1, 2, 3))
    dice = (1 - (2 * both + SMOOTH) / (sums + SMOOTH)).mean()
    weight = valid * (0.1 + 0.9 * mark)
    off = ((healthy - image).abs().mean(1, keepdim=True) * weight).sum((1, 2, 3)) / weight.sum(
        (1, 2, 3)
    ).clamp_min(1)
    terms = {"entropy": entropy, "dice": dice, "restored": off.mean()}
    if found.places is not None:
        share, inside = (
            F.interpolate(x, size=found.places.shape[1:], mode="area")[:, 0] for x in (mark, valid)
        )
        counts = ((share < WELL) | (share > SICK)) & (inside > 0.5)
        each = F.binary_cross_entropy_with_logits(found.places, (share > SICK).float(), reduction="none")
        terms["places"] = (each * counts).sum() / counts.sum().clamp_min(1)
    return torch.stack(list(terms.values())).sum(), {name: x.detach() for name, x in terms.items()}
