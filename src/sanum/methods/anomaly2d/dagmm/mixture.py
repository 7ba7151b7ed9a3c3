"""Gaussians of softly shared-out points, and the energy of a point: all in float64.

The covariances are kept as Cholesky factors L of S + εI, S + εI = L Lᵀ: log |S + εI| = 2 ∑ log Lⱼⱼ is never a
product that vanishes, and a factor that is rounded is still that of a covariance.
"""

import math
from dataclasses import dataclass

import torch

LEAST_SHARE = 1e-12
"""Of a Gaussian that no point belongs to: its logarithm is finite."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """K Gaussians in D dimensions.

    Parameters
    ----------
    share : (K,) float64
        φ.
    mean : (K, D) float64
        μ.
    factor : (K, D, D) float64
        L, lower triangular.
    """

    share: torch.Tensor
    mean: torch.Tensor
    factor: torch.Tensor

    @property
    def variances(self) -> torch.Tensor:
        """Diagonals of L Lᵀ, (K, D)."""
        return self.factor.square().sum(2)


def mixture_of(points: torch.Tensor, shares: torch.Tensor, jitter: float) -> Mixture:
    """φₖ = mean γₖ, μₖ = ∑ γₖ z / ∑ γₖ, Sₖ = ∑ γₖ (z − μₖ)(z − μₖ)ᵀ / ∑ γₖ.

    Parameters
    ----------
    points : (N, D) float
        z.
    shares : (N, K) float
        γ; the sum over K is 1.
    jitter : float
        ε, added to the diagonals of S.
    """
    z, gamma = points.cpu().double(), shares.cpu().double()
    total = gamma.sum(0).clamp_min(LEAST_SHARE)
    mean = gamma.T @ z / total[:, None]
    away = z[:, None] - mean
    covariance = torch.einsum("nk,nki,nkj->kij", gamma, away, away) / total[:, None, None]
    steady = covariance + jitter * torch.eye(z.shape[1], dtype=torch.float64)
    return Mixture(total / len(z), mean, torch.linalg.cholesky(steady))


def energy(points: torch.Tensor, mixture: Mixture) -> torch.Tensor:
    """E(z) = −log ∑ φₖ N(z; μₖ, Sₖ + εI), (N,) float64.

    Parameters
    ----------
    points : (N, D) float
        z.
    mixture : Mixture
        Any.
    """
    away = points.cpu().double()[:, None] - mixture.mean
    white = _forward(mixture.factor, away)
    log_root = mixture.factor.diagonal(dim1=1, dim2=2).log().sum(1)
    log_density = -0.5 * white.square().sum(2) - log_root - 0.5 * away.shape[2] * math.log(2 * math.pi)
    return -torch.logsumexp(mixture.share.clamp_min(LEAST_SHARE).log() + log_density, 1)


def _forward(factor: torch.Tensor, away: torch.Tensor) -> torch.Tensor:
    """Solve L w = a, (N, K, D), row by row: D is a handful, and exported graphs have no solver."""
    found: list[torch.Tensor] = []
    for j in range(away.shape[2]):
        known = sum((factor[:, j, i] * one for i, one in enumerate(found)), torch.zeros_like(away[..., j]))
        found.append((away[..., j] - known) / factor[:, j, j])
    return torch.stack(found, 2)
