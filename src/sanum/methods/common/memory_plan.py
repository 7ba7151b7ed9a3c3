"""Where a network runs so that it fits: on its device whole or in slabs, or on the CPU whole or in slabs.

What it needs is estimated first (`nets.peak`). What runs out of memory nevertheless is run in the next
placement of the list. Each change is logged and kept in `MemoryPlan.taken`; all placements give the same
result, as far as devices do. GB are 10⁹ bytes.
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
from ...learn.memory import available, is_out_of_memory
from ...nets.compact_unet import CompactUNet
from ...nets.peak import peak_bytes
from ...nets.slabs import in_slabs
from ...nets.unet import UNet

T = TypeVar("T")
PLANES = (32, 16, 8, 4)  # of a slab
# bytes a voxel beside the U-Net: its input and what is read off its output (235 measured, una-compact)
AROUND = 260
WORKSPACE = 1.2  # what libraries take to compute a layer; see `peak_bytes`
# bytes a voxel that no network here comes near: the published one takes 2,200, compact ones that ship 520
AMPLE = {UNet: 8_000, CompactUNet: 1_200}
_log = logging.getLogger(__name__)


class OutOfMemory(MemoryError):
    """Not even the smallest slabs on the CPU fit."""


@dataclass(frozen=True)
class Placement:
    """A way to run a network.

    Parameters
    ----------
    device : str
        A torch device.
    planes : int, optional
        Planes of a slab; None: the network runs on the whole input at once.
    """

    device: str
    planes: int | None = None

    def __str__(self) -> str:
        return f"{'whole' if self.planes is None else f'in slabs of {self.planes} planes'} on {self.device}"


def placements(device: str, length: int) -> list[Placement]:
    """Every way to run a network, the fastest first.

    Parameters
    ----------
    device : str
        The preferred torch device; the CPU comes last.
    length : int
        Planes of the input, along X.
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
        self.placements = placements(device, shape[1])
        self.taken: list[str] = []
        self._go(0)
        self.fit(room)

    @property
    def placement(self) -> Placement:
        """Where the network runs now."""
        return self.placements[self._at]

    def fit(self, room: int | None) -> None:
        """Go on to the first placement that is estimated to fit.

        Parameters
        ----------
        room : int or None
            Bytes of the CPU's memory that the network may take; None: what is free.

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
            while not (fits := self._fits(self.placement))[0]:
                self._next(f"it needs {fits[1] / 1e9:.1f} GB of {fits[2] / 1e9:.1f}")

    def __call__(self, run: Callable[[str], T]) -> T:
        """What `run` returns; where it runs out of memory, it is called again in the next placement.

        Parameters
        ----------
        run : function
            Gets the name of the device to run on.
        """
        while True:
            at = self._at
            try:
                return run(self.placement.device)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            with self._lock:  # after the error, which holds on to what was made
                if self._at == at:  # no other thread has gone on already
                    self._next("it ran out of memory")

    def need(self, placement: Placement) -> tuple[int, int]:
        """Bytes on the device, and beside it in the memory of the CPU: an estimate.

        What is AMPLE where even that is free: a better estimate takes seconds, most of them for imports.

        Parameters
        ----------
        placement : Placement
            One of `placements`.
        """
        voxels, room = prod(self.shape[2:]), self._room(placement.device)
        ample = voxels * next(n for kind, n in AMPLE.items() if isinstance(self.unets[0].net, kind))
        if placement.planes is None and room is not None and room > ample:
            return ample, 0
        if placement not in self._needs:
            half = self.autocast and native_bfloat16(placement.device)
            dtype = torch.bfloat16 if half else torch.float32
            on_device, beside = peak_bytes(
                self.unets[0].net, self.shape, planes=placement.planes, dtype=dtype
            )
            on_device = int(voxels * AROUND + WORKSPACE * on_device)
            self._needs[placement] = (
                (on_device + beside, 0) if placement.device == "cpu" else (on_device, beside)
            )
        return self._needs[placement]

    def _room(self, device: str) -> int | None:
        if device == "cpu" and self.room is not None:
            return self.room
        return available(torch.device(device))

    def _fits(self, placement: Placement) -> tuple[bool, int, int]:
        """Whether a placement fits; if not, bytes needed and bytes free, where it does not."""
        for device, need in zip((placement.device, "cpu"), self.need(placement), strict=True):
            room = self._room(device)
            if room is not None and need > room:
                return False, need, room
        return True, 0, 0

    def _next(self, why: str) -> None:
        now = self.placement
        if self._at + 1 == len(self.placements):
            raise OutOfMemory(f"the network does not fit into memory, not even {now}: {why}")
        self._go(self._at + 1)
        self.taken.append(f"{self.placement}, not {now}: {why}")
        _log.info("%s", self.taken[-1])

    def _go(self, at: int) -> None:
        self._at = at
        for unet in self.unets:
            unet.planes = self.placement.planes
        self.model.to(self.placement.device)
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

    def forward(self, x: torch.Tensor, *more: torch.Tensor | None) -> tuple[torch.Tensor, ...]:
        """Return what `net` does.

        Parameters
        ----------
        x : (B, C, X, Y, Z) tensor
            Input; B is 1 in slabs.
        *more : tensor or None
            What else it takes.
        """
        made: tuple[torch.Tensor, ...] = (
            self.net(x, *more) if self.planes is None else in_slabs(self.net, x, self.planes, x.device, *more)
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
