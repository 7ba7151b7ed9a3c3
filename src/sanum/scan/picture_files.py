"""Pictures of the files that cameras and programs write: PNG, JPEG, TIFF and others, and arrays of NumPy."""

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..files import open_regular
from .errors import ScanError
from .names import printable
from .picture import Picture, channels_first, picture_of

PICTURE_EXTENSIONS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
"""Endings of the files that are read here."""

MOST_PIXELS = 200_000_000
"""Of one picture, over all channels; whole slides of pathology are for other programs."""

_GREY = {"1": "L", "I;16": None, "I;16B": None, "I": None, "F": None, "L": None}
"""Modes of Pillow of one channel, and what each is converted to."""

_BROKEN = (OSError, EOFError, ValueError, TypeError, KeyError, IndexError, SyntaxError, ArithmeticError)
_BROKEN_TOO = (MemoryError, RuntimeError, AttributeError, NotImplementedError)


def read_image_file(
    path: Path, channel_axis: int | None = None, window: tuple[float, float] | None = None
) -> Picture:
    """Picture of an image file; colours stay colours, palettes are looked up, transparency becomes the mask.

    Parameters
    ----------
    path : Path
        With an ending of `PICTURE_EXTENSIONS`.
    channel_axis : int, optional
        Of a TIFF file's array, where its shape does not tell.
    window : (float, float), optional
        Intensities shown as black and white.

    Raises
    ------
    ScanError
        It cannot be read.
    """
    what = printable(path.name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if path.name.lower().endswith((".tif", ".tiff")):
                pixels, valid = _tiff(path, channel_axis, what)
            else:
                pixels, valid = _image(path, what)
    except ScanError:
        raise
    except Image.DecompressionBombError as error:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise ScanError(f"{what} says that it has more than {most:,} pixels: expected fewer") from error
    except (*_BROKEN, *_BROKEN_TOO) as error:
        raise ScanError(
            f"{what} is damaged or no image: expected {path.suffix.lstrip('.').upper()}; copy it again"
        ) from error
    return picture_of(pixels, valid=valid, path=path, window=window)


def read_array_file(path: Path) -> npt.NDArray[Any]:
    """Array of a .npy file; nothing is unpickled, and no more is read than the file has.

    Parameters
    ----------
    path : Path
        Of the file.

    Raises
    ------
    ScanError
        It cannot be read.
    """
    what = printable(path.name)
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        _require_size(array.shape, what)
        return np.array(array)
    except ScanError:
        raise
    except (*_BROKEN, *_BROKEN_TOO) as error:
        raise ScanError(
            f"{what} is no array of NumPy, or damaged: expected numbers; save it again"
        ) from error


def _image(path: Path, what: str) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]:
    """Pixels (C, H, W), and where they are not transparent."""
    with open_regular(path) as stream, Image.open(stream) as image:
        _require_size((*image.size, len(image.getbands())), what)
        if image.mode in _GREY:
            return np.asarray(image.convert(_GREY[image.mode]) if _GREY[image.mode] else image)[None], None
        transparent = "A" in image.getbands() or "a" in image.getbands() or "transparency" in image.info
        colours = np.asarray(image.convert("RGBA" if transparent else "RGB"))
        if image.mode in ("LA", "La"):
            return colours[None, ..., 0], colours[..., 3] > 0
        return np.moveaxis(colours[..., :3], -1, 0), colours[..., 3] > 0 if transparent else None


def _tiff(path: Path, axis: int | None, what: str) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]:
    """Pixels (C, H, W) of the first series; of compressions that tifffile leaves to a plugin by Pillow."""
    import tifffile

    with open_regular(path) as stream, tifffile.TiffFile(io.BytesIO(stream.read())) as tiff:
        series = tiff.series[0]
        _require_size(series.shape, what)
        try:
            pixels, axes = series.asarray(), series.axes
            keyframe: Any = series.keyframe
            kind = str(keyframe.photometric.name)
        except ValueError:  # needs imagecodecs
            return _image(path, what)
        if kind == "PALETTE":
            return _image(path, what)
        if kind == "MINISWHITE" and pixels.dtype.kind == "u":
            pixels = np.iinfo(pixels.dtype).max - pixels
        alpha = keyframe.extrasamples and pixels.ndim == 3 and "S" in axes
    if pixels.ndim == 3 and axis is None and "S" in axes:
        axis = axes.index("S")
    pixels = channels_first(np.squeeze(pixels) if pixels.ndim > 3 else pixels, axis, what)
    if alpha and len(pixels) in (2, 4):
        return pixels[:-1], pixels[-1] > 0
    return pixels, None


def _require_size(shape: tuple[int, ...], what: str) -> None:
    count = 1
    for n in shape:
        count *= int(n)
    if not count:
        raise ScanError(f"{what} has no pixels: its shape is {tuple(shape)}")
    if count > MOST_PIXELS:
        raise ScanError(f"{what} says that it has {count:,} values: expected at most {MOST_PIXELS:,}")
