"""What scanners do to images (Table B.1): resolution, bias field, noise, gamma, field of view."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from scipy import ndimage

Array = npt.NDArray[np.float32]
Level = Literal["none", "mild", "medium", "severe"]
# P(low field), P(one thick axis), σ range of the log bias field, σ range of the noise on a 0–1 scale
_LEVELS: dict[Level, tuple[float, float, tuple[float, float], tuple[float, float]]] = {
    "none": (0.0, 0.0, (0.0, 0.0), (0.0, 0.0)),
    "mild": (0.1, 0.0, (0.01, 0.05), (0.0, 2 / 255)),
    "medium": (0.3, 0.1, (0.05, 0.3), (0.5 / 255, 5 / 255)),
    "severe": (0.5, 0.25, (0.1, 0.6), (5 / 255, 15 / 255)),
}


@dataclass(frozen=True)
class CorruptionParams:
    """One acquisition: voxel size in mm, profile factor, bias, noise, gamma, cut field of view."""

    voxel_mm: tuple[float, float, float]
    profile: float
    bias_sigma: float
    bias_cells: int
    bias_slope: tuple[float, float, float]  # log intensity from the middle of the box to its faces
    bias_rim: float  # log intensity from the middle to the surface, as near coils give it
    noise_sigma: float
    rician: bool
    gamma: float
    cut_low: int  # planes missing at the bottom
    cut_high: int  # planes missing at the top
    seed: int


def draw_corruption(rng: np.random.Generator, level: Level, spacing_mm: float = 2.0) -> CorruptionParams:
    """Parameters at one of the published levels."""
    low_field, thick, bias, noise = _LEVELS[level]
    voxel = np.full(3, spacing_mm)
    u = rng.random()
    if u < low_field * 0.5:
        voxel = np.array([spacing_mm, spacing_mm, 5.0 + rng.uniform(-0.4, 0.4)])[rng.permutation(3)]
    elif u < low_field:
        voxel[:] = rng.uniform(2.0, 4.0)
    elif u < low_field + thick * 2:
        voxel[int(rng.integers(3))] = rng.uniform(2.5, 8.5)
    near = level != "none" and rng.random() < 0.25
    slope = rng.normal(0, 0.15, 3) if near else np.zeros(3)
    cut = rng.random() < {"none": 0.0, "mild": 0.04, "medium": 0.12, "severe": 0.12}[level]
    return CorruptionParams(
        voxel_mm=tuple(float(v) for v in voxel),  # type: ignore[arg-type]
        profile=float(rng.uniform(0.85, 1.15)),
        bias_sigma=float(rng.uniform(*bias)),
        bias_cells=int(rng.integers(3, 6)),
        bias_slope=tuple(float(v) for v in slope),  # type: ignore[arg-type]
        bias_rim=float(rng.uniform(0, 0.6)) if near else 0.0,
        noise_sigma=float(rng.uniform(*noise)),
        rician=bool(rng.random() < 0.5),
        gamma=1.0 if level == "none" else float(np.exp(rng.normal(0, 0.1))),
        cut_low=int(rng.integers(0, 40)) if cut else 0,
        cut_high=int(rng.integers(0, 24)) if cut else 0,
        seed=int(rng.integers(2**31)),
    )


def apply_corruption(image: Array, params: CorruptionParams, spacing_mm: float = 2.0) -> Array:
    """Image (X, Y, Z), bright tissue near 1, as the acquisition would give it, on the same grid."""
    rng = np.random.default_rng(params.seed)
    out = np.power(image, params.gamma) if params.gamma != 1 else image
    if params.bias_sigma > 0:
        n = params.bias_cells
        knots = torch.from_numpy(rng.normal(0, params.bias_sigma, (1, 1, n, n, n)).astype(np.float32))
        field = F.interpolate(knots, size=image.shape, mode="trilinear", align_corners=True)[0, 0]
        out = out * torch.exp(field).numpy()
    if params.bias_rim or any(params.bias_slope):
        out = out * _near_coils(image.shape, params)
    factor = np.asarray(params.voxel_mm) / spacing_mm
    out = _blur_profile(out, factor, params.profile)
    small = [max(4, round(n / f)) for n, f in zip(image.shape, factor, strict=True)]
    coarse = tuple(small) != image.shape
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


def _near_coils(shape: tuple[int, ...], params: CorruptionParams) -> Array:
    # exp of a paraboloid with a slope, over the box from -1 to 1
    axes = [np.linspace(-1, 1, n, dtype=np.float32) for n in shape]
    parts = [
        np.exp(params.bias_rim * (x * x - 0.25) + slope * x)
        for x, slope in zip(axes, params.bias_slope, strict=True)
    ]
    return np.einsum("i,j,k->ijk", *parts).astype(np.float32, copy=False)


def _blur_profile(out: Array, factor: npt.NDArray, profile: float) -> Array:
    # slice profile: σ = (0.85 … 1.15)·ln 5/π · thickness/spacing voxels (spec 3), where the axis is coarser
    for axis, f in enumerate(factor):
        if f > 1.05:
            out = ndimage.gaussian_filter1d(
                out, profile * np.log(5) / np.pi * f * 0.75, axis=axis, truncate=2.5
            )
    return out


def field_of_view(shape: tuple[int, int, int], params: CorruptionParams) -> npt.NDArray[np.bool_]:
    """Where the acquisition has data, (X, Y, Z) bool."""
    seen = np.ones(shape, bool)
    seen[:, :, : params.cut_low] = False
    seen[:, :, shape[2] - params.cut_high :] = False
    return seen
