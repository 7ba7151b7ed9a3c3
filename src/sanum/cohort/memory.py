"""How many items are in memory at once: whoever wants more than is left waits.

The base of the process, its models and its items stay below the total.
"""

import threading
from collections.abc import Hashable

from ..scan.errors import ScanError
from ..scan.names import printable


class MemoryBudget:
    """Memory that items share: whoever wants more than is left waits, unless nobody holds any.

    Parameters
    ----------
    total : int, optional
        Bytes of the whole process; None: no limit.
    base : int
        Bytes of them that the process takes before it has an item.
    model : int
        Bytes of them that models take.
    strict : bool
        Refuse an item that needs more than all of it. Else it is done alone: the estimate may be too high.
    """

    def __init__(self, total: int | None, *, base: int = 0, model: int = 0, strict: bool = False) -> None:
        self.total, self.base, self.model, self.strict = total, base, model, strict
        self.held: dict[Hashable, int] = {}
        self._changed = threading.Condition()

    def take(self, key: Hashable, name: str, need: int) -> tuple[str, ...]:
        """Wait until an item may be read; what had to be done for it, in words, if anything.

        Parameters
        ----------
        key : hashable
            Of the item.
        name : str
            Of its file, for messages.
        need : int
            Bytes that it takes.

        Raises
        ------
        ScanError
            It needs more than the limit.
        """
        if self.total is None:
            return ()
        if self.strict and need + self.base > self.total:
            raise ScanError(
                f"{printable(name)} needs about {(need + self.base + self.model) / 1e9:.1f} GB of memory, "
                f"and {self.total / 1e9:g} may be used: give more with --mem-gb"
            )
        with self._changed:
            fits = self._fits(need)
            self._changed.wait_for(lambda: self._fits(need))
            self.held[key] = need
        return () if fits else (f"not read ahead: it needs about {need / 1e9:.1f} GB beside the others",)

    def give(self, key: Hashable) -> None:
        """Give back what was taken, if anything was.

        Parameters
        ----------
        key : hashable
            Of the item.
        """
        with self._changed:
            if self.held.pop(key, None) is not None:
                self._changed.notify_all()

    def close(self) -> None:
        """Let nobody wait any more."""
        with self._changed:
            self.total = None
            self._changed.notify_all()

    def room_beside(self, key: Hashable) -> int | None:
        """Bytes that a model may take beside one item; None: no limit.

        Parameters
        ----------
        key : hashable
            Of the item.
        """
        return None if self.total is None else max(self.total - self.base - self.held.get(key, 0), 0)

    def _fits(self, need: int) -> bool:
        if self.total is None or not self.held:
            return True
        return self.base + self.model + sum(self.held.values()) + need <= self.total
