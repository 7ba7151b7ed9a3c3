"""`read_picture` and `read_pictures`: 2-D images from a file, an array, or the slices of a volume."""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from .absent import require_content
from .dicom_file import is_dicom
from .errors import ScanError
from .names import EXTENSIONS, printable
from .picture import Picture, channels_first, picture_of
from .picture_files import PICTURE_EXTENSIONS, read_array_file, read_image_file
from .picture_volumes import range_of, read_dicom_picture, slices_of
from .read import read
from .scan import Scan


@dataclass(frozen=True)
class PictureAt:
    """Where a picture is, to be read when it is needed.

    Parameters
    ----------
    path : Path
        Of its file.
    frame : int, optional
        Which slice or frame, from 0; None: all of the file.
    """

    path: Path
    frame: int | None = None


PictureSource: TypeAlias = "str | Path | PictureAt | np.ndarray[Any, Any] | Picture"
"""What a picture can be read from."""


@dataclass(frozen=True)
class PictureReading:
    """Choices of reading pictures.

    Parameters
    ----------
    window : (float, float), optional
        Centre and width, such as (40, 80) Hounsfield units of a brain: what is outside is black or white.
    axis : int
        Of a volume's slices, 0 to 2.
    slices : (int, int), optional
        First slice of a volume that is read, and the first that is not; default all.
    every : int
        Slices of a volume that are learned from: every so manieth of these.
    least : float
        And of those the ones of which so large a share is above the volume's lowest value, in [0, 1]: a
        stripped head's have a brain.
    white : float, optional
        Percentile of what is above a volume's lowest value: it is white in all of its slices, and the lowest
        value black; default: each slice has its own range. A window takes its place.
    channel_axis : int, optional
        Of an array, where its shape does not tell.
    """

    window: tuple[float, float] | None = None
    axis: int = 2
    slices: tuple[int, int] | None = None
    every: int = 1
    least: float = 0.0
    white: float | None = None
    channel_axis: int | None = None

    def __post_init__(self) -> None:
        if self.window is not None and not self.window[1] > 0:
            raise ValueError(f"a window is a centre and a width above 0, got {self.window}")
        if self.axis not in (0, 1, 2):
            raise ValueError(f"axis is 0, 1 or 2, got {self.axis}")
        if self.every < 1 or not 0 <= self.least <= 1:
            raise ValueError(f"every is at least 1 and least a share, got {self.every} and {self.least:g}")
        if self.white is not None and not 0 < self.white <= 100:
            raise ValueError(f"white is a percentile, got {self.white:g}")

    @property
    def ends(self) -> tuple[float, float] | None:
        """Lowest and highest intensity of the window."""
        if self.window is None:
            return None
        centre, width = self.window
        return centre - width / 2, centre + width / 2

    @property
    def whole(self) -> "PictureReading":
        """The same of all slices: what is learned from is chosen, what is looked at is not."""
        return replace(self, every=1, least=0.0)


def read_pictures(source: PictureSource, reading: PictureReading | None = None) -> list[Picture]:
    """All pictures of a source: one of most, of a volume one for each slice, of a stack one for each page.

    Parameters
    ----------
    source : str, Path, PictureAt, array or Picture
        PNG, JPEG, TIFF, BMP, WebP; NumPy (.npy); a DICOM file; NIfTI, MGH, NRRD or MetaImage volumes; or what
        is in memory.
    reading : PictureReading, optional
        Choices.

    Raises
    ------
    ScanError
        For every input that cannot be used: one sentence saying what was expected and what came.
    """
    reading = reading or PictureReading()
    if isinstance(source, Picture):
        return [source]
    if isinstance(source, PictureAt):
        found = read_pictures(source.path, reading) if source.frame is None else _frames(source, reading)
        wanted = [one for one in found if source.frame is None or one.frame == source.frame]
        if not wanted:
            raise ScanError(f"{printable(source.path.name)} has no slice {source.frame}")
        return wanted
    if isinstance(source, np.ndarray):
        return [picture_of(channels_first(source, reading.channel_axis), window=reading.ends)]
    if not isinstance(source, (str, Path)):
        raise ScanError(
            f"cannot read a picture from {type(source).__name__}: expected a path, an array or a Picture"
        )
    return _of_file(Path(source), reading)


def volume_pictures(scan: Scan, path: Path, reading: PictureReading) -> list[Picture]:
    """Slices of a volume that is read.

    Parameters
    ----------
    scan : Scan
        The volume.
    path : Path
        Where it was read from.
    reading : PictureReading
        Choices.

    Raises
    ------
    ScanError
        It has no such slices.
    """
    window = reading.ends
    if window is None and reading.white is not None:
        window = range_of(scan, reading.white)
    return slices_of(
        scan, path, reading.axis, reading.slices, window, every=reading.every, least=reading.least
    )


def _of_file(path: Path, reading: PictureReading) -> list[Picture]:
    what, ending = printable(path.name), path.name.lower()
    try:
        require_content(path, "a picture")
        is_file, size = path.is_file(), path.stat().st_size
    except ScanError:
        raise
    except (OSError, ValueError) as error:
        raise ScanError(f"{what} cannot be opened: check its path and permissions") from error
    if not is_file:
        raise ScanError(f"{what} is no file: expected a picture")
    if size == 0:
        raise ScanError(f"{what} is empty: expected a picture; copy or download it again")
    if ending.endswith(EXTENSIONS):
        return volume_pictures(read(path), path, reading)
    if ending.endswith(".npy"):
        return read_array_file(path, reading.channel_axis, reading.ends)
    if ending.endswith(PICTURE_EXTENSIONS):
        return read_image_file(path, reading.channel_axis, reading.ends)
    if is_dicom(path):
        return read_dicom_picture(path, reading.ends)
    raise ScanError(
        f"{what} is no picture that can be read: expected {', '.join(PICTURE_EXTENSIONS)}, .npy, a DICOM "
        f"file, or a volume ({', '.join(EXTENSIONS)})"
    )


def _frames(source: PictureAt, reading: PictureReading) -> list[Picture]:
    """All pictures of a file, kept until another is asked for: slices are read one after the other."""
    try:
        changed = source.path.stat().st_mtime_ns
    except OSError as error:
        raise ScanError(f"{printable(source.path.name)} cannot be opened: check its path") from error
    return _kept(source.path, reading, changed)


@lru_cache(maxsize=1)
def _kept(path: Path, reading: PictureReading, changed: int) -> list[Picture]:
    return _of_file(path, reading)


def read_picture(source: PictureSource, reading: PictureReading | None = None) -> Picture:
    """The one picture of a source.

    Parameters
    ----------
    source : str, Path, array or Picture
        As of `read_pictures`.
    reading : PictureReading, optional
        Choices.

    Raises
    ------
    ScanError
        It cannot be used, or holds several.
    """
    found = read_pictures(source, reading)
    if len(found) != 1:
        raise ScanError(f"{found[0].name} is one of {len(found)} slices: choose one, with slices")
    return found[0]
