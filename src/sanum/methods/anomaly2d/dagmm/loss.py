"""The objective: the error of the reconstruction, the energy, and a barrier against variances of zero."""

import torch

from ...common.residual import squared_error
from .mixture import energy, mixture_of


def objective(
    answer: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    image: torch.Tensor,
    valid: torch.Tensor,
    weights: tuple[float, float],
    jitter: float,
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Mean (x̂ − x)² + λ₁ mean E(z) + λ₂ ∑ 1 / Sⱼⱼ, by the Gaussians of the batch, and the three terms.

    Parameters
    ----------
    answer : tuple of tensor
        x̂, z and γ of a `Dagmm`.
    image : (B, C, S, S) float
        x.
    valid : (B, 1, S, S) float
        1 where the image is.
    weights : (float, float)
        λ₁ and λ₂.
    jitter : float
        Added to the diagonals of the covariances.
    """
    made, z, shares = answer
    found = mixture_of(z, shares, jitter)
    terms = {
        "mse": squared_error(image, made, valid).mean(),
        "energy": weights[0] * energy(z, found).mean().to(image),
        "barrier": weights[1] * found.variances.reciprocal().sum().to(image),
    }
    return torch.stack(list(terms.values())).sum(), {name: x.detach() for name, x in terms.items()}
