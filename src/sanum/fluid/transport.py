"""Transport of P by a flow: ∂P/∂t = −∇·(V P) + ∇·(D ∇P), no flux through the border.

Finite volumes. Space: first-order upwind, or second order with van Leer's limiter ("muscl"; van Leer
1979). Time: Euler, SSP-RK3 (Shu & Osher 1988), or the adaptive dopri5 of torchdiffeq as the reference.
Each Euler stage is a convex combination under the step bound below, so P stays in [0, max P0] and its sum
stays. The sum stays to rounding of P, the upper bound to rounding of V: its discrete divergence is some
1e-7 of |V|/h and not 0, so a plateau at max P0 may end up to `ROUNDING` above it; P never falls below 0.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from .backend import Backend, Box, NumpyBackend, is_tensor, torch_backend
from .flow import Flow

ROUNDING = 2e-6  # measured: 5e-7 after 500 steps
SCHEMES = ("upwind", "muscl")
INTEGRATORS = ("ssp3", "euler", "rk45")
SAFETY = 0.95  # share of the largest stable step that is used
Callback = Callable[[float, Any], None]
Peaks = tuple[tuple[float, ...], float]


@dataclass(frozen=True, eq=False)
class Transported:
    """Result of `transport`.

    Parameters
    ----------
    p : like p0
        P after the transport.
    steps : int
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
    """Result of `trajectory`: P (T, …) at `times`; `steps` and `mass_error` over the whole way."""

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
    """Move and spread `p0` by `flow` for `duration`.

    Parameters
    ----------
    p0 : (X, Y[, Z]) or (B, X, Y[, Z]) float32 or float64, NumPy or torch
        In [0, 1]; with one axis more than the flow's domain, a batch that the same flow moves, in the steps
        that the fastest of its places needs (alone, a member may take fewer and longer ones). What lies
        outside of the domain is cut off and reported. The result is of the same kind, on the same device;
        arrays and CPU tensors go through the fused loops, CUDA tensors through the Triton kernels.
    duration : float
        Units of time (0.2 to 1 in the paper).
    scheme : "upwind" or "muscl"
        Flow of first or of second order in space.
    integrator : "ssp3", "euler" or "rk45"
        "rk45" (needs torchdiffeq) controls its error, not its bounds: a reference.
    share_of_step : float
        In (0, 1]: smaller than the largest stable steps.
    callback : function (time, p), optional
        Called after each step ("rk45": once, at the end) with a copy of P on the whole grid.

    Raises
    ------
    ValueError
        For values outside [0, 1], not finite, all outside the domain; fields that are not finite or not
        staggered, or on another device than `p0`; negative duration; too many steps; an unknown scheme.

    Notes
    -----
    Fields of `draw_flow` are 0 on every face of the border. Fields of your own that are not carry P out of
    the domain; that is not checked, for it would take longer than a small transport.
    """
    return _transport(
        p0, flow, duration=duration, scheme=scheme, integrator=integrator, max_steps=max_steps,
        share_of_step=share_of_step, callback=callback,
    )  # fmt: skip


def _transport(
    p0: Any,
    flow: Flow,
    *,
    duration: float,
    scheme: str = "upwind",
    integrator: str = "ssp3",
    max_steps: int = 10_000,
    share_of_step: float = 1.0,
    callback: Callback | None = None,
    trusted: bool = False,
) -> Transported:
    """`trusted`: P comes from a transport, and rk45 may have left [0, 1] a little."""
    _check_choice("scheme", scheme, SCHEMES)
    _check_choice("integrator", integrator, INTEGRATORS)
    if not 0 <= duration < np.inf:
        raise ValueError(f"duration must be finite and not negative, got {duration}")
    if not 0 < share_of_step <= 1:
        raise ValueError(f"share_of_step lies in (0, 1], got {share_of_step}")
    _check_flow(flow)
    job = _Job.of(p0, flow, trusted=trusted)
    before = job.masses()
    steps = job.run(duration, scheme, integrator, max_steps, share_of_step, callback)
    error = max(abs(m - m0) / m0 if m0 > 0 else 0.0 for m, m0 in zip(job.masses(), before, strict=True))
    return Transported(job.result(), steps, error, job.clipped)


