"""`Picture`: a 2-D image of any number of channels, where it is valid, and what it was before it was read."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..types import FloatArray, Mask
from .errors import ScanError
from .names import printable

MOST_CHANNELS = 4
"""Where an axis has more, it is not taken for one of channels unless that is said."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A 2-D image; immutable.

    Parameters
    ----------
    pixels : (C, H, W) float32
        Intensities in the unit of the source; colours in the order red, green, blue.
    valid : (H, W) bool
        Where the source has measured something: not padding, not transparent.
    path : Path or None
        Where it was read from.
    frame : int or None
        Which slice or frame of the file, from 0; None: the file has one.
    dtype : str
        Of the values in the source, such as "uint8".
    window : (float, float) or None
        Intensities that are shown as black and white, such as those of a window of Hounsfield units.
    spacing_mm : (float, float) or None
        Between rows and between columns, if known.
    warnings : tuple of str
        What a user should know about it.
    orientation : int
        Of EXIF, 1 to 8, that the file told: the pixels are turned by it already.
    """

    pixels: FloatArray
    valid: Mask
    path: Path | None = None
    frame: int | None = None
    dtype: str = "float32"
    window: tuple[float, float] | None = None
    spacing_mm: tuple[float, float] | None = None
    warnings: tuple[str, ...] = ()
    orientation: int = 1

    def __post_init__(self) -> None:
        name = self.name
        if self.pixels.ndim != 3 or 0 in self.pixels.shape:
            raise ScanError(f"{name} has pixels {self.pixels.shape}: expected channels, rows and columns")
        if self.valid.shape != self.pixels.shape[1:]:
            raise ScanError(
                f"{name} has a mask {self.valid.shape}: expected the shape of its pixels, "
                f"{self.pixels.shape[1:]}"
            )
        for field in ("pixels", "valid"):
            view = getattr(self, field).view()
            view.setflags(write=False)
            object.__setattr__(self, field, view)

    def __repr__(self) -> str:
        channels, height, width = self.pixels.shape
        many = "channel" if channels == 1 else "channels"
        return f"Picture({width} × {height}, {channels} {many}, {self.dtype}, {self.name})"

    @property
    def name(self) -> str:
        """What messages call it."""
        if self.path is None:
            return "the picture"
        frame = "" if self.frame is None else f"[{self.frame}]"
        return printable(self.path.name) + frame

    @property
    def channels(self) -> int:
        """How many there are."""
        return int(self.pixels.shape[0])

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest valid value; of a picture without valid pixels of all."""
        inside = self.pixels[:, self.valid] if self.valid.any() else self.pixels
        return float(inside.min()), float(inside.max())

    @property
    def is_constant(self) -> bool:
        """Whether all valid values are the same in every channel, so that it shows nothing."""
        inside = self.pixels[:, self.valid]
        return not inside.size or bool((np.ptp(inside, axis=1) == 0).all())

    def warn(self, message: str) -> "Picture":
        """The same picture with one more warning.

        Parameters
        ----------
        message : str
            What a user should know.
        """
        return replace(self, warnings=(*self.warnings, message))


def picture_of(
    pixels: np.ndarray,
    *,
    valid: Mask | None = None,
    path: Path | None = None,
    frame: int | None = None,
    window: tuple[float, float] | None = None,
    spacing_mm: tuple[float, float] | None = None,
    orientation: int = 1,
) -> Picture:
    """Picture of an array whose channels come first; what is not finite becomes invalid.

    Parameters
    ----------
    pixels : (C, H, W) array
        Of whole numbers, floats or booleans.
    valid : (H, W) bool, optional
        Default everywhere.
    path, frame, window, spacing_mm, orientation
        As of `Picture`.

    Raises
    ------
    ScanError
        Without pixels, without a finite value, or of another type.
    """
    what = printable(path.name) if path else "the picture"
    if pixels.ndim != 3 or 0 in pixels.shape:
        raise ScanError(f"{what} has no pixels: its shape is {pixels.shape}")
    if pixels.dtype.kind not in "biuf":
        raise ScanError(f"{what} holds values of type {pixels.dtype}: expected whole numbers or floats")
    with np.errstate(over="ignore"):
        values = pixels.astype(np.float32)
    finite: Mask = np.asarray(np.isfinite(values).all(0))
    if not finite.any():
        raise ScanError(f"{what} holds no finite value: expected an image; export it again")
    inside: Mask = finite if valid is None else np.logical_and(finite, valid)
    if not finite.all():
        values = np.where(finite, values, values[:, finite].min())
    picture = Picture(
        values, inside, path, frame, str(pixels.dtype), window, spacing_mm, orientation=orientation
    )
    if not finite.all():
        picture = picture.warn(f"{int((~finite).sum())} pixels are no finite numbers: they are left out")
    if picture.is_constant:
        picture = picture.warn("all its pixels are the same: it shows nothing")
    return picture


def channels_first(pixels: np.ndarray, axis: int | None = None, what: str = "the array") -> np.ndarray:
    """An array with its channels in front: of (H, W) one, of three axes those of the shorter end.

    Parameters
    ----------
    pixels : (H, W), (C, H, W) or (H, W, C) array
        Of any type.
    axis : int, optional
        Where the channels are; without it at the end that has at most 4, if the other has more.
    what : str
        Name for messages.

    Raises
    ------
    ScanError
        Of another number of axes, or it is not clear where the channels are.

    Examples
    --------
    >>> channels_first(np.zeros((5, 6))).shape, channels_first(np.zeros((5, 6, 3))).shape
    ((1, 5, 6), (3, 5, 6))
    """
    if pixels.ndim == 2:
        return pixels[None]
    if pixels.ndim != 3:
        raise ScanError(f"{what} has the shape {pixels.shape}: expected two axes, or three with the channels")
    if axis is None:
        first, last = pixels.shape[0] <= MOST_CHANNELS, pixels.shape[2] <= MOST_CHANNELS
        if first == last:
            raise ScanError(
                f"{what} has the shape {pixels.shape}, which does not tell where its channels are: say it "
                "with reading.channel_axis"
            )
        axis = 0 if first else 2
    return np.moveaxis(pixels, axis, 0)
