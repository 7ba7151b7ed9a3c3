"""Where a transport is computed: fused Numba loops for arrays on the CPU, PyTorch for tensors elsewhere.

Both work on (X, Y, Z) and give the same numbers; a plane is a volume of one layer.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numba
import numpy as np

from .kernels import cpu

Box = tuple[slice, ...]
ALONE = 64**3  # cells up to which waking a second thread is not worth its while


@dataclass(frozen=True)
class Survey:
    """What one look at P tells: least and largest value (inf if not finite), sum, box of what is not 0."""

    low: float
    high: float
    total: float
    support: Box | None


class Backend(Protocol):
    """A transport's arithmetic on one kind of array."""

    def copy(self, x: Any) -> Any:
        """Contiguous copy."""
        ...

    def zeros(self, shape: tuple[int, ...], like: Any) -> Any:
        """Zeros of the kind of `like`."""
        ...

    def survey(self, p: Any) -> Survey:
        """Bounds, sum and support of P (X, Y, Z)."""
        ...

    def largest_rates(
        self, velocity: Any, diffusivity: Any, spacing: tuple[float, ...]
    ) -> tuple[float, float]:
        """Largest rates at which a cell can empty: by flow; by flow and diffusion. inf if not finite."""
        ...

    def stage(
        self, p: Any, base: Any, a: float, b: float, inside: Any, velocity: Any, diffusivity: Any,
        spacing: tuple[float, ...], dt: float, scheme: str, out: Any, region: Box | None = None,
    ) -> Any:  # fmt: skip
        """a·base + b·(p + dt·rate(p)), written into `out` where the backend can.

        `region`: cells that can be other than 0; what lies outside is left as it is in `out`, or is 0.
        """
        ...


class NumpyBackend:
    """Fused Numba loops on NumPy arrays."""

    def copy(self, x: Any) -> Any:
        """See `Backend`."""
        return np.array(x, order="C")

    def zeros(self, shape: tuple[int, ...], like: Any) -> Any:
        """See `Backend`."""
        return np.zeros(shape, like.dtype)

    def survey(self, p: Any) -> Survey:
        """See `Backend`."""
        numbers, bounds = np.empty((p.shape[0], 3)), np.empty((p.shape[0], 4), np.int64)
        cpu.survey(p, numbers, bounds)
        filled = np.flatnonzero(bounds[:, 1] >= 0)
        box = None
        if filled.size:
            j0, _, k0, _ = bounds[filled].min(axis=0)
            _, j1, _, k1 = bounds[filled].max(axis=0)
            starts, ends = (int(filled[0]), int(j0), int(k0)), (int(filled[-1]), int(j1), int(k1))
            box = tuple(slice(a, b + 1) for a, b in zip(starts, ends, strict=True))
        low, high = numbers[:, 0].min(), numbers[:, 1].max()
        return Survey(float(low), float(high), float(numbers[:, 2].sum()), box)

    def largest_rates(
        self, velocity: Any, diffusivity: Any, spacing: tuple[float, ...]
    ) -> tuple[float, float]:
        """See `Backend`."""
        rates = np.empty((velocity[0].shape[0] - 1, 2))
        cpu.largest_rates(*velocity, *diffusivity, *spacing, rates)  # type: ignore[call-arg]
        return float(rates[:, 0].max()), float(rates[:, 1].max())

    def stage(
        self, p: Any, base: Any, a: float, b: float, inside: Any, velocity: Any, diffusivity: Any,
        spacing: tuple[float, ...], dt: float, scheme: str, out: Any, region: Box | None = None,
    ) -> Any:  # fmt: skip
        """See `Backend`."""
        number = p.dtype.type
        a, b, dt, *g = (number(x) for x in (a, b, dt, *(1 / h for h in spacing)))
        region = region or tuple(slice(0, n) for n in p.shape)
        ends = [e for s in region for e in (s.start, s.stop)]
        with _threads_for(region):
            if scheme == "muscl":
                cpu.muscl_stage(p, base, a, b, inside, *velocity, *diffusivity, *g, dt, *ends, out)  # type: ignore[call-arg]
            else:
                cpu.upwind_stage(p, base, a, b, *velocity, *diffusivity, *g, dt, *ends, out)  # type: ignore[call-arg]
        return out


@contextmanager
def _threads_for(region: Box) -> Iterator[None]:
    """One thread for a small region, else as many as are set."""
    before = numba.get_num_threads()
    cells = math.prod(s.stop - s.start for s in region)
    numba.set_num_threads(1 if cells <= ALONE else before)
    try:
        yield
    finally:
        numba.set_num_threads(before)


class TorchBackend:
    """Plain PyTorch, on the device of the tensors."""

    def copy(self, x: Any) -> Any:
        """See `Backend`."""
        return x.clone(memory_format=_contiguous())

    def zeros(self, shape: tuple[int, ...], like: Any) -> Any:
        """See `Backend`."""
        return like.new_zeros(shape)

    def survey(self, p: Any) -> Survey:
        """See `Backend`."""
        import torch

        box = []
        for axis in range(p.ndim):
            places = (p != 0).movedim(axis, 0).flatten(1).any(dim=1).nonzero()
            if len(places):
                box.append(slice(int(places[0]), int(places[-1]) + 1))
        finite = bool(torch.isfinite(p).all())
        return Survey(
            min(float(p.min()), 0.0) if finite else 0.0,
            float(p.max()) if finite else np.inf,
            self._total(p),
            tuple(box) if box else None,
        )

    def _total(self, p: Any) -> float:
        import torch

        return float(p.sum(dtype=torch.float64)) if p.device.type != "mps" else float(p.cpu().double().sum())

    def largest_rates(
        self, velocity: Any, diffusivity: Any, spacing: tuple[float, ...]
    ) -> tuple[float, float]:
        """See `Backend`."""
        from .kernels import oracle

        flow, both = oracle.largest_rates(velocity, diffusivity, spacing)
        return (flow, both) if np.isfinite(both) else (np.inf, np.inf)

    def stage(
        self, p: Any, base: Any, a: float, b: float, inside: Any, velocity: Any, diffusivity: Any,
        spacing: tuple[float, ...], dt: float, scheme: str, out: Any, region: Box | None = None,
    ) -> Any:  # fmt: skip
        """See `Backend`; `out` and `region` are not used."""
        from .kernels import oracle

        return oracle.stage(p, base, a, b, inside, velocity, diffusivity, spacing, dt, scheme)


def _contiguous() -> Any:
    import torch

    return torch.contiguous_format


def is_tensor(x: Any) -> bool:
    """Whether `x` is a torch tensor, without importing torch."""
    return type(x).__module__.split(".")[0] == "torch"
