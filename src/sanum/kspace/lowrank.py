"""Low-rank plus sparse: a background that changes in few ways, and a movement of few frequencies.

Otazo, Candès and Sodickson, Magn Reson Med 73:1125, 2015: x = L + S, by iterative soft thresholding of the
singular values of L (pixels × frames) and of S in x-f space. Departure: the mean over time is reconstructed
on its own and taken out first, since the lines of a lattice fold it into many frequencies.
"""

import torch

from .encoding import CoilEncoding
from .fourier import fft, ifft
from .sense import without_mean

LOW_RANK, SPARSE, ITERATIONS = 0.1, 0.05, 40


def low_rank_sparse(
    kspace: torch.Tensor,
    encoding: CoilEncoding,
    *,
    low_rank: float = LOW_RANK,
    sparse: float = SPARSE,
    iterations: int = ITERATIONS,
) -> torch.Tensor:
    """Argmin ½ ‖E (L + S) − y‖² + λ_L ‖L‖_* + λ_S ‖F_t S‖₁ of what the mean leaves, with the mean, (T, Y, X).

    Parameters
    ----------
    kspace : (C, T, Y, X) complex tensor
        y.
    encoding : CoilEncoding
        E.
    low_rank : float
        λ_L, as a share of the largest singular value of Eᴴ y.
    sparse : float
        λ_S, as a share of the largest value of Eᴴ y in x-f space.
    iterations : int
        Of both thresholds and one step towards the data.
    """
    mean, rest = without_mean(kspace, encoding)
    x = start = encoding.adjoint(rest)
    few = torch.zeros_like(x)
    limit = low_rank * float(torch.linalg.eigvalsh(_gram(start))[-1].clamp_min(0).sqrt())
    least = sparse * float(fft(start, 0).abs().max())
    for _ in range(iterations):
        base = _shrunk_rank(x - few, limit)
        few = ifft(_shrunk(fft(x - base, 0), least), 0)
        both = base + few
        x = both - encoding.adjoint(encoding.forward(both) - rest)
    return x + mean


def _gram(x: torch.Tensor) -> torch.Tensor:
    return x.flatten(1) @ x.flatten(1).mH


def _shrunk_rank(x: torch.Tensor, limit: float) -> torch.Tensor:
    values, vectors = torch.linalg.eigh(_gram(x))  # of frames: squares of the singular values
    size = values.clamp_min(0).sqrt()
    share = torch.where(size > limit, 1 - limit / size.clamp_min(1e-30), torch.zeros_like(size))
    keep = (vectors * share) @ vectors.mH
    kept: torch.Tensor = keep @ x.flatten(1)
    return kept.reshape(x.shape)


def _shrunk(x: torch.Tensor, limit: float) -> torch.Tensor:
    size = x.abs()
    return x * torch.where(size > limit, 1 - limit / size.clamp_min(1e-30), torch.zeros_like(size))
