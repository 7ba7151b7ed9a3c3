"""Transport of P by a flow: ∂P/∂t = −∇·(V P) + ∇·(D ∇P), no flux through the border.

Finite volumes. Space: first-order upwind, or second order with van Leer's limiter ("muscl"; van Leer
1979). Time: Euler, SSP-RK3 (Shu & Osher 1988), or the adaptive dopri5 of torchdiffeq as the reference.
Each Euler stage is a convex combination under the step bound below, so P stays in [0, max P0] and its sum
stays. The sum stays to rounding of P, the upper bound to rounding of V: its discrete divergence is some
1e-7 of |V|/h and not 0, so a plateau at max P0 may end up to `job.ROUNDING` above it; P never falls below 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from .arguments import as_array, check_number, is_tensor
from .flow import Flow
from .job import Callback, Stepping, TransportJob


@dataclass(frozen=True, eq=False)
class Transported:
    """Result of `transport`.

    Parameters
    ----------
    p : like p0
        P after the transport.
    steps : int
        How many it took.
    mass_error : float
        |∑P − ∑P0| / ∑P0, P0 inside the domain; the largest of a batch.
    clipped : float
        Share of P0's sum that lay outside of the domain and was set to 0; the largest of a batch.
    """

    p: Any
    steps: int
    mass_error: float
    clipped: float = 0.0


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Result of `trajectory`.

    Parameters
    ----------
    times : (T,) float
        Units of time since the start.
    p : (T, …) like p0
        P at each of them.
    steps : int
        How many it took over the whole way.
    mass_error : float
        As of `Transported`, summed over the whole way.
    clipped : float
        As of `Transported`.
    """

    times: tuple[float, ...]
    p: Any
    steps: int
    mass_error: float
    clipped: float = 0.0


def transport(
    p0: Any,
    flow: Flow,
    *,
    duration: float,
    scheme: str = "upwind",
    integrator: str = "ssp3",
    max_steps: int = 10_000,
    share_of_step: float = 1.0,
    callback: Callback | None = None,
) -> Transported:
    """P after a flow has moved and spread it for some time.

    Parameters
    ----------
    p0 : (X, Y[, Z]) or (B, X, Y[, Z]) float32 or float64, NumPy or torch
        In [0, 1]; with one axis more than the flow's domain, a batch that the same flow moves, in the steps
        that the fastest of its places needs (alone, a member may take fewer and longer ones). What lies
        outside of the domain is cut off and reported. The result is of the same kind, on the same device;
        arrays and CPU tensors go through the fused loops, CUDA tensors through the Triton kernels.
    flow : Flow
        On the same device as `p0`; on the CPU, arrays and tensors may be mixed.
    duration : float
        Units of time (0.2 to 1 in the paper).
    scheme : "upwind" or "muscl"
        Flow of first or of second order in space.
    integrator : "ssp3", "euler" or "rk45"
        "rk45" (needs torchdiffeq) controls its error, not its bounds: a reference.
    max_steps : int
        More steps than these are refused.
    share_of_step : float
        In (0, 1]: smaller than the largest stable steps.
    callback : function (time, p), optional
        Called after each step ("rk45": once, at the end) with a copy of P on the whole grid.

    Raises
    ------
    ValueError, TypeError
        For values outside [0, 1], not finite, all outside the domain; fields that are not finite or not
        staggered, or on another device than `p0`; negative duration; too many steps; an unknown scheme.
        The argument is named.

    Notes
    -----
    Fields of `draw_flow` are 0 on every face of the border. Fields of your own that are not carry P out of
    the domain; that is not checked, for it would take longer than a small transport.
    """
    return _transport(
        p0, flow, duration, Stepping(scheme, integrator, max_steps, share_of_step, callback), trusted=False
    )


def trajectory(p0: Any, flow: Flow, *, times: Sequence[float], **options: Any) -> Trajectory:
    """P at each of several times.

    Parameters
    ----------
    p0 : (X, Y[, Z]) or (B, X, Y[, Z]) float32 or float64, NumPy or torch
        As of `transport`.
    flow : Flow
        As of `transport`.
    times : (T,) float
        Units of time, increasing, from 0 on.
    **options
        Those of `transport`.

    Raises
    ------
    ValueError, TypeError
        As `transport`; times that do not increase.
    """
    try:
        times = tuple(float(t) for t in times)
    except (TypeError, ValueError):
        raise TypeError(f"times must be a sequence of numbers, got {times!r}") from None
    if not times or not times[0] >= 0 or not all(b > a for a, b in pairwise(times)):
        raise ValueError(f"times must increase and not be negative, got {times}")
    first = transport(p0, flow, duration=times[0], **options)
    parts, steps = [first.p], first.steps
    how, error = Stepping(**options), first.mass_error
    for a, b in pairwise(times):
        later = replace(how, callback=_later(how.callback, a))
        part = _transport(parts[-1], flow, b - a, later, trusted=True)
        parts.append(part.p)
        steps, error = steps + part.steps, error + part.mass_error
    if is_tensor(p0):
        import torch

        return Trajectory(times, torch.stack(parts), steps, error, first.clipped)
    return Trajectory(times, np.stack(parts), steps, error, first.clipped)


def _later(callback: Callback | None, start: float) -> Callback | None:
    """`callback` of a transport that begins at a time."""
    return None if callback is None else lambda time, p: callback(start + time, p)


def _transport(p0: Any, flow: Flow, duration: float, how: Stepping, *, trusted: bool) -> Transported:
    """`trusted`: P comes from a transport, and rk45 may have left [0, 1] a little."""
    if not is_tensor(p0):
        as_array(p0, "p0")
    check_number(duration, "duration")
    _check_flow(flow)
    job = TransportJob.of(p0, flow, trusted=trusted)
    before = job.masses()
    steps = job.run(duration, how)
    error = max(abs(m - m0) / m0 if m0 > 0 else 0.0 for m, m0 in zip(job.masses(), before, strict=True))
    return Transported(job.result(), steps, error, job.clipped)


def _check_flow(flow: Flow) -> None:
    if not isinstance(flow, Flow):
        raise TypeError(f"flow must be a Flow, as draw_flow makes it, got {type(flow).__name__}")
    for name, fields in (
        ("domain", (flow.domain,)),
        ("velocity", flow.velocity),
        ("diffusivity", flow.diffusivity),
    ):
        for field in fields:
            if not is_tensor(field):
                as_array(field, f"the flow's {name}")
    shape = tuple(flow.domain.shape)
    n = len(shape)
    if str(flow.domain.dtype) not in ("bool", "torch.bool"):
        raise ValueError(f"the flow's domain must be boolean, got {flow.domain.dtype}")
    if len(flow.spacing_mm) != n or not all(0 < s < np.inf for s in flow.spacing_mm):
        raise ValueError(f"the flow's spacing must be {n} positive numbers, got {flow.spacing_mm}")
    for name, fields in (("velocity", flow.velocity), ("diffusivity", flow.diffusivity)):
        wanted = [tuple(k + (a == axis) for a, k in enumerate(shape)) for axis in range(n)]
        if [tuple(f.shape) for f in fields] != wanted:
            raise ValueError(
                f"the flow's {name} must be staggered, of shapes {wanted}; "
                f"got {[tuple(f.shape) for f in fields]}"
            )
        if others := {_device(f) for f in fields} - {_device(flow.domain)}:
            raise ValueError(
                f"the flow's {name} is on {', '.join(sorted(others))}, its domain on {_device(flow.domain)}: "
                "bring them together with flow.to"
            )


def _device(x: Any) -> str:
    return str(x.device) if is_tensor(x) else "cpu"
