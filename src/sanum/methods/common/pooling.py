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
    rows = []
    for one, inside in zip(maps, valid, strict=True):
        values = one[inside]
        if config.kind == "quantile":
            rows.append(torch.quantile(values, config.quantile))
        else:
            count = max(1, round(len(values) * config.top / 100))
            rows.append(values.topk(count).values.mean())
    return torch.stack(rows)


def smoothed(maps: torch.Tensor, valid: torch.Tensor, sigma: float) -> torch.Tensor:
    """Gaussian mean over the valid neighbours of each pixel.

    Parameters
    ----------
    maps : (B, S, S) float
        Any.
    valid : (B, S, S) bool
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
