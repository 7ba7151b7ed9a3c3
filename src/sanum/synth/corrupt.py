"""What scanners do to images: resolution, bias field, noise, gamma, field of view (Table B.1), artefacts."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage

from ..types import AnyArray, FloatArray, Mask

MOST_CUT = 0.8  # share of a box's planes that may be missing
Level = Literal["none", "mild", "medium", "severe"]
# P(ghosts) = P(spike); the largest share that a line of k-space lacks, and four times the largest wave
_ARTEFACTS: dict[Level, tuple[float, float]] = {
    "none": (0.0, 0.0),
    "mild": (0.0, 0.0),
    "medium": (0.05, 0.2),
    "severe": (0.1, 0.5),
}
# P(low field), P(one thick axis), σ range of the log bias field, σ range of the noise on a 0–1 scale
_LEVELS: dict[Level, tuple[float, float, tuple[float, float], tuple[float, float]]] = {
    "none": (0.0, 0.0, (0.0, 0.0), (0.0, 0.0)),
    "mild": (0.1, 0.0, (0.01, 0.05), (0.0, 2 / 255)),
    "medium": (0.3, 0.1, (0.05, 0.3), (0.5 / 255, 5 / 255)),
    "severe": (0.5, 0.25, (0.1, 0.6), (5 / 255, 15 / 255)),
}


@dataclass(frozen=True)
class CorruptionParams:
    """One acquisition.

    Parameters
    ----------
    voxel_mm : (3,) float
        Size of its voxels in mm.
    profile : float
        Factor of the width of the slice profile.
    bias_sigma : float
        σ of the log bias field at its knots.
    bias_cells : int
        Knots along each axis.
    bias_slope : (3,) float
        Log intensity from the middle of the box to its faces.
    bias_rim : float
        Log intensity from the middle to the surface, as near coils give it.
    noise_sigma : float
        σ of the noise; bright tissue is near 1.
    rician : bool
        The noise is Rician; else Gaussian.
    gamma : float
        Exponent of the intensities.
    cut_low_mm, cut_high_mm : float
        Missing at the bottom and at the top of the box, in mm.
    seed : int
        Of bias field and noise.
    ghost_axis : int
        Axis of the ghosts.
    ghost_count : int
        Copies of the head along it.
    ghost_strength : float
        Share that every `ghost_count`-th line of k-space lacks.
    spike_mm : (3,) float
        Wavelength of the spike's wave along each axis, in mm.
    spike_strength : float
        Amplitude of the wave.
    """

    voxel_mm: tuple[float, float, float]
    profile: float
    bias_sigma: float
    bias_cells: int
    bias_slope: tuple[float, float, float]
    bias_rim: float
    noise_sigma: float
    rician: bool
    gamma: float
    cut_low_mm: float
    cut_high_mm: float
    seed: int
    ghost_axis: int = 0
    ghost_count: int = 2
    ghost_strength: float = 0.0
    spike_mm: tuple[float, float, float] = (8.0, 8.0, 8.0)
    spike_strength: float = 0.0


def draw_corruption(rng: np.random.Generator, level: Level, spacing_mm: float = 2.0) -> CorruptionParams:
    """Parameters at one of the published levels.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    level : Level
        "none", "mild", "medium" or "severe".
    spacing_mm : float
        Voxels of the finest acquisition, in mm.
    """
    low_field, thick, bias, noise = _LEVELS[level]
    voxel = np.full(3, spacing_mm)
    u = rng.random()
    if u < low_field * 0.5:
        voxel = np.array([1.3, 1.3, 5.0 + rng.uniform(-0.4, 0.4)])[rng.permutation(3)]
    elif u < low_field:
        voxel[:] = rng.uniform(2.0, 5.0)
    elif u < low_field + thick:
        voxel[int(rng.integers(3))] = rng.uniform(2.5, 8.5)
    voxel = np.maximum(voxel, spacing_mm)
    near = level != "none" and rng.random() < 0.25
    slope = rng.normal(0, 0.15, 3) if near else np.zeros(3)
    cut = rng.random() < {"none": 0.0, "mild": 0.04, "medium": 0.12, "severe": 0.12}[level]
    made = CorruptionParams(
        voxel_mm=_three(voxel),
        profile=float(rng.uniform(0.85, 1.15)),
        bias_sigma=float(rng.uniform(*bias)),
        bias_cells=int(rng.integers(3, 6)),
        bias_slope=_three(slope),
        bias_rim=float(rng.uniform(0, 0.6)) if near else 0.0,
        noise_sigma=float(rng.uniform(*noise)),
        rician=bool(rng.random() < 0.5),
        gamma=1.0 if level == "none" else float(np.exp(rng.normal(0, 0.1))),
        cut_low_mm=2.0 * int(rng.integers(0, 40)) if cut else 0.0,
        cut_high_mm=2.0 * int(rng.integers(0, 24)) if cut else 0.0,
        seed=int(rng.integers(2**31)),
    )
    share, most = _ARTEFACTS[level]
    own = np.random.default_rng([made.seed, 1])  # added later: the draws above stay as they were
    ghosts, spike = own.random(2) < share
    return replace(
        made,
        ghost_axis=int(own.integers(3)),
        ghost_count=int(own.integers(2, 6)),
        ghost_strength=float(own.uniform(0, most)) * bool(ghosts),
        spike_mm=_three(own.uniform(4, 40, 3)),
        spike_strength=0.25 * float(own.uniform(0, most)) * bool(spike),
    )


def _three(values: AnyArray) -> tuple[float, float, float]:
    x, y, z = map(float, values)
    return x, y, z


def apply_corruption(image: FloatArray, params: CorruptionParams, spacing_mm: float = 2.0) -> FloatArray:
    """Image (X, Y, Z) as the acquisition would give it, on the same grid.

    Parameters
    ----------
    image : (X, Y, Z) float32
        Bright tissue near 1.
    params : CorruptionParams
        Of `draw_corruption`.
    spacing_mm : float
        Edge of a voxel in mm.
    """
    rng = np.random.default_rng(params.seed)
    out = np.power(image, params.gamma) if params.gamma != 1 else image
    if params.bias_sigma > 0:
        n = params.bias_cells
        knots = torch.from_numpy(rng.normal(0, params.bias_sigma, (1, 1, n, n, n)).astype(np.float32))
        field = F.interpolate(knots, size=image.shape, mode="trilinear", align_corners=True)[0, 0]
        out = out * torch.exp(field).numpy()
    if params.bias_rim or any(params.bias_slope):
        out = out * near_coils(image.shape, params)
    if params.ghost_strength > 0:
        out = with_ghosts(torch.from_numpy(out), params).numpy()
    if params.spike_strength > 0:
        out = np.maximum(out + wave(out.shape, params, spacing_mm), 0)
    for axis, sigma in enumerate(blur_sigmas(params, spacing_mm)):
        if sigma:
            out = ndimage.gaussian_filter1d(out, sigma, axis=axis, truncate=2.5)
    small = acquired_shape(image.shape, params, spacing_mm)
    coarse = small != image.shape
    if coarse:
        out = F.interpolate(
            torch.from_numpy(np.ascontiguousarray(out))[None, None], size=small, mode="trilinear"
        )[0, 0].numpy()
    if params.noise_sigma > 0:
        noise = rng.standard_normal(out.shape, dtype=np.float32) * np.float32(params.noise_sigma)
        if params.rician:
            other = rng.standard_normal(out.shape, dtype=np.float32) * np.float32(params.noise_sigma)
            out = np.sqrt((out + noise) ** 2 + other**2)
        else:
            out = np.maximum(out + noise, 0)
    if coarse:
        out = F.interpolate(torch.from_numpy(out)[None, None], size=image.shape, mode="trilinear")[
            0, 0
        ].numpy()
    return out.astype(np.float32, copy=False)


def near_coils(shape: tuple[int, ...], params: CorruptionParams) -> FloatArray:
    """Factor (X, Y, Z): exp of a paraboloid with a slope, over the box from -1 to 1.

    Parameters
    ----------
    shape : (3,) int
        Voxels along each axis.
    params : CorruptionParams
        Its `bias_rim` and `bias_slope`.
    """
    axes = [np.linspace(-1, 1, n, dtype=np.float32) for n in shape]
    parts = [
        np.exp(params.bias_rim * (x * x - 0.25) + slope * x)
        for x, slope in zip(axes, params.bias_slope, strict=True)
    ]
    factor: FloatArray = np.einsum("i,j,k->ijk", *parts).astype(np.float32, copy=False)
    return factor


def blur_sigmas(params: CorruptionParams, spacing_mm: float) -> list[float]:
    """σ of the slice profile along each axis, in voxels: (0.85 … 1.15)·ln 5/π · thickness/spacing.

    0 where the acquisition is not coarser than the grid.

    Parameters
    ----------
    params : CorruptionParams
        Its `profile` and `voxel_mm`.
    spacing_mm : float
        Edge of a voxel of the grid, in mm.
    """
    factors = [mm / spacing_mm for mm in params.voxel_mm]
    return [params.profile * float(np.log(5)) / np.pi * f * 0.75 if f > 1.05 else 0.0 for f in factors]


def acquired_shape(shape: tuple[int, ...], params: CorruptionParams, spacing_mm: float) -> tuple[int, ...]:
    """Voxels of the acquisition along each axis.

    Parameters
    ----------
    shape : (3,) int
        Voxels of the box.
    params : CorruptionParams
        Its `voxel_mm`.
    spacing_mm : float
        Edge of a voxel of the box, in mm.
    """
    return tuple(max(4, round(n * spacing_mm / mm)) for n, mm in zip(shape, params.voxel_mm, strict=True))


def with_ghosts(out: torch.Tensor, params: CorruptionParams) -> torch.Tensor:
    """Image (X, Y, Z) with ghosts: faint copies, shifted by 1/n of the box.

    Every n-th line of k-space is weaker, but for its middle.

    Parameters
    ----------
    out : (X, Y, Z) tensor
        The image without.
    params : CorruptionParams
        Its axis, n and strength.
    """
    lines = torch.fft.rfft(out, dim=params.ghost_axis)
    keep = torch.ones(lines.shape[params.ghost_axis], device=out.device)
    keep[:: params.ghost_count] = 1 - params.ghost_strength
    keep[: max(1, round(0.02 * len(keep)))] = 1
    shape = [-1 if a == params.ghost_axis else 1 for a in range(3)]
    size = out.shape[params.ghost_axis]
    image: torch.Tensor = torch.fft.irfft(lines * keep.reshape(shape), n=size, dim=params.ghost_axis).abs()
    return image


def wave(shape: tuple[int, ...], params: CorruptionParams, spacing_mm: float) -> FloatArray:
    """Wave (X, Y, Z) over the whole image, of one point of k-space that is too strong.

    Parameters
    ----------
    shape : (3,) int
        Voxels along each axis.
    params : CorruptionParams
        Its `spike_mm` and `spike_strength`.
    spacing_mm : float
        Edge of a voxel in mm.
    """
    parts = [
        np.exp(2j * np.pi * spacing_mm * np.arange(n) / length).astype(np.complex64)
        for n, length in zip(shape, params.spike_mm, strict=True)
    ]
    real = np.einsum("i,j,k->ijk", *parts).real
    out: FloatArray = (params.spike_strength * real).astype(np.float32)
    return out


def field_of_view(shape: tuple[int, int, int], params: CorruptionParams, spacing_mm: float = 2.0) -> Mask:
    """Where the acquisition has data, (X, Y, Z) bool.

    Parameters
    ----------
    shape : (3,) int
        Voxels of the box.
    params : CorruptionParams
        Its `cut_low_mm` and `cut_high_mm`.
    spacing_mm : float
        Edge of a voxel in mm.
    """
    cuts = np.array([params.cut_low_mm, params.cut_high_mm]) / spacing_mm
    low, high = (round(c * min(1.0, MOST_CUT * shape[2] / max(cuts.sum(), 1e-6))) for c in cuts)
    in_view = np.ones(shape, bool)
    in_view[:, :, :low] = False
    in_view[:, :, shape[2] - high :] = False
    return in_view
