"""A velocity that neither compresses nor leaves its domain, and a diffusivity that stays in it.

V = ∇×Ψ with Ψ on the edges of the cells: the discrete divergence vanishes identically. Ψ is ramped
to zero with the distance to the domain's border (Bridson, Houriham, Nordenstam 2007, "Curl-noise
for procedural fluid flow"), and is exactly zero on every edge that touches a cell outside, so that
no face of the border carries any flow.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from .noise import gradient_noise

Array = npt.NDArray[np.float32]
Triple = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Flow:
    """Staggered fields over cells of `domain` (X, Y, Z).

    Parameters
    ----------
    domain : (X, Y, Z) bool
    spacing_mm : (3,) float
    velocity : three arrays float32
        Normal velocity at the x-, y- and z-faces, mm per unit time; shapes (X+1, Y, Z),
        (X, Y+1, Z), (X, Y, Z+1).
    diffusivity : three arrays float32
        D ≥ 0 at the same faces, mm² per unit time.
    """

    domain: npt.NDArray[np.bool_]
    spacing_mm: Triple
    velocity: tuple[Array, Array, Array]
    diffusivity: tuple[Array, Array, Array]


def draw_flow(
    domain: npt.NDArray[np.bool_],
    *,
    rng: np.random.Generator | int,
    spacing: Triple = (1.0, 1.0, 1.0),
    peak_speed: float = 11.0,
    diffusion_length: float = 2.0,
    periods: Triple | None = None,
    ramp: Array | None = None,
) -> Flow:
    """Random incompressible flow, tangential at the border of `domain`, with diffusivity Φ².

    Parameters
    ----------
    domain : (X, Y, Z) bool
        Any mask, any number of parts.
    rng : Generator or int
        A generator, or a seed for one.
    spacing : (3,) float
        Voxel size, mm.
    peak_speed : float
        Largest speed at a face, mm per unit time (the published scale is near 11).
    diffusion_length : float
        √(2·max D) in mm: the spread after one unit of time where D is largest.
    periods : (3,) float, optional
        Cells of the noise along each axis; default 2 per 200 mm (spec 1).
    ramp : (X, Y, Z) float32, optional
        `border_ramp(domain, spacing)` if already at hand.
    """
    if domain.dtype != np.bool_ or domain.ndim != 3 or not domain.any():
        raise ValueError("domain must be a non-empty boolean mask with three axes")
    if not min(spacing) > 0:
        raise ValueError(f"spacing must be positive, got {spacing}")
    rng = np.random.default_rng(rng)
    shape: tuple[int, int, int] = domain.shape
    if periods is None:
        periods = tuple(2.0 * n * s / 200.0 for n, s in zip(shape, spacing, strict=True))  # type: ignore[assignment]
    assert periods is not None
    ramp = border_ramp(domain, spacing) if ramp is None else ramp
    velocity = _curl([_edge_potential(axis, shape, periods, ramp, rng) for axis in range(3)], spacing)
    peak = max(float(np.abs(v).max()) for v in velocity)
    scale = np.float32(peak_speed / peak) if peak > 0 else np.float32(0)
    for v in velocity:
        v *= scale
    phi = gradient_noise(shape, periods, rng=rng)
    top = float(np.abs(phi[domain]).max())
    cell = (
        np.square(phi * np.float32(diffusion_length / np.sqrt(2.0) / top)) if top > 0 else np.zeros_like(phi)
    )
    return Flow(domain, spacing, velocity, _face_diffusivity(cell, domain))


def border_ramp(domain: npt.NDArray[np.bool_], spacing: Triple, width_mm: float = 8.0) -> Array:
    """Smooth step from 0 outside `domain` to 1 deeper than `width_mm` (10t³ − 15t⁴ + 6t⁵)."""
    padded = np.pad(domain, 1)  # the edge of the array is a border too
    t = ndimage.distance_transform_edt(padded, sampling=spacing)[1:-1, 1:-1, 1:-1]
    t = np.clip(t / width_mm, 0, 1).astype(np.float32)
    return t * t * t * (t * (t * 6 - 15) + 10)


def _edge_potential(
    axis: int, shape: tuple[int, int, int], periods: Triple, ramp: Array, rng: np.random.Generator
) -> Array:
    # edges along `axis` sit between cells in the two other axes, one more than cells there
    edges = tuple(n if a == axis else n + 1 for a, n in enumerate(shape))
    offset = tuple(0.5 if a == axis else 0.0 for a in range(3))
    edge_periods = tuple(p * e / n for p, e, n in zip(periods, edges, shape, strict=True))
    noise = gradient_noise(edges, edge_periods, rng=rng, offset=offset)  # type: ignore[arg-type]
    around = np.pad(ramp, [(0, 0) if a == axis else (1, 1) for a in range(3)])
    b, c = (a for a in range(3) if a != axis)
    low = np.minimum(_cut(around, b, 0), _cut(around, b, 1))
    return noise * np.minimum(_cut(low, c, 0), _cut(low, c, 1))


def _cut(x: npt.NDArray, axis: int, start: int) -> npt.NDArray:
    return np.moveaxis(np.moveaxis(x, axis, 0)[start : x.shape[axis] - 1 + start], 0, axis)


def _curl(psi: list[Array], spacing: Triple) -> tuple[Array, Array, Array]:
    dx, dy, dz = (np.float32(s) for s in spacing)
    x = np.diff(psi[2], axis=1) / dy - np.diff(psi[1], axis=2) / dz
    y = np.diff(psi[0], axis=2) / dz - np.diff(psi[2], axis=0) / dx
    z = np.diff(psi[1], axis=0) / dx - np.diff(psi[0], axis=1) / dy
    return x, y, z


def _face_diffusivity(cell: Array, domain: npt.NDArray[np.bool_]) -> tuple[Array, Array, Array]:
    faces = []
    for axis in range(3):
        inside = _cut(domain, axis, 0) & _cut(domain, axis, 1)
        mean = 0.5 * (_cut(cell, axis, 0) + _cut(cell, axis, 1)) * inside
        faces.append(np.pad(mean, [(1, 1) if a == axis else (0, 0) for a in range(3)]).astype(np.float32))
    return tuple(faces)  # type: ignore[return-value]
