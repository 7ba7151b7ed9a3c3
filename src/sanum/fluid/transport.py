"""Transport of P by a flow: ∂P/∂t = −∇·(V P) + ∇·(D ∇P), no flux through the border (spec 1).

Finite volumes, first-order upwind in space, SSP-RK3 or Euler in time (Shu & Osher 1988). Each Euler
stage is a convex combination under the step bound below, so P stays in [0, max P0] and its sum stays.
The sum stays to rounding of P, the upper bound to rounding of V: its discrete divergence is some 1e-7 of
|V|/h and not 0, so a plateau at max P0 may end up to `ROUNDING` above it; P never falls below 0.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from .flow import Flow
from .kernels.cpu import largest_rate, upwind_euler

Array = npt.NDArray[np.float32]
ROUNDING = 2e-6  # measured: 5e-7 after 500 steps


@dataclass(frozen=True, eq=False)
class Transported:
    """Result of `transport`.

    Parameters
    ----------
    p : (X, Y, Z) array
        P after the transport.
    steps : int
    mass_error : float
        |∑P − ∑P0| / ∑P0.
    """

    p: npt.NDArray
    steps: int
    mass_error: float


def transport(
    p0: npt.NDArray,
    flow: Flow,
    *,
    duration: float,
    integrator: str = "ssp3",
    max_steps: int = 10_000,
    callback: Callable[[float, npt.NDArray], None] | None = None,
) -> Transported:
    """Move and spread `p0` by `flow` for `duration`.

    Parameters
    ----------
    p0 : (X, Y, Z) float32 or float64
        In [0, 1]; what lies outside of the flow's domain is an error.
    duration : float
        Units of time (0.2 to 1 in the paper).
    integrator : "ssp3" or "euler"
    callback : function (time, p), optional
        Called after each step with a copy of P on the whole grid.

    Raises
    ------
    ValueError
        For values outside [0, 1], not finite, outside the domain; negative duration; too many steps.
    """
    _check(p0, flow, duration, integrator)
    box = _reachable(p0, flow, duration)
    faces = [_face_box(box, axis) for axis in range(3)]
    # copies, never views: the integrator writes into p, and the walls below into the fields
    p = np.array(p0[box], order="C")
    velocity = [np.array(v[f], order="C") for v, f in zip(flow.velocity, faces, strict=True)]
    diffusivity = [np.array(d[f], order="C") for d, f in zip(flow.diffusivity, faces, strict=True)]
    # A box cut through the domain gets walls: nothing has reached them (see _reachable).
    for axis in range(3):
        for field in (velocity[axis], diffusivity[axis]):
            edge = np.moveaxis(field, axis, 0)
            edge[0] = 0
            edge[-1] = 0
    rate = largest_rate(*velocity, *diffusivity, *flow.spacing_mm)  # type: ignore[call-arg]
    steps = int(np.ceil(duration * rate / 0.95)) if duration > 0 else 0
    if steps > max_steps:
        raise ValueError(f"the transport needs {steps} steps, more than max_steps={max_steps}")
    start_mass = float(p0.sum(dtype=np.float64))

    # walls of the cut box change the divergence only where P is zero throughout
    def whole(part):
        full = np.zeros_like(p0)
        full[box] = part
        return full

    shown = (lambda time, part: callback(time, whole(part))) if callback else None
    out = whole(_integrate(p, velocity, diffusivity, flow.spacing_mm, duration, steps, integrator, shown))
    mass = float(out.sum(dtype=np.float64))
    return Transported(out, steps, abs(mass - start_mass) / start_mass if start_mass > 0 else 0.0)


def _integrate(p, velocity, diffusivity, spacing, duration, steps, integrator, callback):
    if steps == 0:
        return p
    dt = duration / steps

    def euler(x, out):
        upwind_euler(x, *velocity, *diffusivity, *spacing, dt, out)  # type: ignore[call-arg]

    first, second = np.empty_like(p), np.empty_like(p)
    third = p.dtype.type(1 / 3)
    quarter = p.dtype.type(0.25)
    for n in range(steps):
        euler(p, first)
        if integrator == "ssp3":
            euler(first, second)
            second *= quarter
            second += (1 - quarter) * p
            euler(second, first)
            first *= 2 * third
            first += third * p
        p, first = first, p
        if callback is not None:
            callback((n + 1) * dt, p)
    return p


def _check(p0: npt.NDArray, flow: Flow, duration: float, integrator: str) -> None:
    if p0.shape != flow.domain.shape:
        raise ValueError(f"p0 has shape {p0.shape}, the flow's domain {flow.domain.shape}")
    if p0.dtype not in (np.float32, np.float64):
        raise ValueError(f"p0 must be float32 or float64, got {p0.dtype}")
    if not np.isfinite(p0).all() or p0.min() < 0 or p0.max() > 1 + ROUNDING:
        raise ValueError("p0 must be finite and in [0, 1]")
    if (p0[~flow.domain] > 0).any():
        raise ValueError("p0 has values outside of the flow's domain; multiply it by the domain first")
    if not 0 <= duration < np.inf:
        raise ValueError(f"duration must be finite and not negative, got {duration}")
    if integrator not in ("ssp3", "euler"):
        raise ValueError(f'integrator is "ssp3" or "euler", not "{integrator}"')


def _reachable(p0: npt.NDArray, flow: Flow, duration: float) -> tuple[slice, slice, slice]:
    """Box that P can have reached: its support, plus peak speed times duration, plus 6 σ of spread."""
    found = ndimage.find_objects((p0 > 0).astype(np.uint8))
    if not found:
        return (slice(0, 1),) * 3
    box = []
    for axis, s in enumerate(found[0]):
        speed = float(np.abs(flow.velocity[axis]).max())
        d = max(float(x.max()) for x in flow.diffusivity)
        h = flow.spacing_mm[axis]
        # first-order upwind spreads like a diffusivity of |V|h/2
        reach = speed * duration + 6 * np.sqrt(2 * duration * (d + speed * h / 2))
        margin = int(np.ceil(reach / h)) + 2
        box.append(slice(max(0, s.start - margin), min(p0.shape[axis], s.stop + margin)))
    return tuple(box)  # type: ignore[return-value]


def _face_box(box: tuple[slice, slice, slice], axis: int) -> tuple[slice, ...]:
    return tuple(slice(s.start, s.stop + 1) if a == axis else s for a, s in enumerate(box))
