"""Reconstructions that know nothing of movement: zero filling, view sharing, the mean over time, and SENSE.

SENSE: Pruessmann et al., Magn Reson Med 42:952, 1999; by conjugate gradients as in 46:638, 2001.
"""

import torch

from .coils import combined
from .encoding import CoilEncoding
from .fourier import fft, ifft


def view_shared(kspace: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """k-space in which each line that a frame lacks is that of the nearest frame that has it, (C, T, Y, X).

    Of two as near, the earlier; lines that no frame has stay 0.

    Parameters
    ----------
    kspace : (C, T, Y, X) complex tensor
        What was measured.
    mask : (T, Y) bool tensor
        Where.
    """
    t = torch.arange(mask.shape[0], device=mask.device)
    distance = (t[:, None] - t[None]).abs().double() + 0.25 * (t[None] > t[:, None])
    far = torch.where(mask[None], distance[:, :, None], torch.inf)  # of frame t from frame s, line by line
    nearest = far.argmin(1)
    lines = torch.arange(mask.shape[1], device=mask.device)
    return kspace[:, nearest, lines] * mask.any(0)[:, None]


def mean_kspace(kspace: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Σ_t y / Σ_t M, (C, Y, X): the mean over the frames that have a line.

    Of a lattice it is free of aliases in space, as R frames have all lines; frequencies that are multiples of
    1 / R of a frame's are in it as well. Lines that no frame has stay 0.

    Parameters
    ----------
    kspace : (C, T, Y, X) complex tensor
        What was measured.
    mask : (T, Y) bool tensor
        Where.
    """
    return (kspace * mask[:, :, None]).sum(1) / mask.sum(0).clamp_min(1)[:, None]


def without_mean(kspace: torch.Tensor, encoding: CoilEncoding) -> tuple[torch.Tensor, torch.Tensor]:
    """Image of the mean over time, (1, Y, X), and what was measured without it, (C, T, Y, X).

    Parameters
    ----------
    kspace : (C, T, Y, X) complex tensor
        What was measured.
    encoding : CoilEncoding
        How.
    """
    mean = image_of(mean_kspace(kspace, encoding.mask)[:, None], encoding.maps)
    still = fft(encoding.maps[:, None] * mean, -2)
    return mean, (kspace - still) * encoding.mask[:, :, None]


def image_of(kspace: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    """Coil-combined image of fully sampled k-space, (T, Y, X).

    Parameters
    ----------
    kspace : (C, T, Y, X) complex tensor
        Lines ky, pixels x.
    maps : (C, Y, X) complex tensor
        Normalized.
    """
    return combined(ifft(kspace, -2), maps)


def sense(
    kspace: torch.Tensor, encoding: CoilEncoding, *, damping: float = 1e-3, iterations: int = 40
) -> torch.Tensor:
    """Argmin ‖E x − y‖² + damping ‖x‖², (T, Y, X), each frame on its own.

    Parameters
    ----------
    kspace : (C, T, Y, X) complex tensor
        y.
    encoding : CoilEncoding
        E.
    damping : float
        Beside the largest eigenvalue of Eᴴ E, which is at most 1.
    iterations : int
        Of conjugate gradients.
    """

    def normal(x: torch.Tensor) -> torch.Tensor:
        return encoding.normal(x) + damping * x

    def squares(x: torch.Tensor) -> torch.Tensor:  # frames are systems of their own
        return x.abs().square().sum((-2, -1), keepdim=True)

    r = encoding.adjoint(kspace)
    x = torch.zeros_like(r)
    p, rest = r.clone(), squares(r)
    tiny = torch.finfo(rest.dtype).tiny
    for _ in range(iterations):
        q = normal(p)
        step = rest / (p.conj() * q).real.sum((-2, -1), keepdim=True).clamp_min(tiny)
        x, r = x + step * p, r - step * q
        before, rest = rest, squares(r)
        p = r + rest / before.clamp_min(tiny) * p
    return x
