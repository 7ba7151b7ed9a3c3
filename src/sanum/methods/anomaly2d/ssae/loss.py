"""The objective: the mean squared error of every scale."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from ...common.residual import squared_error


def errors_by_scale(
    images: Sequence[torch.Tensor], made: Sequence[torch.Tensor], valid: torch.Tensor, scales: int
) -> list[torch.Tensor]:
    """Mean over valid pixels of (Rₖ − Iₖ)², (B,) for each scale from the finest.

    Parameters
    ----------
    images, made : sequence of (B, C, Sₖ, Sₖ) float
        I and R, from the finest.
    valid : (B, 1, S, S) float
        1 where the image is; at coarser scales where at least half of it is.
    scales : int
        How many.
    """
    rows = []
    for image, other in zip(images[:scales], made[:scales], strict=True):
        inside = (F.adaptive_avg_pool2d(valid, (image.shape[2], image.shape[3])) >= 0.5).to(image.dtype)
        rows.append(squared_error(image, other, inside))
    return rows


def objective(
    images: Sequence[torch.Tensor],
    made: Sequence[torch.Tensor],
    valid: torch.Tensor,
    weights: Sequence[float],
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """∑ λₖ · mean (Rₖ − Iₖ)², and each scale's term.

    Parameters
    ----------
    images, made : sequence of (B, C, Sₖ, Sₖ) float
        I and R, from the finest.
    valid : (B, 1, S, S) float
        1 where the image is.
    weights : sequence of float
        λ, one for each scale that counts.
    """
    rows = [error.mean() for error in errors_by_scale(images, made, valid, len(weights))]
    terms = {f"mse{k}": weight * error for k, (weight, error) in enumerate(zip(weights, rows, strict=True))}
    return torch.stack(list(terms.values())).sum(), {name: x.detach() for name, x in terms.items()}
