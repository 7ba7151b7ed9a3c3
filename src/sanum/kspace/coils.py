"""Sensitivities of receive coils: made up, brought to one scale, combined, and estimated from data."""

import math

import numpy as np
import torch

from ..extras import needs_extra
from .fourier import fft

CALIBRATION_LINES = 24


def normalized(maps: torch.Tensor) -> torch.Tensor:
    """Maps whose squares add up to 1 at each pixel, and 0 where no coil sees anything; so ‖S x‖ = ‖x‖.

    Parameters
    ----------
    maps : (C, Y, X) complex tensor
        Sensitivities on any scale.
    """
    size = maps.abs().square().sum(0).sqrt()
    return torch.where(size > 1e-6 * size.max(), maps / size.clamp_min(1e-30), torch.zeros_like(maps))


def combined(images: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    """Σ_c S̄_c x_c, (T, Y, X): the image that fits all coils best, as maps are normalized.

    Parameters
    ----------
    images : (C, T, Y, X) complex tensor
        One of each coil.
    maps : (C, Y, X) complex tensor
        Normalized.
    """
    return torch.einsum("cyx,ctyx->tyx", maps.conj(), images)


def made_up(coils: int, shape: tuple[int, int], *, rng: np.random.Generator) -> torch.Tensor:
    """Smooth maps of coils that stand around the field of view, (C, Y, X) complex64, normalized.

    Each falls off as a Gaussian from a place outside the image, and its phase turns slowly across it.

    Parameters
    ----------
    coils : int
        C.
    shape : (int, int)
        Y, X.
    rng : Generator
        Of widths and phases.
    """
    y, x = (torch.linspace(-1, 1, n, dtype=torch.float64) for n in shape)
    maps = []
    for n in range(coils):
        angle = 2 * math.pi * (n + float(rng.uniform(-0.15, 0.15))) / coils
        width = float(rng.uniform(0.5, 0.65))
        distance = (y[:, None] - 1.1 * math.sin(angle)) ** 2 + (x[None] - 1.1 * math.cos(angle)) ** 2
        turn = rng.uniform(-1, 1, 3)
        phase = math.pi * (turn[0] + 0.5 * turn[1] * y[:, None] + 0.5 * turn[2] * x[None])
        maps.append(torch.polar(torch.exp(-distance / (2 * width**2)), phase))
    return normalized(torch.stack(maps)).to(torch.complex64)


def espirit(kspace: torch.Tensor) -> torch.Tensor:
    """Maps estimated from fully sampled k-space, (C, Y, X), by ESPIRiT (Uecker et al., MRM 2014) of SigPy.

    They are known up to one phase at each pixel, that of the first coil, which magnitudes do not show.

    Parameters
    ----------
    kspace : (C, Y, X) complex tensor
        Lines ky and pixels x, as of the mean over frames.

    Raises
    ------
    MissingExtra
        SigPy is not installed.
    """
    with needs_extra("coil estimation", "kspace"):
        from sigpy.mri.app import EspiritCalib
    both = fft(kspace, -1).numpy().astype(np.complex64)
    width = min(CALIBRATION_LINES, *both.shape[1:])
    maps = EspiritCalib(both, calib_width=width, crop=0.0, show_pbar=False).run()
    return normalized(torch.from_numpy(np.ascontiguousarray(maps)))
