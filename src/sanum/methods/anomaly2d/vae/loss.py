"""The objective: the evidence lower bound (ELBO), of which the negative is minimized."""

import torch


def kl_from_standard(mu: torch.Tensor, log_sigma: torch.Tensor) -> torch.Tensor:
    """KL(N(μ, σ²) ‖ N(0, 1)) = ½ ∑ (μ² + σ² − log σ² − 1), (B,).

    Parameters
    ----------
    mu, log_sigma : (B, Z) float
        Of the code.
    """
    return 0.5 * (mu.square() + (2 * log_sigma).exp() - 2 * log_sigma - 1).sum(1)


def distance(image: torch.Tensor, made: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """∑ |x̂ − x| over the valid pixels and the channels, (B,).

    Parameters
    ----------
    image, made : (B, C, S, S) float
        x and x̂.
    valid : (B, 1, S, S) float
        1 where the image is.
    """
    return ((made - image).abs() * valid).sum((1, 2, 3))


def objective(
    image: torch.Tensor,
    answer: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    valid: torch.Tensor,
    kl_weight: float = 1.0,
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Mean over the batch of ∑ |x̂ − x| + λ KL, and both terms.

    Parameters
    ----------
    image : (B, C, S, S) float
        x.
    answer : tuple of tensor
        x̂, μ and log σ.
    valid : (B, 1, S, S) float
        1 where the image is.
    kl_weight : float
        λ.
    """
    made, mu, log_sigma = answer
    away, kl = distance(image, made, valid).mean(), kl_weight * kl_from_standard(mu, log_sigma).mean()
    return away + kl, {"l1": away.detach(), "kl": kl.detach()}
