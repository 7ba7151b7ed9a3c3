"""Low-rank plus sparse: a background that changes in few ways, and a movement of few frequencies.

Otazo, Candès and Sodickson, Magn Reson Med 73:1125, 2015: x = L + S, by iterative soft thresholding of the
singular values of L (pixels × frames) and of S in x-f space, here with momentum (FISTA, Beck and Teboulle
2009). Departure: the mean over time is reconstructed on its own and taken out first, since the lines of a
lattice fold it into many frequencies.
"""

import math

import torch

from .encoding import CoilEncoding
from .fourier import fft, ifft
from .sense import without_mean

LOW_RANK, SPARSE, ITERATIONS = 0.1, 0.05, 100


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
        Of one step towards the data, of L and S at once, and both thresholds.
    """
    mean, rest = without_mean(kspace, encoding)
    start = encoding.adjoint(rest)
    limit = low_rank * float(torch.linalg.eigvalsh(_gram(start))[-1].clamp_min(0).sqrt())
    least = sparse * float(fft(start, 0).abs().max())
    base = few = torch.zeros_like(start)
    ahead, of_few, pace = base, few, 1.0
    for _ in range(iterations):
        back = (encoding.normal(ahead + of_few) - start) / 2  # both move: the step is half of that of one
        new_base = _shrunk_rank(ahead - back, limit / 2)
        new_few = ifft(_shrunk(fft(of_few - back, 0), least / 2), 0)
        faster = (1 + math.sqrt(1 + 4 * pace**2)) / 2
        more, pace = (pace - 1) / faster, faster
        ahead, of_few = new_base + more * (new_base - base), new_few + more * (new_few - few)
        base, few = new_base, new_few
    return base + few + mean


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
