"""Pictures of the files that cameras and programs write: PNG, JPEG, TIFF and others, and arrays of NumPy."""

import io
import warnings
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..files import open_regular
from .errors import ScanError
from .exif import ORIENTATION, known_orientation, orientation_of, upright
from .names import printable
from .picture import MOST_CHANNELS, Picture, channels_first, picture_of

PICTURE_EXTENSIONS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
"""Endings of the files that are read here."""

MOST_PIXELS = 200_000_000
"""Of one picture, over all channels; whole slides of pathology are for other programs."""

_Pixels: TypeAlias = "tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]"
"""(C, H, W), and where they are not transparent."""

_STACKED = "TZ"
"""Axes of a TIFF file, as tifffile calls them, that are never channels: time and depth."""

_ALPHA = (1, 2)
"""Extra samples of a TIFF file that say how transparent a pixel is; others are channels."""

_DEEP = ("RGB;16B", "RGBA;16B", "LA;16B")
"""What a PNG file has of which Pillow would leave eight bits."""

_GREY = {"1": "L", "I;16": None, "I;16B": None, "I": None, "F": None, "L": None}
"""Modes of Pillow of one channel, and what each is converted to."""

_BROKEN = (OSError, EOFError, ValueError, TypeError, KeyError, IndexError, SyntaxError, ArithmeticError)
_BROKEN_TOO = (MemoryError, RuntimeError, AttributeError, NotImplementedError)