def trajectory(p0: Any, flow: Flow, *, times: Sequence[float], **options: Any) -> Trajectory:
    """P at each of `times` (increasing, from 0 on); `options` as of `transport`.

    Raises
    ------
    ValueError
        As `transport`; times that do not increase.
    """
    times = tuple(float(t) for t in times)
    if not times or times[0] < 0 or any(b <= a for a, b in pairwise(times)):
        raise ValueError(f"times must increase and not be negative, got {times}")
    first = transport(p0, flow, duration=times[0], **options)
    parts, steps = [first.p], first.steps
    callback = options.pop("callback", None)
    error = first.mass_error
    for a, b in pairwise(times):
        later = (lambda t, p, a=a: callback(a + t, p)) if callback else None
        part = _transport(parts[-1], flow, duration=b - a, callback=later, trusted=True, **options)
        parts.append(part.p)
        steps, error = steps + part.steps, error + part.mass_error
    if is_tensor(p0):
        import torch

        return Trajectory(times, torch.stack(parts), steps, error, first.clipped)
    return Trajectory(times, np.stack(parts), steps, error, first.clipped)


class _Job:
    """One transport in the box that P can reach, as a batch of volumes of one kind of array."""

    def __init__(
        self,
        p0: Any,
        flow: Flow,
        peaks: Peaks,
        backend: Backend,
        back: Callable[[Any], Any],
        *,
        trusted: bool = False,
    ) -> None:
        self.planar, self.batched = flow.domain.ndim == 2, p0.ndim > flow.domain.ndim
        p0 = p0 if self.batched else p0[None]
        self.backend, self.back, self.domain = backend, back, flow.domain
        self.spacing, self.velocity, self.diffusivity = flow.spacing_mm, flow.velocity, flow.diffusivity
        self.speeds, self.spread = peaks
        if self.planar:
            p0, self.domain = p0[..., None], self.domain[..., None]
            self.spacing = (*self.spacing, 1.0)
            self.velocity, self.diffusivity = _as_volumes(self.velocity), _as_volumes(self.diffusivity)
            self.speeds = (*self.speeds, 0.0)
        found = backend.survey(p0)
        if not trusted and (found.low < 0 or not found.high <= 1 + ROUNDING):
            raise ValueError("p0 must be finite and in [0, 1]")
        if not all(map(np.isfinite, (*self.speeds, self.spread))):
            raise ValueError("the flow's velocity and diffusivity must be finite")
        self.shape, self.clipped = tuple(p0.shape), 0.0
        self.box = self.support = found.support
        if self.box is None:
            self.part = backend.copy(p0[:, :1, :1, :1])
            return
        whole, inside = p0[(slice(None), *self.box)], self.domain[self.box]
        self.part = whole * inside
        kept = backend.survey(self.part).totals
        if any(part == 0 and all_of_it > 0 for part, all_of_it in zip(kept, found.totals, strict=True)):
            raise ValueError("p0 lies outside of the flow's domain: none of it would be transported")
        cut = backend.survey(whole * ~inside).totals
        self.clipped = max(c / t if t > 0 else 0.0 for c, t in zip(cut, found.totals, strict=True))

    @classmethod
    def of(cls, p0: Any, flow: Flow, *, trusted: bool = False) -> "_Job":
        shape = tuple(flow.domain.shape)
        if tuple(p0.shape[-len(shape) :]) != shape or p0.ndim > len(shape) + 1 or 0 in p0.shape:
            raise ValueError(f"p0 has shape {tuple(p0.shape)}, the flow's domain {shape}")
        here, there = (str(x.device) if is_tensor(x) else "cpu" for x in (p0, flow.domain))
        if here != there:
            raise ValueError(f"p0 is on {here}, the flow on {there}: bring them together with flow.to")
        back: Callable[[Any], Any]
        if is_tensor(p0):
            import torch

            if p0.dtype not in (torch.float32, torch.float64):
                raise ValueError(f"p0 must be float32 or float64, got {p0.dtype}")
            if p0.device.type != "cpu":
                return cls(p0.detach(), flow, flow.peaks, torch_backend(p0.device), _same, trusted=trusted)
            array, back = p0.detach().numpy(), torch.from_numpy
        else:
            array, back = p0, _same
            if array.dtype not in (np.float32, np.float64):
                raise ValueError(f"p0 must be float32 or float64, got {array.dtype}")
        fields = Flow(
            np.asarray(flow.domain), flow.spacing_mm,
            tuple(map(np.asarray, flow.velocity)), tuple(map(np.asarray, flow.diffusivity)),
        )  # fmt: skip
        return cls(array, fields, flow.peaks, NumpyBackend(), back, trusted=trusted)

    def result(self) -> Any:
        """P on the whole grid, of the kind that came in."""
        return self._whole(self.part)

    def masses(self) -> tuple[float, ...]:
        """Sum of each P."""
        return self.backend.survey(self.part).totals

    def _whole(self, part: Any) -> Any:
        whole = self.backend.zeros(self.shape, part)
        if self.box is not None:
            whole[(slice(None), *self.box)] = part
        whole = whole[..., 0] if self.planar else whole
        return self.back(whole if self.batched else whole[0])

    def run(
        self,
        duration: float,
        scheme: str,
        integrator: str,
        max_steps: int,
        share: float,
        callback: Callback | None,
    ) -> int:
        """Transport `part`, which grows to the box that it can reach; returns the number of steps."""
        support, box = self.support, _reachable(self, duration)
        if support is None or box is None or duration == 0:
            return 0
        faces = [tuple(slice(s.start, s.stop + (a == axis)) for a, s in enumerate(box)) for axis in range(3)]
        # copies, never views: the integrator writes into p, and the walls below into the fields
        copy = self.backend.copy
        velocity = tuple(copy(v[f]) for v, f in zip(self.velocity, faces, strict=True))
        diffusivity = tuple(copy(d[f]) for d, f in zip(self.diffusivity, faces, strict=True))
        # A box cut through the domain gets walls: nothing has reached them (see _reachable).
        for axis in range(3):
            for field in (velocity[axis], diffusivity[axis]):
                first = (slice(None),) * axis
                field[(*first, 0)] = 0
                field[(*first, -1)] = 0
        inside = copy(self.domain[box])
        fields = (inside, velocity, diffusivity, self.spacing)
        by_flow, by_both = self.backend.largest_rates(velocity, diffusivity, self.spacing)
        rate = by_both + (by_flow if scheme == "muscl" else 0)  # the limited slope at most doubles an outflow
        part = self.backend.zeros((len(self.part), *inside.shape), self.part)
        start = tuple(slice(s.start - b.start, s.stop - b.start) for s, b in zip(support, box, strict=True))
        part[(slice(None), *start)] = self.part
        self.box = box

        def report_step(time: float, p: Any) -> None:
            assert callback is not None
            callback(time, self._whole(p))

        tell = report_step if callback else None
        if integrator == "rk45":
            self.part, steps = _adaptive(part, fields, duration, scheme, max_steps, tell)
            return steps
        steps = max(1, int(np.ceil(duration * rate / (SAFETY * share))))
        if steps > max_steps:
            raise ValueError(f"the transport needs {steps} steps, more than max_steps={max_steps}")
        self.part = self._integrate(part, start, fields, duration / steps, steps, scheme, integrator, tell)
        return steps

    def _integrate(
        self,
        p: Any,
        region: Box,
        fields: tuple,
        dt: float,
        steps: int,
        scheme: str,
        integrator: str,
        tell: Callback | None,
    ) -> Any:
        shape = tuple(p.shape)
        stage: Any = self.backend.stage
        first, second = self.backend.zeros(shape, p), self.backend.zeros(shape, p)
        shape, last = shape[1:], (dt, scheme)
        for n in range(steps):
            first = stage(p, p, 0.0, 1.0, *fields, *last, first, region := _grown(region, shape))
            if integrator != "euler":
                second = stage(first, p, 0.75, 0.25, *fields, *last, second, region := _grown(region, shape))
                first = stage(second, p, 1 / 3, 2 / 3, *fields, *last, first, region := _grown(region, shape))
            p, first = first, p
            if tell is not None:
                tell((n + 1) * dt, p)
        return p


