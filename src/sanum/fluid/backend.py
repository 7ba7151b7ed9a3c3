"""Where a transport is computed: Numba loops on the CPU, Triton kernels on NVIDIA GPUs, else plain PyTorch.

All work on batches (B, X, Y, Z) in one flow and give the same numbers; a plane is a volume of one layer.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Protocol

import numba
import numpy as np

from .kernels import cpu
from .kernels.threads import is_forked

Region = tuple[slice, ...]
"""Cells of a box within an array."""

ALONE = 64**3  # cells up to which waking a second thread is not worth its while


@dataclass(frozen=True)
class Survey:
    """Statistics of P from one pass: least and largest value (inf if not finite), sums, box of what is not 0.

    Parameters
    ----------
    low : float
        Least value.
    high : float
        Largest value; inf if one is not finite.
    totals : (B,) float
        Sum of each of the batch.
    support : three slices or None
        Box of what is not 0; None if all is.
    """

    low: float
    high: float
    totals: tuple[float, ...]  # one for each of the batch
    support: Region | None


class Backend(Protocol):
    """A transport's arithmetic on one kind of array."""

    def copy(self, x: Any) -> Any:
        """Contiguous copy.

        Parameters
        ----------
        x : array
            Any.
        """
        ...

    def zeros(self, shape: tuple[int, ...], like: Any) -> Any:
        """Zeros of the kind of `like`.

        Parameters
        ----------
        shape : tuple of int
            Of the result.
        like : array
            Whose type and device it has.
        """
        ...

    def survey(self, p: Any) -> Survey:
        """Bounds, sums and common support of P (B, X, Y, Z).

        Parameters
        ----------
        p : (B, X, Y, Z) array
            Values of P.
        """
        ...

    def largest_rates(
        self, velocity: Any, diffusivity: Any, spacing: tuple[float, ...]
    ) -> tuple[float, float]:
        """Largest rates at which a cell can empty: by flow; by flow and diffusion. inf if not finite.

        Parameters
        ----------
        velocity : three arrays
            At the faces, mm per unit time.
        diffusivity : three arrays
            At the faces, mm² per unit time.
        spacing : (3,) float
            Size of a cell in mm.
        """
        ...

    def stage(
        self,
        p: Any,
        base: Any,
        a: float,
        b: float,
        inside: Any,
        velocity: Any,
        diffusivity: Any,
        spacing: tuple[float, ...],
        dt: float,
        scheme: str,
        out: Any,
        region: Region | None = None,
    ) -> Any:
        """a·base + b·(p + dt·rate(p)), written into `out` where the backend can.

        Parameters
        ----------
        p : (B, X, Y, Z) array
            What the rate is taken of.
        base : (B, X, Y, Z) array
            What it is mixed with.
        a, b : float
            Shares of `base` and of the step.
        inside : (X, Y, Z) bool
            The domain.
        velocity, diffusivity : three arrays
            At the faces.
        spacing : (3,) float
            Size of a cell in mm.
        dt : float
            Units of time.
        scheme : str
            "upwind" or "muscl".
        out : (B, X, Y, Z) array
            Where the result may be written.
        region : three slices, optional
            Cells that can be other than 0; what lies outside is left as it is in `out`, or is 0.
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
        numbers, bounds = np.empty((*p.shape[:2], 3)), np.empty((*p.shape[:2], 4), np.int64)
        for one, its_numbers, its_bounds in zip(p, numbers, bounds, strict=True):
            cpu.survey(one, one.view(f"i{one.itemsize}"), its_numbers, its_bounds)
        filled = bounds[..., 1] >= 0
        box = None
        if filled.any():
            planes = np.flatnonzero(filled.any(axis=0))
            j0, _, k0, _ = bounds[filled].min(axis=0)
            _, j1, _, k1 = bounds[filled].max(axis=0)
            starts, ends = (int(planes[0]), int(j0), int(k0)), (int(planes[-1]), int(j1), int(k1))
            box = tuple(slice(a, b + 1) for a, b in zip(starts, ends, strict=True))
        totals = tuple(float(t) for t in numbers[..., 2].sum(axis=1))
        return Survey(float(numbers[..., 0].min()), float(numbers[..., 1].max()), totals, box)

    def largest_rates(
        self, velocity: Any, diffusivity: Any, spacing: tuple[float, ...]
    ) -> tuple[float, float]:
        """See `Backend`."""
        rates = np.empty((velocity[0].shape[0] - 1, 2))
        cpu.largest_rates(*velocity, *diffusivity, *spacing, rates)
        return float(rates[:, 0].max()), float(rates[:, 1].max())

    def stage(
        self,
        p: Any,
        base: Any,
        a: float,
        b: float,
        inside: Any,
        velocity: Any,
        diffusivity: Any,
        spacing: tuple[float, ...],
        dt: float,
        scheme: str,
        out: Any,
        region: Region | None = None,
    ) -> Any:
        """See `Backend`."""
        number = p.dtype.type
        a, b, dt, *g = (number(x) for x in (a, b, dt, *(1 / h for h in spacing)))
        region = region or tuple(slice(0, n) for n in p.shape[1:])
        last = (*velocity, *diffusivity, *g, dt, *(e for s in region for e in (s.start, s.stop)))
        with _threads_for(region):
            for one, its_base, its_out in zip(p, base, out, strict=True):
                if scheme == "muscl":
                    cpu.muscl_stage(one, its_base, a, b, inside, *last, its_out)
                else:
                    cpu.upwind_stage(one, its_base, a, b, *last, its_out)
        return out


@contextmanager
def _threads_for(region: Region) -> Iterator[None]:
    """One thread for a small region, else as many as are set."""
    if is_forked():
        yield
        return
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
        for axis in (1, 2, 3):
            places = (p != 0).movedim(axis, 0).flatten(1).any(dim=1).nonzero()
            if len(places):
                box.append(slice(int(places[0]), int(places[-1]) + 1))
        finite = bool(torch.isfinite(p).all())
        return Survey(
            min(float(p.min()), 0.0) if finite else 0.0,
            float(p.max()) if finite else np.inf,
            self._totals(p),
            tuple(box) if box else None,
        )

    def _totals(self, p: Any) -> tuple[float, ...]:
        import torch

        precise = p.cpu() if p.device.type == "mps" else p  # which has no float64
        return tuple(precise.sum(dim=(1, 2, 3), dtype=torch.float64).tolist())

    def largest_rates(
        self, velocity: Any, diffusivity: Any, spacing: tuple[float, ...]
    ) -> tuple[float, float]:
        """See `Backend`."""
        from .kernels import oracle

        flow, both = oracle.largest_rates(velocity, diffusivity, spacing)
        return (flow, both) if np.isfinite(both) else (np.inf, np.inf)

    def stage(
        self,
        p: Any,
        base: Any,
        a: float,
        b: float,
        inside: Any,
        velocity: Any,
        diffusivity: Any,
        spacing: tuple[float, ...],
        dt: float,
        scheme: str,
        out: Any,
        region: Region | None = None,
    ) -> Any:
        """See `Backend`; `out` and `region` are not used."""
        from .kernels import oracle

        return oracle.stage(p, base, a, b, inside, velocity, diffusivity, spacing, dt, scheme)


class TritonBackend(TorchBackend):
    """Fused Triton kernels, on tensors of an NVIDIA GPU (or of the CPU, in Triton's interpreter)."""

    def stage(
        self,
        p: Any,
        base: Any,
        a: float,
        b: float,
        inside: Any,
        velocity: Any,
        diffusivity: Any,
        spacing: tuple[float, ...],
        dt: float,
        scheme: str,
        out: Any,
        region: Region | None = None,
    ) -> Any:
        """See `Backend`; `region` is not used."""
        from .kernels import gpu

        return gpu.stage(p, base, a, b, inside, velocity, diffusivity, spacing, dt, scheme, out)


def torch_backend(device: Any) -> TorchBackend:
    """Triton on NVIDIA GPUs where it is installed (it comes with PyTorch for CUDA), else plain PyTorch.

    Parameters
    ----------
    device : torch.device
        Where the tensors are.
    """
    return TritonBackend() if device.type == "cuda" and find_spec("triton") else TorchBackend()


def _contiguous() -> Any:
    import torch

    return torch.contiguous_format