def read_image_file(
    path: Path, channel_axis: int | None = None, window: tuple[float, float] | None = None
) -> list[Picture]:
    """Pictures of an image file; colours stay colours, palettes are looked up, transparency becomes the mask.

    What a camera has stored on its side is turned, as its EXIF data says.

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
                found, orientation = _tiff(path, channel_axis, what)
            else:
                found, orientation = _image(path, what)
    except ScanError:
        raise
    except Image.DecompressionBombError as error:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise ScanError(f"{what} says that it has more than {most:,} pixels: expected fewer") from error
    except (*_BROKEN, *_BROKEN_TOO) as error:
        raise ScanError(
            f"{what} is damaged or no image: expected {path.suffix.lstrip('.').upper()}; copy it again"
        ) from error
    return [
        picture_of(
            upright(pixels, orientation),
            valid=None if valid is None else upright(valid, orientation),
            path=path,
            frame=n if len(found) > 1 else None,
            window=window,
            orientation=orientation,
        )
        for n, (pixels, valid) in enumerate(found)
    ]


def read_array_file(
    path: Path, channel_axis: int | None = None, window: tuple[float, float] | None = None
) -> list[Picture]:
    """Pictures of a .npy file; nothing is unpickled, and no more is read than the file has.

    Parameters
    ----------
    path : Path
        Of the file: of one picture, or of a stack of them along the first axis.
    channel_axis : int, optional
        Of each picture, where its shape does not tell.
    window : (float, float), optional
        Intensities shown as black and white.

    Raises
    ------
    ScanError
        It cannot be read.
    """
    what = printable(path.name)
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        _require_size(array.shape, what)
        array = np.array(array)
    except ScanError:
        raise
    except (*_BROKEN, *_BROKEN_TOO) as error:
        raise ScanError(
            f"{what} is no array of NumPy, or damaged: expected numbers; save it again"
        ) from error
    each = list(array) if array.ndim == 4 or _is_stack(array.shape, channel_axis) else [array]
    return [
        picture_of(
            channels_first(one, channel_axis, what),
            path=path,
            frame=n if len(each) > 1 else None,
            window=window,
        )
        for n, one in enumerate(each)
    ]


def _is_stack(shape: tuple[int, ...], axis: int | None) -> bool:
    """Whether neither end of three axes can be one of channels: then the first is one of pictures."""
    return axis is None and len(shape) == 3 and min(shape[0], shape[2]) > MOST_CHANNELS


def _image(path: Path, what: str) -> tuple[list[_Pixels], int]:
    """The one picture of a file that Pillow reads, as stored, and its orientation."""
    with open_regular(path) as stream, Image.open(stream) as image:
        _require_size((*image.size, len(image.getbands())), what)
        rawmode = str(image.tile[0][3]) if image.format == "PNG" and image.tile else ""
        found = _deep(path, rawmode) if rawmode in _DEEP else _shallow(image)
        return [found], orientation_of(image)


def _shallow(image: Image.Image) -> _Pixels:
    if image.mode in _GREY:
        return np.asarray(image.convert(_GREY[image.mode]) if _GREY[image.mode] else image)[None], None
    transparent = "A" in image.getbands() or "a" in image.getbands() or "transparency" in image.info
    colours = np.asarray(image.convert("RGBA" if transparent else "RGB"))
    if image.mode in ("LA", "La"):
        return colours[None, ..., 0], colours[..., 3] > 0
    return np.moveaxis(colours[..., :3], -1, 0), colours[..., 3] > 0 if transparent else None


def _deep(path: Path, rawmode: str) -> _Pixels:
    """Of a PNG file with colours, or grey and alpha, of 16 bits: Pillow gives one byte of each at a time."""

    def bytes_as(mode: str) -> npt.NDArray[np.uint16]:
        with open_regular(path) as stream, Image.open(stream) as image:
            place: Any = image.tile[0]
            other = (*place[:3], mode)
            tiles: Any = [type(place)(*other) if hasattr(place, "_fields") else other]
            image.tile = tiles
            return np.moveaxis(np.asarray(image).astype(np.uint16), -1, 0)

    if rawmode == "LA;16B":
        high, low = (bytes_as("RGBA")[n::2] for n in (0, 1))
    else:
        high, low = bytes_as(rawmode), bytes_as(rawmode.replace("16B", "16L"))
    pixels = high * np.uint16(256) + low
    return _split(pixels, len(pixels) in (2, 4))


def _tiff(path: Path, axis: int | None, what: str) -> tuple[list[_Pixels], int]:
    """Each picture of the first series, as stored, and their orientation.

    Pages are pictures, but where there are at most four of one channel: these are channels. What tifffile
    leaves to a plugin, Pillow reads.
    """
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
        if kind in ("PALETTE", "SEPARATED"):
            return _image(path, what)
        if kind == "MINISWHITE" and pixels.dtype.kind == "u":
            pixels = np.iinfo(pixels.dtype).max - pixels
        alpha = any(int(sample) in _ALPHA for sample in keyframe.extrasamples)
        orientation = known_orientation(getattr(keyframe.tags.get(ORIENTATION), "value", None))
    return _pages(pixels, axes, axis, what, alpha=alpha), orientation


def _pages(pixels: npt.NDArray[Any], axes: str, axis: int | None, what: str, *, alpha: bool) -> list[_Pixels]:
    """The pictures that an array of a TIFF file holds."""
    if axis is not None:
        return [(channels_first(np.squeeze(pixels) if pixels.ndim > 3 else pixels, axis, what), None)]
    kept = [n for n, name in enumerate(axes) if name in "YXSC" or pixels.shape[n] > 1]
    pixels, axes = pixels.reshape([pixels.shape[n] for n in kept]), "".join(axes[n] for n in kept)
    if (
        not {"S", "C"} & set(axes)
        and pixels.ndim == 3
        and (axes[0] in _STACKED or len(pixels) > MOST_CHANNELS)
    ):
        return [(page[None], None) for page in pixels]
    if not {"S", "C"} & set(axes) and pixels.ndim == 3:
        return [(pixels, None)]
    return [_split(one, alpha and "S" in axes) for one in _stacked(pixels, axes)]


def _stacked(pixels: npt.NDArray[Any], axes: str) -> npt.NDArray[Any]:
    """(N, C, H, W): all axes but those of rows, columns and channels are one of pictures."""
    channel = next((n for n, name in enumerate(axes) if name == "S"), axes.find("C"))
    order = [n for n, name in enumerate(axes) if n != channel and name not in "YX"]
    ends = [axes.index("Y"), axes.index("X")]
    turned = pixels.transpose([*order, *([channel] if channel >= 0 else []), *ends])
    height, width = turned.shape[-2:]
    return turned.reshape(-1, pixels.shape[channel] if channel >= 0 else 1, height, width)


def _split(pixels: npt.NDArray[Any], transparent: bool) -> _Pixels:
    return (pixels[:-1], pixels[-1] > 0) if transparent and len(pixels) in (2, 4) else (pixels, None)


def _require_size(shape: tuple[int, ...], what: str) -> None:
    count = 1
    for n in shape:
        count *= int(n)
    if not count:
        raise ScanError(f"{what} has no pixels: its shape is {tuple(shape)}")
    if count > MOST_PIXELS:
        raise ScanError(f"{what} says that it has {count:,} values: expected at most {MOST_PIXELS:,}")
