"""Errors and residuals in standard deviations of those of normal images, at each start of the way back."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch

PRIOR = 10.0
"""Images that the mean over all places counts as, at each place: twenty normals alone make rough maps."""

LEAST = 0.01
"""Least standard deviation, as a share of the mean: that of one image is 0."""


@dataclass(frozen=True, eq=False)
class Tables:
    """Means and standard deviations over normal images, at each of K starts.

    Parameters
    ----------
    error_mean, error_deviation : (K,) float64
        Of the mean squared error of an image.
    residual_mean, residual_deviation : (K, S, S) float64
        Of |x − x̂| at each place.
    """

    error_mean: torch.Tensor
    error_deviation: torch.Tensor
    residual_mean: torch.Tensor
    residual_deviation: torch.Tensor


@torch.no_grad()
def tables_of(parts: Iterable[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]) -> Tables:
    """Tables of normal images.

    At a place they are drawn towards those of all places: mean = (∑ r + w r̄) / (n + w) and
    variance = (∑ (r − mean)² + w v̄) / (n + w), of the n images that are valid there, w = `PRIOR`.

    Parameters
    ----------
    parts : iterable of tensor, tensor, tensor
        Some images at a time: errors (B, K), residuals (B, K, S, S), and (B, 1, S, S), 1 where an image is.
    """
    errors, count, first, second = [], torch.zeros(()), torch.zeros(()), torch.zeros(())
    for error, residual, valid in parts:
        errors.append(error.double())
        inside, r = valid[:, 0].double(), residual.double() * valid
        count = count.to(inside) + inside.sum(0)
        first = first.to(inside) + r.sum(0)
        second = second.to(inside) + r.square().sum(0)
    every = torch.cat(errors)
    mean = every.mean(0)
    places = count.sum().clamp_min(1)
    overall = (first.sum((1, 2)) / places)[:, None, None]
    spread = (second.sum((1, 2)) / places)[:, None, None] - overall.square()
    here = (first + PRIOR * overall) / (count + PRIOR)
    squares = second - 2 * here * first + count * here.square()
    variance = (squares + PRIOR * spread.clamp_min(0)) / (count + PRIOR)
    return Tables(
        mean,
        _floored(every.std(0, correction=0), mean),
        here,
        _floored(variance.clamp_min(0).sqrt(), overall),
    )


def _floored(deviation: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
    return torch.maximum(deviation, LEAST * mean).clamp_min(1e-12)
