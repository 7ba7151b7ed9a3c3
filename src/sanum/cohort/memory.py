"""What a scan will need of the machine's memory, told before it is read, and how many are in memory at once.

    need = BASE + network + voxels × (their bytes + 9) + voxels of the brain's box × 27

Measured (peak of the process, shipped network): 0.9 GB of a head of 10 million voxels at 1 mm, 4.8 GB of one
of 300 million at 0.5 mm, 1.7 and 3.5 GB of a brain that fills 33 and 95 million voxels; the formula gives
1.3, 6.5, 2.3 and 4.8, so that it may be a third too high.
"""

import threading
from collections.abc import Hashable
from pathlib import Path

from ..scan.declared_size import declared_size
from ..scan.errors import ScanError
from ..scan.names import printable

BASE = 750_000_000  # the process with its libraries and weights (550 MB), and work in the model's box
NETWORK = 240_000_000  # of the shipped weights, as `methods.memory_plan` estimates it
A_VOXEL, A_BRAIN_VOXEL = 9, 27
LARGEST_BRAIN_MM3 = 190 * 220 * 180  # the box around it, with a margin


def need_of(path: Path) -> int:
    """Bytes that a scan takes beside BASE and the network, from its header: an estimate."""
    declared = declared_size(path)
    in_box = declared.voxels
    if declared.voxel_mm3:
        in_box = min(in_box, int(LARGEST_BRAIN_MM3 / declared.voxel_mm3))
    return declared.voxels * (declared.voxel_bytes + A_VOXEL) + in_box * A_BRAIN_VOXEL


class Budget:
    """Memory that scans share: whoever wants more than is left waits, unless nobody holds any.

    Parameters
    ----------
    total : int, optional
        Bytes of the whole process; None: no limit.
    network : int
        Bytes of them that the network takes.
    strict : bool
        Refuse a scan that needs more than all of it. Else it is done alone: the estimate may be too high.
    """

    def __init__(self, total: int | None, network: int = 0, *, strict: bool = False) -> None:
        self.total, self.network, self.strict = total, network, strict
        self.held: dict[Hashable, int] = {}
        self._changed = threading.Condition()

    def take(self, who: Hashable, path: Path) -> tuple[str, ...]:
        """Wait until a scan may be read; what had to be done for it, if anything.

        Raises
        ------
        ScanError
            It needs more than the limit.
        """
        if self.total is None:
            return ()
        need = need_of(path)
        if self.strict and need + BASE > self.total:
            raise ScanError(
                f"{printable(path.name)} needs about {(need + BASE + self.network) / 1e9:.1f} GB of memory, and "
                f"{self.total / 1e9:g} may be used: give more with --mem-gb"
            )
        with self._changed:
            fits = self._fits(need)
            self._changed.wait_for(lambda: self._fits(need))
            self.held[who] = need
        return () if fits else (f"not read ahead: it needs about {need / 1e9:.1f} GB beside the others",)

    def give(self, who: Hashable) -> None:
        """Give back what was taken, if anything was."""
        with self._changed:
            if self.held.pop(who, None) is not None:
                self._changed.notify_all()

    def close(self) -> None:
        """Let nobody wait any more."""
        with self._changed:
            self.total = None
            self._changed.notify_all()

    def room_beside(self, who: Hashable) -> int | None:
        """Bytes that a network may take beside one scan."""
        return None if self.total is None else max(self.total - BASE - self.held.get(who, 0), 0)

    def _fits(self, need: int) -> bool:
        if self.total is None or not self.held:
            return True
        return BASE + self.network + sum(self.held.values()) + need <= self.total
