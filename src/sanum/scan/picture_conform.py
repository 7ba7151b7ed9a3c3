"""From a picture of any size and scale to the square that a detector sees, and its maps back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from ..types import FloatArray, Mask
from .errors import ScanError
from .picture import Picture

GREY = (0.299, 0.587, 0.114)
"""Luminance of red, green and blue (ITU-R BT.601), as Pillow takes it."""


@dataclass(frozen=True)
class PictureConfig:
    """How a picture becomes the square array that a detector sees.

    Parameters
    ----------
    size : int
        Rows and columns of the array.
    fit : "pad" or "stretch"
        Keep the aspect and fill up with pixels that are not valid; or stretch both sides to the size.
    grey : bool
        Of three channels the luminance.
    channels : tuple of int
        Those that are kept, from 0; none: all.
    scale : "each" or "none"
        To [0, 1], each picture by its own range; or leave the source's intensities.
    low : float
        Percentile, over the valid pixels of all channels, that becomes 0.
    high : float
        Percentile that becomes 1; what lies outside is cut off. A window takes the place of both.
    signed : bool
        [0, 1] becomes [-1, 1] before a network sees it.
    border : "keep" or "mask"
        Whether rows and columns at the outside that have one value only count as valid.
    """

    size: int = 64
    fit: Literal["pad", "stretch"] = "pad"
    grey: bool = False
    channels: tuple[int, ...] = ()
    scale: Literal["each", "none"] = "each"
    low: float = 0.0
    high: float = 100.0
    signed: bool = True
    border: Literal["keep", "mask"] = "keep"

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"picture.size must be at least 1, got {self.size}")
        if not 0 <= self.low < self.high <= 100:
            raise ValueError(
                f"picture.low and picture.high are percentiles, got {self.low:g} and {self.high:g}"
            )


@dataclass(frozen=True)
class SquarePlacement:
    """Where a picture lies in its square, and what was made of its intensities: enough to go back.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the picture.
    box : (int, int, int, int)
        First row, first column, rows and columns that it fills of the square.
    black, white : float
        Intensities that became 0 and 1.
    windowed : bool
        They are those of a window, not the picture's own range.
    """

    shape: tuple[int, int]
    box: tuple[int, int, int, int]
    black: float
    white: float
    windowed: bool = False


@dataclass(frozen=True, eq=False)
class Square:
    """A picture as a detector sees it.

    Parameters
    ----------
    pixels : (C, S, S) float32
        In [0, 1], unless the scale is "none"; 0, or black, where it is not valid.
    valid : (S, S) bool
        Where the picture is, and has measured something.
    placement : SquarePlacement
        The way back.
    is_constant : bool
        It shows nothing: every valid pixel has one value.
    """

    pixels: FloatArray
    valid: Mask
    placement: SquarePlacement
    is_constant: bool


def conform(picture: Picture, config: PictureConfig) -> Square:
    """Resize and scale a picture.

    Parameters
    ----------
    picture : Picture
        Of any size.
    config : PictureConfig
        How.

    Raises
    ------
    ScanError
        It has not the channels that are wanted.
    """
    pixels = _channels(picture, config)
    valid = picture.valid & ~_border(pixels) if config.border == "mask" else picture.valid
    if not valid.any():
        valid = picture.valid
    height, width = valid.shape
    box = _box(height, width, config)
    top, left, rows, columns = box
    area = slice(top, top + rows), slice(left, left + columns)
    inside = np.zeros((config.size, config.size), bool)
    inside[area] = resized(valid.astype(np.float32), (rows, columns), Image.Resampling.BOX) >= 0.5
    if not inside.any():
        inside[area] = True
    fitted = np.zeros((len(pixels), config.size, config.size), np.float32)
    eight_bits = picture.dtype == "uint8" and not config.grey
    for channel, out in zip(pixels, fitted, strict=True):
        out[area] = resized(channel.astype(np.uint8) if eight_bits else channel, (rows, columns))
    values = fitted[:, inside]
    constant = picture.is_constant or bool(np.ptp(values) == 0)
    if config.scale == "none":
        return Square(fitted, inside, SquarePlacement((height, width), box, 0.0, 1.0), constant)
    black, white = picture.window or (float(x) for x in np.percentile(values, (config.low, config.high)))
    if constant or not white > black:
        unit = np.zeros_like(fitted)
    else:
        unit = np.clip((fitted - np.float32(black)) / np.float32(white - black), 0, 1).astype(np.float32)
        unit[:, ~inside] = 0
    placement = SquarePlacement((height, width), box, black, white, picture.window is not None)
    return Square(unit, inside, placement, constant)


def as_picture(values: FloatArray, placement: SquarePlacement) -> FloatArray:
    """A map of the square on the picture's own grid (H, W), by linear interpolation.

    Parameters
    ----------
    values : (S, S) float32
        Such as an anomaly map.
    placement : SquarePlacement
        Of the picture.
    """
    top, left, rows, columns = placement.box
    return resized(
        values[top : top + rows, left : left + columns], placement.shape, Image.Resampling.BILINEAR
    )


def resized(
    values: np.ndarray, shape: tuple[int, int], how: Image.Resampling = Image.Resampling.BICUBIC
) -> FloatArray:
    """An array in another size, smoothed where it gets smaller; 8 bits stay 8 bits, as Pillow makes them.

    Parameters
    ----------
    values : (H, W) array
        Of uint8 or float32.
    shape : (int, int)
        Rows and columns.
    how : Image.Resampling
        Of Pillow.
    """
    if values.shape == shape:
        return values.astype(np.float32)
    image = Image.fromarray(np.ascontiguousarray(values)).resize((shape[1], shape[0]), how)
    return np.asarray(image, dtype=np.float32)


def conform_all(pictures: Sequence[Picture], config: PictureConfig) -> list[Square]:
    """Squares of pictures, in their order.

    Parameters
    ----------
    pictures : sequence of Picture
        Of any sizes.
    config : PictureConfig
        How.
    """
    return [conform(picture, config) for picture in pictures]


def _channels(picture: Picture, config: PictureConfig) -> FloatArray:
    pixels = picture.pixels
    if config.grey and len(pixels) == 3:
        pixels = np.tensordot(np.asarray(GREY, np.float32), pixels, 1)[None].astype(np.float32)
    elif config.grey and len(pixels) != 1:
        raise ScanError(f"{picture.name} has {len(pixels)} channels: expected 1 or 3 to make grey of")
    if config.channels:
        if max(config.channels) >= len(pixels) or min(config.channels) < 0:
            raise ScanError(
                f"{picture.name} has {len(pixels)} channels: there is no channel {max(config.channels)}, "
                "they are counted from 0"
            )
        pixels = pixels[list(config.channels)]
    return pixels


def _box(height: int, width: int, config: PictureConfig) -> tuple[int, int, int, int]:
    if config.fit == "stretch":
        return 0, 0, config.size, config.size
    factor = config.size / max(height, width)
    rows, columns = max(1, round(height * factor)), max(1, round(width * factor))
    return (config.size - rows) // 2, (config.size - columns) // 2, rows, columns


def _border(pixels: FloatArray) -> Mask:
    """Outermost rows and columns that have the value of the first corner, and no other."""
    same = (pixels == pixels[:, :1, :1]).all(0)
    rows, columns = same.all(1), same.all(0)
    if rows.all():
        return np.zeros(same.shape, bool)
    first, last = np.flatnonzero(~rows)[[0, -1]]
    left, right = np.flatnonzero(~columns)[[0, -1]]
    border: Mask = np.ones(same.shape, bool)
    border[first : last + 1, left : right + 1] = False
    return border
