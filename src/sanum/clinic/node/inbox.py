"""Hand over what other ways in brought, and remember what was handed over."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from ...files import whole_file

LARGEST = 1 << 30
"""Bytes of one file; it is held in memory."""

Taker = Callable[[bytes], object]
"""Takes the bytes of one DICOM file; when it returns, they are on the disk."""


def taker_of(into: Taker | Path) -> Taker:
    """A function that takes files.

    Parameters
    ----------
    into : function or Path
        The function itself; or a folder, in which files are named by their content, so that nobody's name is
        in a name, and what comes twice is there once.
    """
    if not isinstance(into, Path):
        return into
    folder = into

    def write(content: bytes) -> None:
        path = folder / f"{hashlib.sha256(content).hexdigest()[:40]}.dcm"
        if not path.exists():
            with whole_file(path) as temporary:
                temporary.write_bytes(content)

    return write


class HandedOver:
    """What was handed over, by keys of one line each; it outlives the process.

    Parameters
    ----------
    path : Path
        A text file; made when there is something to remember. A last line that a killed process did not
        finish counts for nothing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        known = path.read_bytes() if path.exists() else b""
        self._torn = bool(known) and not known.endswith(b"\n")
        self._known = set(known.decode("ascii", "replace").split("\n")[:-1])
        self._groups = Counter(key.partition(" ")[0] for key in self._known)

    def __contains__(self, key: str) -> bool:
        return key in self._known

    def count(self, group: str) -> int:
        """How many keys begin with a word.

        Parameters
        ----------
        group : str
            The word, which a space follows in the keys.
        """
        return self._groups[group]

    def add(self, key: str) -> None:
        """Remember a key, on the disk.

        Parameters
        ----------
        key : str
            ASCII, without line breaks.
        """
        if key in self._known:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as stream:
            stream.write((b"\n" if self._torn else b"") + key.encode("ascii") + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        self._torn = False
        self._known.add(key)
        self._groups[key.partition(" ")[0]] += 1


def digest(text: str) -> str:
    """16 characters for a text, of any length and content.

    Parameters
    ----------
    text : str
        Such as an identifier.
    """
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]
