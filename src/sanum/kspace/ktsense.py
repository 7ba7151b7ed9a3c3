"""k-t SENSE: a lattice folds each point of x-f space onto R places, and a prior says how much lies on each.

Tsao, Boesiger and Pruessmann, Magn Reson Med 50:1031, 2003. The mean over time is reconstructed on its own
and taken out. Of what is left, with M² the prior's power at the R points of a group, S their sensitivities
times the weights of the fold, and Ψ the power of the noise:

    ρ = M² Sᴴ (S M² Sᴴ + Ψ)⁻¹ ρ_alias
"""

import math

import torch

from .encoding import CoilEncoding
from .fourier import fft, ifft
from .sampling import LineLattice, lattice_of
from .sense import without_mean

FLAT, ROUNDS = 0.01, 8
"""Where there is no training: the first prior, where the largest value of the mean image is 1; solutions."""


def prior_of(training: torch.Tensor) -> torch.Tensor:
    """|ρ(f, y, x)|² of a fully sampled movie, without the mean over time: (T, Y, X) real.

    Parameters
    ----------
    training : (T, Y, X) complex tensor
        Of low resolution, as a rule.
    """
    power = fft(training, 0).abs().square()
    power[training.shape[0] // 2] = 0
    return power


def fold_of(mask: torch.Tensor) -> list[tuple[int, int, complex]]:
    """What a lattice makes of a point in x-f space: its images (frequencies and pixels away), and weights.

    Parameters
    ----------
    mask : (T, Y) bool tensor
        A lattice.
    """
    frames, lines = mask.shape
    point = torch.zeros(frames, lines, dtype=torch.complex128)
    point[frames // 2, lines // 2] = 1
    seen = fft(ifft(fft(ifft(point, 0), 1) * mask.cpu(), 1), 0)
    places = torch.nonzero(seen.abs() > 1e-9)
    return [(int(f) - frames // 2, int(y) - lines // 2, complex(seen[f, y])) for f, y in places]


def require_groups(mask: torch.Tensor) -> LineLattice:
    """The lattice of a mask whose points fold in groups.

    Parameters
    ----------
    mask : (T, Y) bool tensor
        Lines that are measured.

    Raises
    ------
    ValueError
        It is no lattice, or frames or lines do not divide by R.
    """
    found = lattice_of(mask)
    if found is None:
        raise ValueError("kt-sense needs lines on a lattice, and these are not: choose another method")
    frames, lines = mask.shape
    for count, what in ((frames, "frames"), (lines, "lines")):
        if count % found.acceleration:
            raise ValueError(
                f"kt-sense needs frames and lines that divide by the acceleration: {count} {what} do not "
                f"divide by {found.acceleration}; choose another method, or leave some out"
            )
    return found


def kt_sense(
    kspace: torch.Tensor,
    encoding: CoilEncoding,
    prior: torch.Tensor | None = None,
    *,
    noise: float | None = None,
) -> torch.Tensor:
    """Moving image of lattice-sampled k-space, (T, Y, X).

    Parameters
    ----------
    kspace : (C, T, Y, X) complex tensor
        What was measured.
    encoding : CoilEncoding
        Maps, and a mask that is a lattice. Lines of the centre that every frame has are no part of the
        groups: the solution is drawn to them by one step of consistency.
    prior : (T, Y, X) real tensor, optional
        Power in x-f space, as of `prior_of`, on the scale of `kspace`. Without it the first is flat, and the
        next that of each solution, `ROUNDS` times: k-t FOCUSS (Jung et al., Magn Reson Med 61:103, 2009).
    noise : float, optional
        Ψ, on the scale of the squared `kspace`; default what `noise_of` finds.

    Raises
    ------
    ValueError
        As of `require_groups`.
    """
    found = require_groups(encoding.mask)
    only = found.mask(*encoding.mask.shape).to(kspace.device)
    mean, rest = without_mean(kspace, encoding)
    rest = rest * only[:, :, None]
    floor = noise_of(rest, only) if noise is None else noise
    always = CoilEncoding(encoding.maps, encoding.mask & encoding.mask.all(0))
    if prior is not None:
        return always.consistent(ifft(unfolded(rest, encoding.maps, only, prior, floor), 0) + mean, kspace)
    prior = torch.full_like(rest[0].real, FLAT * float(mean.abs().max()) ** 2)
    prior[len(only) // 2] = 0
    for _ in range(ROUNDS):
        moving = unfolded(rest, encoding.maps, only, prior, floor)
        prior = moving.abs().square()
    return always.consistent(ifft(moving, 0) + mean, kspace)


def noise_of(rest: torch.Tensor, mask: torch.Tensor) -> float:
    """Power of the noise on each folded point, of what is measured at the edges of k-space without the mean.

    Parameters
    ----------
    rest : (C, T, Y, X) complex tensor
        Of `without_mean`.
    mask : (T, Y) bool tensor
        Lines that are measured.
    """
    edges = [max(n // 8, 1) for n in rest.shape[-2:]]
    ky, kx = ([*range(n), *range(-n, 0)] for n in edges)
    corners = fft(rest, -1)[:, :, ky][..., kx].abs().square()
    values = corners[:, mask[:, ky]]
    share = float(mask.double().mean())
    return float(values.median()) / math.log(2) * share if values.numel() else 0.0


def unfolded(
    kspace: torch.Tensor, maps: torch.Tensor, mask: torch.Tensor, prior: torch.Tensor, noise: float
) -> torch.Tensor:
    """x-f space of lattice-sampled k-space, (T, Y, X): every group of points solved by itself.

    Parameters
    ----------
    kspace : (C, T, Y, X) complex tensor
        What was measured, 0 elsewhere.
    maps : (C, Y, X) complex tensor
        Sensitivities.
    mask : (T, Y) bool tensor
        A lattice.
    prior : (T, Y, X) real tensor
        M².
    noise : float
        Ψ, on the same scale.
    """
    fold = fold_of(mask)
    rows = slice(0, mask.shape[1] // len(fold))  # one point of each group
    folded = fft(ifft(kspace, -2), 1)[:, :, rows]
    seen = torch.stack([w * maps.roll(y, 1)[:, rows] for _, y, w in fold], -1).permute(1, 2, 0, 3)
    power = torch.stack([prior.roll((f, y), (0, 1))[:, rows] for f, y, _ in fold], -1)
    parts = torch.zeros_like(power, dtype=kspace.dtype)  # (T, rows, X, R)
    eye = torch.eye(maps.shape[0], dtype=kspace.dtype, device=kspace.device)
    least = torch.finfo(prior.dtype).eps
    for t in range(mask.shape[0]):
        spread = power[t][..., None, :] * seen
        both = spread @ seen.mH
        ridge = noise + least * both.diagonal(dim1=-2, dim2=-1).real.sum(-1)[..., None, None]
        ridge = ridge.clamp_min(torch.finfo(prior.dtype).tiny)
        solved = torch.linalg.solve(both + ridge * eye, folded[:, t].permute(1, 2, 0)[..., None])
        parts[t] = (spread.mH @ solved)[..., 0]
    out = torch.zeros_like(prior, dtype=kspace.dtype)
    for n, (f, y, _) in enumerate(fold):
        whole = torch.zeros_like(out)
        whole[:, rows] = parts[..., n]
        out += whole.roll((-f, -y), (0, 1))
    return out