def _grown(region: Box, shape: tuple[int, ...]) -> Box:
    """One cell more on every side: a stage takes P no farther (a limited slope is 0 where P is)."""
    return tuple(slice(max(0, s.start - 1), min(n, s.stop + 1)) for s, n in zip(region, shape, strict=True))


def _reachable(job: _Job, duration: float) -> Box | None:
    """Box that P can have reached: its support, plus peak speed times duration, plus 6 σ of spread.

    What starts in the support never leaves a box made with the peaks of the whole domain; so the peaks
    inside that box make a smaller one that will do.
    """
    if job.support is None:
        return None
    box = _reached(job, job.speeds, job.spread, duration)
    for _ in range(2):
        faces = [tuple(slice(s.start, s.stop + (a == axis)) for a, s in enumerate(box)) for axis in range(3)]
        velocity = [v[f] for v, f in zip(job.velocity, faces, strict=True)]
        speeds = tuple(max(float(v.max()), -float(v.min())) for v in velocity)
        spread = max(float(d[f].max()) for d, f in zip(job.diffusivity, faces, strict=True))
        box = _reached(job, speeds, spread, duration)
    return box


def _reached(job: _Job, speeds: tuple[float, ...], spread: float, duration: float) -> Box:
    assert job.support is not None
    box = []
    for s, h, n, speed in zip(job.support, job.spacing, job.shape[1:], speeds, strict=True):
        # first-order upwind spreads like a diffusivity of |V|h/2
        reach = speed * duration + 6 * np.sqrt(2 * duration * (spread + speed * h / 2))
        margin = int(np.ceil(reach / h)) + 2
        box.append(slice(max(0, s.start - margin), min(n, s.stop + margin)))
    return tuple(box)


