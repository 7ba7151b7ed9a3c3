"""Where a network runs so that it fits: on its device whole or in slabs, or on the CPU whole or in slabs.

What it needs is estimated first (`nets.peak`); what runs out of memory nevertheless goes one step further.
Every change is logged, and all ways give the same result, as far as devices do.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import TypeVar

import torch
from torch import nn

from ...learn.devices import native_bfloat16
from ...learn.memory import available
from ...nets.compact_unet import CompactUNet
from ...nets.peak import peak_bytes
from ...nets.slabs import in_slabs
from ...nets.unet import UNet

T = TypeVar("T")
PLANES = (32, 16, 8, 4)  # of a slab
AROUND = (
    260  # bytes a voxel beside the U-Net: what it sees and what is read off it (235 measured, una-compact)
)
WORKSPACE = 1.2  # what libraries take to compute a layer; see `peak_bytes`
AMPLE = 8_000  # bytes a voxel that no network here comes near: the published one takes 2,200
_log = logging.getLogger(__name__)


class OutOfMemory(MemoryError):
    """Not even the smallest slabs on the CPU fit."""


@dataclass(frozen=True)
class Placement:
    """A way to run a network: on which device, in slabs of how many planes (None: whole).

    Parameters
    ----------
    device : str
        A torch device.
    planes : int or None
        Of a slab, along the first axis; None: whole.
    """

    device: str
    planes: int | None = None

    def __str__(self) -> str:
        return f"{'whole' if self.planes is None else f'in slabs of {self.planes} planes'} on {self.device}"


def placements(device: str, length: int) -> list[Placement]:
    """Every way to run a network on an input of so many planes, the fastest first.

    Parameters
    ----------
    device : str
        A torch device; the CPU comes after it.
    length : int
        Planes of the input, along the first axis.
    """
    devices = dict.fromkeys((device, "cpu"))
    return [
        Placement(there, planes) for there in devices for planes in (None, *PLANES) if (planes or 0) < length
    ]


class MemoryPlan:
    """Runs a model in the first way that fits, and from then on. Threads may share it where that is a CPU.

    Parameters
    ----------
    model : Module
        Holds a `CompactUNet` or a `UNet`; it is moved, and its U-Net is wrapped.
    shape : (C, X, Y, Z)
        Of what the U-Net sees.
    device : str
        A torch device.
    autocast : bool
        Whether it runs in bfloat16 where that is native.
    room : int, optional
        Bytes of the CPU's memory that the network may take; default what is free.
    """

    def __init__(
        self,
        model: nn.Module,
        shape: Sequence[int],
        device: str,
        *,
        autocast: bool = False,
        room: int | None = None,
    ) -> None:
        self.model, self.shape, self.autocast, self.room = model, (1, *shape), autocast, room
        self._needs: dict[Placement, tuple[int, int]] = {}
        self._lock = threading.Lock()
        self.unets = _wrap(model)
        self.steps = placements(device, shape[1])
        self.taken: list[str] = []
        self._go(0)
        self.fit(room)

    @property
    def step(self) -> Placement:
        """The way that is taken now."""
        return self.steps[self._at]

    def fit(self, room: int | None) -> None:
        """Go on to the first way that is estimated to fit into `room` bytes of the CPU's memory.

        Parameters
        ----------
        room : int or None
            Bytes; None: what is free.

        Raises
        ------
        OutOfMemory
            There is none.
        """
        self.room = room
        with self._lock:
            while not (fits := self._fits(self.step))[0]:
                self._next(f"it needs {fits[1] / 2**30:.1f} GB of {fits[2] / 2**30:.1f}")

    def __call__(self, run: Callable[[str], T]) -> T:
        """`run` on a device, again in the next way where it runs out of memory.

        Parameters
        ----------
        run : function
            Takes the device; called once for each way that is tried.
        """
        while True:
            at = self._at
            try:
                return run(self.step.device)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            with self._lock:  # after the error, which holds on to what was made
                if self._at == at:  # no other thread has gone on already
                    self._next("it ran out of memory")

    def need(self, step: Placement) -> tuple[int, int]:
        """Bytes that a way takes on its device, and beside it in the memory of the CPU: an estimate.

        At most AMPLE a voxel where even that is there: a better one takes a second.

        Parameters
        ----------
        step : Placement
            One of `placements`.
        """
        voxels = prod(self.shape[2:])
        room = self._room(step.device)
        if step.planes is None and room is not None and room > voxels * AMPLE:
            return voxels * AMPLE, 0
        if step not in self._needs:
            half = self.autocast and native_bfloat16(step.device)
            dtype = torch.bfloat16 if half else torch.float32
            there, beside = peak_bytes(self.unets[0].net, self.shape, planes=step.planes, dtype=dtype)
            there = int(voxels * AROUND + WORKSPACE * there)
            self._needs[step] = (there + beside, 0) if step.device == "cpu" else (there, beside)
        return self._needs[step]

    def _room(self, device: str) -> int | None:
        if device == "cpu" and self.room is not None:
            return self.room
        return available(torch.device(device))

    def _fits(self, step: Placement) -> tuple[bool, int, int]:
        """Whether a way fits; what it needs and what there is, where it is tightest."""
        for device, need in zip((step.device, "cpu"), self.need(step), strict=True):
            room = self._room(device)
            if room is not None and need > room:
                return False, need, room
        return True, 0, 0

    def _next(self, why: str) -> None:
        now = self.step
        if self._at + 1 == len(self.steps):
            raise OutOfMemory(f"the network does not fit into memory, not even {now}: {why}")
        self._go(self._at + 1)
        self.taken.append(f"{self.step}, not {now}: {why}")
        _log.info("%s", self.taken[-1])

    def _go(self, at: int) -> None:
        self._at = at
        for unet in self.unets:
            unet.planes = self.step.planes
        self.model.to(self.step.device)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


class InSlabs(nn.Module):
    """A U-Net that is computed in slabs, once `planes` is set.

    Parameters
    ----------
    net : Module
        A `CompactUNet` or a `UNet`.
    """

    planes: int | None = None

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """As `net`.

        Parameters
        ----------
        x : (B, C, X, Y, Z)
            Input of `net`.
        """
        made: tuple[torch.Tensor, ...] = (
            self.net(x) if self.planes is None else in_slabs(self.net, x, self.planes, x.device)
        )
        return made


def _wrap(model: nn.Module) -> list[InSlabs]:
    wrapped = []
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, (CompactUNet, UNet)):
                wrapped.append(InSlabs(child))
                setattr(parent, name, wrapped[-1])
    return wrapped


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there was not enough memory, of a GPU or a CPU.

    Parameters
    ----------
    error : BaseException
        Any error.
    """
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(
        said in str(error) for said in ("can't allocate memory", "out of memory", "not enough memory")
    )
