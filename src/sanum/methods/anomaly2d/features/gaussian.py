"""A Gaussian of the normals' features at each place (Defard et al. 2021), and how far from it a patch is."""

import torch

FLOOR = 1e-3
"""Of the mean variance: what is added to each, where normals do not vary."""


def fitted(rows: torch.Tensor, weight: torch.Tensor, shrink: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Means μ (P, D) and whitening matrices W (P, D, D), lower triangles with Wᵀ W = Σ⁻¹.

    Σ = (1 − s) S + s S̄ + ε I: of few normals the covariance S of a place alone has no inverse; S̄ is the mean
    of all places. Where no patch counts, μ is the mean of all places and Σ is S̄ + ε I.

    Parameters
    ----------
    rows : (N, P, D) float32
        Features of the normals at each place.
    weight : (N, P) float32
        1 for patches that count.
    shrink : float
        s in [0, 1].
    """
    each = weight.sum(0).clamp_min(1)[:, None]
    mean = (rows * weight[..., None]).sum(0) / each
    empty = weight.sum(0) == 0
    mean[empty] = mean[~empty].mean(0)
    off = ((rows - mean) * weight[..., None]).transpose(0, 1)
    cov = off.transpose(1, 2) @ off / each[..., None]
    together = cov[~empty].mean(0)
    cov = (1 - shrink) * cov + shrink * together
    cov[empty] = together
    eye = torch.eye(rows.shape[2])
    variance = together.diagonal().mean().clamp_min(torch.finfo(torch.float32).tiny)
    root = torch.linalg.cholesky((cov + FLOOR * variance * eye).double())
    return mean, torch.linalg.solve_triangular(root, eye.double().expand_as(root), upper=False).float()


def mahalanobis(rows: torch.Tensor, mean: torch.Tensor, whiten: torch.Tensor) -> torch.Tensor:
    """|W (x − μ)|, (B, P).

    Parameters
    ----------
    rows : (B, P, D) float32
        Features.
    mean : (P, D) float32
        μ.
    whiten : (P, D, D) float32
        W.
    """
    far: torch.Tensor = torch.einsum("pij,bpj->bpi", whiten, rows - mean).norm(dim=2)
    return far