def _same(p: Any) -> Any:
    return p


def _as_volumes(fields: tuple[Any, ...]) -> tuple[Any, ...]:
    """Fields of a plane as those of a volume of one layer, with no flow through it."""
    x, y = (f[:, :, None] for f in fields)
    shape = (y.shape[0], x.shape[1], 2)
    if is_tensor(x):
        return x, y, x.new_zeros(shape)
    return x, y, np.zeros(shape, x.dtype)


def _adaptive(
    p: Any, fields: tuple, duration: float, scheme: str, max_steps: int, tell: Callback | None
) -> tuple[Any, int]:  # fmt: skip
    """Adaptive Dormand-Prince 4(5) on the oracle's right-hand side in float64; accepted steps."""
    try:
        from torchdiffeq import odeint
    except ImportError as error:
        raise ValueError('integrator "rk45" needs torchdiffeq: pip install torchdiffeq') from error
    import torch

    from .kernels import oracle

    inside, velocity, diffusivity, spacing = fields
    numpy_in = not is_tensor(p)
    kept = torch.as_tensor(p)
    precise = torch.float64 if kept.device.type != "mps" else torch.float32
    inside = torch.as_tensor(inside)
    v, d = (tuple(torch.as_tensor(x).to(precise) for x in f) for f in (velocity, diffusivity))

    class Right:
        accepted = 0

        def __call__(self, _: Any, y: Any) -> Any:
            return oracle.rate(y, inside, v, d, spacing, scheme)

        def callback_accept_step(self, t: Any, y: Any, dt: Any) -> None:
            self.accepted += 1
            if self.accepted > max_steps:
                raise ValueError(f"the transport needs more than max_steps={max_steps} steps")

    right = Right()
    times = torch.tensor([0.0, duration], dtype=precise, device=kept.device)
    with torch.no_grad():
        end = odeint(right, kept.to(precise), times, method="dopri5", rtol=1e-7, atol=1e-9)[-1]
    out = end.to(kept.dtype)
    out = out.numpy() if numpy_in else out
    if tell is not None:
        tell(duration, out)
    return out, right.accepted


def _check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f'unknown {name} "{value}": known are {", ".join(known)}')


def _check_flow(flow: Flow) -> None:
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
