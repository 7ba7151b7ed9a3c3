"""Where a transport is computed: fused Numba loops for arrays on the CPU, PyTorch for tensors elsewhere.

Both work on (X, Y, Z) and give the same numbers; a plane is a volume of one layer.
"""

from typing import Any, Protocol

import numpy as np

from .kernels import cpu

Box = tuple[slice, ...]


class Backend(Protocol):
    """A transport's arithmetic on one kind of array."""

    def copy(self, x: Any) -> Any:
        """Contiguous copy."""
        ...

    def zeros_like(self, x: Any) -> Any:
        """Zeros of the same kind."""
        ...

    def support(self, p: Any) -> Box | None:
        """Smallest box around what is not 0; None if all is 0."""
        ...

    def total(self, p: Any) -> float:
        """Sum in float64."""
        ...

    def largest_rates(
        self, velocity: Any, diffusivity: Any, spacing: tuple[float, ...]
    ) -> tuple[float, float]:
        """Largest rates at which a cell can empty: by flow; by flow and diffusion. inf if not finite."""
        ...

    def stage(
        self, p: Any, base: Any, a: float, b: float, inside: Any, velocity: Any, diffusivity: Any,
        spacing: tuple[float, ...], dt: float, scheme: str, out: Any,
    ) -> Any:  # fmt: skip
        """a·base + b·(p + dt·rate(p)), written into `out` where the backend can."""
        ...


class NumpyBackend:
    """Fused Numba loops on NumPy arrays."""

    def copy(self, x: Any) -> Any:
        """See `Backend`."""
        return np.array(x, order="C")

    def zeros_like(self, x: Any) -> Any:
        """See `Backend`."""
        return np.zeros_like(x)

    def support(self, p: Any) -> Box | None:
        """See `Backend`."""
        box = []
        for axis in range(p.ndim):
            others = tuple(a for a in range(p.ndim) if a != axis)
            found = np.flatnonzero(p.any(axis=others))
            if not found.size:
                return None
            box.append(slice(int(found[0]), int(found[-1]) + 1))
        return tuple(box)

    def total(self, p: Any) -> float:
        """See `Backend`."""
        return float(p.sum(dtype=np.float64))

    def largest_rates(
        self, velocity: Any, diffusivity: Any, spacing: tuple[float, ...]
    ) -> tuple[float, float]:
        """See `Backend`."""
        rates = np.empty((velocity[0].shape[0] - 1, 2))
        cpu.largest_rates(*velocity, *diffusivity, *spacing, rates)  # type: ignore[call-arg]
        return float(rates[:, 0].max()), float(rates[:, 1].max())

    def stage(
        self, p: Any, base: Any, a: float, b: float, inside: Any, velocity: Any, diffusivity: Any,
        spacing: tuple[float, ...], dt: float, scheme: str, out: Any,
    ) -> Any:  # fmt: skip
        """See `Backend`."""
        number = p.dtype.type
        a, b, dt, *g = (number(x) for x in (a, b, dt, *(1 / h for h in spacing)))
        if scheme == "muscl":
            cpu.muscl_stage(p, base, a, b, inside, *velocity, *diffusivity, *g, dt, out)  # type: ignore[call-arg]
        else:
            cpu.upwind_stage(p, base, a, b, *velocity, *diffusivity, *g, dt, out)  # type: ignore[call-arg]
        return out


class TorchBackend:
    """Plain PyTorch, on the device of the tensors."""

    def copy(self, x: Any) -> Any:
        """See `Backend`."""
        return x.clone(memory_format=_contiguous())

    def zeros_like(self, x: Any) -> Any:
        """See `Backend`."""
        import torch

        return torch.zeros_like(x)

    def support(self, p: Any) -> Box | None:
        """See `Backend`."""
        box = []
        for axis in range(p.ndim):
            others = tuple(a for a in range(p.ndim) if a != axis)
            found = p.amax(dim=others).nonzero()
            if not len(found):
                return None
            box.append(slice(int(found[0]), int(found[-1]) + 1))
        return tuple(box)

    def total(self, p: Any) -> float:
        """See `Backend`."""
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
        spacing: tuple[float, ...], dt: float, scheme: str, out: Any,
    ) -> Any:  # fmt: skip
        """See `Backend`; `out` is not used."""
        from .kernels import oracle

        return oracle.stage(p, base, a, b, inside, velocity, diffusivity, spacing, dt, scheme)


def _contiguous() -> Any:
    import torch

    return torch.contiguous_format


def is_tensor(x: Any) -> bool:
    """Whether `x` is a torch tensor, without importing torch."""
    return type(x).__module__.split(".")[0] == "torch"
