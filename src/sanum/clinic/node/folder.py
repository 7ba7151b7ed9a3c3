"""The folder of a node, and how what arrives gets into it: whole or not at all."""

import errno
import os
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...files import PARTIAL, flush

ENDING = ".dcm"
KEPT_FREE = 2_000_000_000
"""Bytes of the disk that arrivals leave free: results need room too."""

Parts = Sequence[bytes | bytearray | memoryview]


@dataclass(frozen=True)
class NodeFolder:
    """Where a node keeps things.

    Parameters
    ----------
    root : Path
        Of the node; made when something is first written.
    """

    root: Path

    @property
    def new(self) -> Path:
        """What arrived and is not yet looked at."""
        return self.root / "new"

    @property
    def series(self) -> Path:
        """A folder for each series, as it came."""
        return self.root / "series"

    @property
    def results(self) -> Path:
        """Results, their records and tables, as of a batch."""
        return self.root / "results"

    @property
    def states(self) -> Path:
        """What becomes of each series."""
        return self.root / "states"

    @property
    def unusable(self) -> Path:
        """What arrived and belongs to no series, since it cannot be read."""
        return self.root / "unusable"

    @property
    def removed(self) -> Path:
        """What is on its way out: nobody looks into it any more."""
        return self.root / "removed"

    @property
    def lock(self) -> Path:
        """Who works here: one node at a time."""
        return self.root / "node.lock"


class Inbox:
    """The way in, for everything that arrives.

    Parameters
    ----------
    folder : NodeFolder
        Of the node.
    kept_free : int
        Bytes of the disk that stay free.
    """

    def __init__(self, folder: NodeFolder, kept_free: int = KEPT_FREE) -> None:
        self._folder, self._kept_free = folder.new, kept_free
        self._folder.mkdir(parents=True, exist_ok=True)

    def put(self, parts: Parts) -> Path:
        """Write one object as it came; it is on the disk, under its final name, when this returns.

        Parameters
        ----------
        parts : sequence of bytes
            Of a DICOM file, one after the other; nothing in them is looked at.

        Raises
        ------
        OSError
            It cannot be written, or the disk would be too full.
        """
        size = sum(memoryview(part).nbytes for part in parts)
        if shutil.disk_usage(self._folder).free - size < self._kept_free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._folder))
        name = secrets.token_hex(12)
        hidden, path = self._folder / f"{PARTIAL}{name}", self._folder / f"{name}{ENDING}"
        try:
            with open(os.open(hidden, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as stream:
                for part in parts:
                    stream.write(part)
                stream.flush()
                os.fsync(stream.fileno())
            hidden.replace(path)
        except BaseException:
            hidden.unlink(missing_ok=True)
            raise
        flush(self._folder)
        return path

    def arrived(self) -> list[Path]:
        """What was written and not yet taken out."""
        return [self._folder / name for name in os.listdir(self._folder) if name.endswith(ENDING)]

    def tidy(self) -> None:
        """Remove what a killed node was writing; only when no other writes."""
        for path in self._folder.glob(f"{PARTIAL}*"):
            path.unlink(missing_ok=True)
