"""A folder that is watched: its DICOM files are handed over once they have stopped growing."""

import contextlib
import hashlib
import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ...files import open_regular
from ...scan.dicom_file import begins_as_dicom
from .errors import NodeError
from .inbox import LARGEST, HandedOver, Taker, taker_of

PARTIAL = (".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".download", ".swp", "~")
"""Ends of names of files that somebody still writes."""

_START = 512  # bytes that tell
_OTHER = " is no DICOM file"
_log = logging.getLogger(__name__)
_Looks = tuple[int, int, int]  # size, time of change, inode


class FolderWatch:
    """Looks at a folder, and at the folders in it, again and again.

    Parameters
    ----------
    folder : Path
        What to watch. It is only read, unless `remove` is set; links are not followed.
    into : function or Path
        Takes the bytes of each file, or the folder that they are written into.
    memory : Path
        File that remembers what was handed over; keys in it tell no names.
    quiet_s : float
        A file whose size and time do not change for so long is whole.
    remove : bool
        Remove each file once it is handed over. Files that are not DICOM stay.
    largest : int
        Bytes of one file; of larger ones the log says how many they are.

    Raises
    ------
    NodeError
        There is no such folder.
    """

    def __init__(
        self,
        folder: Path,
        into: Taker | Path,
        memory: Path,
        *,
        quiet_s: float = 10.0,
        remove: bool = False,
        largest: int = LARGEST,
    ) -> None:
        if not folder.is_dir():
            raise NodeError(f"no such folder to watch: {folder}")
        self.folder, self.quiet_s, self.remove = folder, quiet_s, remove
        self._take, self._memory = taker_of(into), HandedOver(memory)
        self._largest, self._larger = largest, 0
        self._waiting: dict[Path, tuple[_Looks, float]] = {}

    def look(self, now_s: float) -> int:
        """Hand over the files that are whole by now; how many.

        Parameters
        ----------
        now_s : float
            Seconds of a clock that never goes back.

        Raises
        ------
        NodeError
            The folder is gone.
        """
        waiting, count, larger = {}, 0, 0
        for path, looks in self._files():
            if looks[0] > self._largest:
                larger += 1
                continue
            key = _key(path.relative_to(self.folder), looks)
            if key + _OTHER in self._memory:
                continue
            if key in self._memory:
                if self.remove:  # handed over, and killed before it was removed
                    _remove(path, looks)
                continue
            before, since = self._waiting.get(path, (None, now_s))
            if before != looks:
                since = now_s
            if before != looks or now_s - since < self.quiet_s:
                waiting[path] = (looks, since)
                continue
            count += self._hand_over(path, looks, key)
        if larger > self._larger:
            _log.warning("files of a watched folder that are larger than --largest-mb allows: %d", larger)
        self._waiting, self._larger = waiting, larger
        return count

    def _hand_over(self, path: Path, looks: _Looks, key: str) -> bool:
        try:
            with open_regular(path, follow=False) as stream:
                content = stream.read(_START)
                is_dicom = begins_as_dicom(content)
                content += stream.read() if is_dicom else b""
                if _looks(os.fstat(stream.fileno())) != looks:
                    return False  # it changed meanwhile: the next look starts anew
        except OSError:
            return False
        if is_dicom:
            self._take(content)
        self._memory.add(key if is_dicom else key + _OTHER)
        if self.remove and is_dicom:
            _remove(path, looks)
        return is_dicom

    def _files(self) -> Iterator[tuple[Path, _Looks]]:
        if not self.folder.is_dir():
            raise NodeError(f"the watched folder is gone: {self.folder}")
        for parent, folders, names in os.walk(self.folder):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                if name.startswith(".") or name.lower().endswith(PARTIAL) or name.upper() == "DICOMDIR":
                    continue
                path = Path(parent, name)
                with contextlib.suppress(OSError):
                    found = path.lstat()
                    if stat.S_ISREG(found.st_mode) and found.st_size:
                        yield path, _looks(found)


def _looks(found: os.stat_result) -> _Looks:
    return found.st_size, found.st_mtime_ns, found.st_ino


def _key(path: Path, looks: _Looks) -> str:
    return hashlib.sha256(os.fsencode(path) + repr(looks).encode()).hexdigest()


def _remove(path: Path, looks: _Looks) -> None:
    with contextlib.suppress(OSError):
        if _looks(path.lstat()) == looks:
            path.unlink()
