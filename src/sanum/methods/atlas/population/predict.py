"""Loading an atlas: the one that ships, or one of `sanum atlas build`."""

from pathlib import Path

from ....files import sha256_of
from ....scan import ScanError
from .atlas import Atlas, read_atlas

SHIPPED = "adults"


def load(*, weights: Path | None = None, device: str = "cpu", room: int | None = None) -> Atlas:
    """The atlas that ships: T1w of healthy adults, brains of 2 mm.

    Parameters
    ----------
    weights : None
        It has none.
    device : str
        Not used: maps lie in memory.
    room : int, optional
        Not used.
    """
    return open_atlas(SHIPPED)


def open_atlas(name: str) -> Atlas:
    """An atlas by its name, or its folder.

    Parameters
    ----------
    name : str
        "adults", or a path.

    Raises
    ------
    ScanError
        It is no atlas.
    """
    folder = folder_of(name)
    if not folder.is_dir():
        raise ScanError(f'no atlas "{name}": expected {SHIPPED}, or a folder of sanum atlas build')
    return read_atlas(folder)


def atlas_sha256(name: str) -> str:
    """Of an atlas's files.

    Parameters
    ----------
    name : str
        As of `open_atlas`.
    """
    return sha256_of(sorted(folder_of(name).glob("*.*")))


def folder_of(name: str) -> Path:
    """Where an atlas lies.

    Parameters
    ----------
    name : str
        As of `open_atlas`.
    """
    return Path(__file__).parent / SHIPPED if name == SHIPPED else Path(name)
