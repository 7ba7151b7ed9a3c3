"""One score from an anomaly map: a small lesion is buried by the mean, so there are other ways."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F


@dataclass(frozen=True)
class PoolingConfig:
    """How a map becomes a score.

    Parameters
    ----------
    kind : "own", "mean", "max", "top" or "quantile"
        The method's own formula, or of the map's valid pixels: the mean, the maximum after smoothing, the
        mean of the largest, a quantile.
    smooth : float
        Standard deviation, in pixels of the map, of the smoothing before "max".
    top : float
        Percent of the pixels that "top" takes the mean of.
    quantile : float
        Of "quantile", in [0, 1].
    """

    kind: Literal["own", "mean", "max", "top", "quantile"] = "own"
    smooth: float = 1.5
    top: float = 10.0
    quantile: float = 0.95

    def __post_init__(self) -> None:
        if self.smooth < 0 or not 0 < self.top <= 100 or not 0 <= self.quantile <= 1:
            raise ValueError(
                "pooling.smooth is at least 0, pooling.top above 0 and at most 100, pooling.quantile from 0 "
                "to 1"
            )


def pooled(maps: torch.Tensor, valid: torch.Tensor, config: PoolingConfig) -> torch.Tensor:
    """Score of each map, (B,); "own" is the mean here.

    Parameters
    ----------
    maps : (B, S, S) float
        The higher, the more abnormal.
    valid : (B, S, S) bool
        Pixels that count; each map has at least one.
    config : PoolingConfig
        How.
    """
    if config.kind in ("own", "mean"):
        weight = valid.to(maps.dtype)
        return (maps * weight).sum((1, 2)) / weight.sum((1, 2))
    if config.kind == "max":
        smooth = smoothed(maps, valid, config.smooth)
        return smooth.masked_fill(~valid, -torch.inf).amax((1, 2))
    values, inside = maps.flatten(1), valid.flatten(1)
    if config.kind == "quantile":
        return _quantile(values, inside, config.quantile)
    return _top(values, inside, config.top)


def _top(values: torch.Tensor, inside: torch.Tensor, percent: float) -> torch.Tensor:
    """Mean of the largest valid values of each row, without a loop: exported graphs have none."""
    most = max(1, round(values.shape[1] * percent / 100))
    count = (inside.sum(1).double() * percent / 100).round().clamp_min(1)
    largest = values.masked_fill(~inside, -torch.inf).topk(most, 1).values
    counts = torch.arange(most, device=values.device) < count[:, None]
    return largest.masked_fill(~counts, 0.0).sum(1) / count.to(values.dtype)


def _quantile(values: torch.Tensor, inside: torch.Tensor, level: float) -> torch.Tensor:
    """Quantile of the valid values of each row, linear between two of them."""
    ordered = values.masked_fill(~inside, torch.inf).sort(1).values
    place = (inside.sum(1, keepdim=True) - 1).double() * level
    below = place.floor()
    part = (place - below).to(values.dtype)
    low, high = (ordered.gather(1, n.long()) for n in (below, place.ceil()))
    return (low + part * (high - low))[:, 0]


def smoothed(maps: torch.Tensor, valid: torch.Tensor, sigma: float) -> torch.Tensor:
    """Gaussian mean over the valid neighbours of each pixel.

    Parameters
    ----------
    maps : (B, S, S) float
        Any.
    valid : (B, S, S) or (1, S, S) bool
        Pixels that count.
    sigma : float
        In pixels; 0: nothing changes.
    """
    if sigma == 0:
        return maps
    reach = max(1, round(3 * sigma))
    x = torch.arange(-reach, reach + 1, dtype=maps.dtype, device=maps.device)
    kernel = torch.exp(-0.5 * (x / sigma) ** 2)
    weight = valid.to(maps.dtype)[:, None]

    def blur(image: torch.Tensor) -> torch.Tensor:
        across = F.conv2d(image, kernel[None, None, None], padding=(0, reach))
        return F.conv2d(across, kernel[None, None, :, None], padding=(reach, 0))

    total = blur(weight).clamp_min(torch.finfo(maps.dtype).tiny)
    return (blur(maps[:, None] * weight) / total)[:, 0]
