"""One transport in the box of cells that P can reach."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .adaptive import adaptive
from .arguments import check_number, is_tensor
from .backend import Backend, NumpyBackend, Region, torch_backend
from .flow import Flow

ROUNDING = 2e-6  # measured: 5e-7 after 500 steps
SCHEMES = ("upwind", "muscl")
INTEGRATORS = ("ssp3", "euler", "rk45")
SAFETY = 0.95  # share of the largest stable step that is used
Callback = Callable[[float, Any], None]
Peaks = tuple[tuple[float, ...], float]


@dataclass(frozen=True)
class Stepping:
    """How a transport is computed; the parameters are those of `transport`.

    Parameters
    ----------
    scheme : "upwind" or "muscl"
        Flow of first or of second order in space.
    integrator : "ssp3", "euler" or "rk45"
        Order 3 or 1 in time, or adaptive.
    max_steps : int
        More are refused.
    share_of_step : float
        In (0, 1], of the largest stable step.
    callback : function (time, p), optional
        Called after each step.
    """

    scheme: str = "upwind"
    integrator: str = "ssp3"
    max_steps: int = 10_000
    share_of_step: float = 1.0
    callback: Callback | None = None

    def __post_init__(self) -> None:
        _check_choice("scheme", self.scheme, SCHEMES)
        _check_choice("integrator", self.integrator, INTEGRATORS)
        check_number(self.max_steps, "max_steps", least=1)
        check_number(self.share_of_step, "share_of_step")
        if not 0 < self.share_of_step <= 1:
            raise ValueError(f"share_of_step lies in (0, 1], got {self.share_of_step}")
        if self.callback is not None and not callable(self.callback):
            raise TypeError(f"callback must be a function of time and P, got {self.callback!r}")


class TransportJob:
    """One transport in the box that P can reach, as a batch of volumes of one kind of array.

    Parameters
    ----------
    p0 : (B, X, Y, Z), or without the batch, or in a plane
        Arrays or tensors that `backend` takes.
    flow : Flow
        Of the same kind.
    peaks : tuple
        `Flow.peaks` of the flow.
    backend : Backend
        What computes.
    back : function
        From an array of the backend to what the caller gave.
    trusted : bool
        P comes from a transport, and rk45 may have left [0, 1] a little.
    """

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
    def of(cls, p0: Any, flow: Flow, *, trusted: bool = False) -> "TransportJob":
        """TransportJob for arrays or tensors on any device.

        Parameters
        ----------
        p0, flow
            As of `transport`.
        trusted : bool
            See the class.
        """
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
                return cls(p0.detach(), flow, flow.peaks, torch_backend(p0.device), same, trusted=trusted)
            array, back = p0.detach().numpy(), torch.from_numpy
        else:
            array, back = p0, same
            if array.dtype not in (np.float32, np.float64):
                raise ValueError(f"p0 must be float32 or float64, got {array.dtype}")
        fields = Flow(
            np.asarray(flow.domain),
            flow.spacing_mm,
            tuple(map(np.asarray, flow.velocity)),
            tuple(map(np.asarray, flow.diffusivity)),
        )
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

    def run(self, duration: float, how: Stepping) -> int:
        """Number of steps that it took to transport `part`, which grows to the box that it can reach.

        Parameters
        ----------
        duration : float
            Units of time.
        how : Stepping
            Schemes and limits.
        """
        support, box = self.support, reachable(self, duration)
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
        rate = by_both + (
            by_flow if how.scheme == "muscl" else 0
        )  # the limited slope at most doubles an outflow
        part = self.backend.zeros((len(self.part), *inside.shape), self.part)
        start = tuple(slice(s.start - b.start, s.stop - b.start) for s, b in zip(support, box, strict=True))
        part[(slice(None), *start)] = self.part
        self.box = box

        if how.integrator == "rk45":
            self.part, steps = adaptive(part, fields, duration, scheme=how.scheme, max_steps=how.max_steps)
            if how.callback:
                how.callback(duration, self._whole(self.part))
            return steps
        steps = max(1, int(np.ceil(duration * rate / (SAFETY * how.share_of_step))))
        if steps > how.max_steps:
            raise ValueError(f"the transport needs {steps} steps, more than max_steps={how.max_steps}")
        self.part = self._integrate(part, start, fields, duration / steps, steps, how)
        return steps

    def _integrate(
        self, p: Any, region: Region, fields: tuple[Any, ...], dt: float, steps: int, how: Stepping
    ) -> Any:
        shape = tuple(p.shape)
        stage: Any = self.backend.stage
        first, second = self.backend.zeros(shape, p), self.backend.zeros(shape, p)
        shape, last = shape[1:], (dt, how.scheme)
        for n in range(steps):
            first = stage(p, p, 0.0, 1.0, *fields, *last, first, region := _grown(region, shape))
            if how.integrator != "euler":
                second = stage(first, p, 0.75, 0.25, *fields, *last, second, region := _grown(region, shape))
                first = stage(second, p, 1 / 3, 2 / 3, *fields, *last, first, region := _grown(region, shape))
            p, first = first, p
            if how.callback is not None:
                how.callback((n + 1) * dt, self._whole(p))
        return p


def _grown(region: Region, shape: tuple[int, ...]) -> Region:
    """One cell more on every side: a stage takes P no farther (a limited slope is 0 where P is)."""
    return tuple(slice(max(0, s.start - 1), min(n, s.stop + 1)) for s, n in zip(region, shape, strict=True))


def reachable(job: TransportJob, duration: float) -> Region | None:
    """Region that P can have reached: its support, plus peak speed times duration, plus 6 σ of spread.

    What starts in the support never leaves a box made with the peaks of the whole domain; so the peaks
    inside that box make a smaller one that will do.

    Parameters
    ----------
    job : TransportJob
        Before it has run.
    duration : float
        Units of time.
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


def _reached(job: TransportJob, speeds: tuple[float, ...], spread: float, duration: float) -> Region:
    assert job.support is not None
    box = []
    for s, h, n, speed in zip(job.support, job.spacing, job.shape[1:], speeds, strict=True):
        # first-order upwind spreads like a diffusivity of |V|h/2
        reach = speed * duration + 6 * np.sqrt(2 * duration * (spread + speed * h / 2))
        margin = int(np.ceil(reach / h)) + 2
        box.append(slice(max(0, s.start - margin), min(n, s.stop + margin)))
    return tuple(box)


def same(p: Any) -> Any:
    """`p`: what the caller gave is what the backend takes.

    Parameters
    ----------
    p : array or tensor
        Anything.
    """
    return p


def _as_volumes(fields: tuple[Any, ...]) -> tuple[Any, ...]:
    """Fields of a plane as those of a volume of one layer, with no flow through it."""
    x, y = (f[:, :, None] for f in fields)
    shape = (y.shape[0], x.shape[1], 2)
    if is_tensor(x):
        return x, y, x.new_zeros(shape)
    return x, y, np.zeros(shape, x.dtype)


def _check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f'unknown {name} "{value}": known are {", ".join(known)}')
