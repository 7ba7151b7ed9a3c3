"""How a camera was held: the orientation that a file's EXIF data tells, and pixels turned by it."""

import struct
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

ORIENTATION = 274
"""Number of the tag, in EXIF data and in a TIFF file."""

UPRIGHT = 1
"""The value of pixels that lie as they are to be seen."""

_DAMAGED = (struct.error, SyntaxError, OSError, ValueError, TypeError, KeyError, IndexError)


def orientation_of(image: Image.Image) -> int:
    """The orientation of a file, 1 to 8; 1 where it tells none that can be read.

    Parameters
    ----------
    image : Image
        Of Pillow, after its pixels were read: of a TIFF file Pillow turns them itself, and says 1 then.
    """
    try:
        return known_orientation(image.getexif().get(ORIENTATION))
    except _DAMAGED:
        return UPRIGHT


def known_orientation(value: Any) -> int:
    """A tag's value where it is one of the eight, else 1.

    Parameters
    ----------
    value : object
        As a file has it.
    """
    return int(value) if isinstance(value, int) and 1 <= value <= 8 else UPRIGHT


def upright(pixels: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """Pixels as they are to be seen: 2 to 4 are mirrored or turned by half, 5 to 8 lie on their side.

    Parameters
    ----------
    pixels : (..., H, W) array
        As stored.
    orientation : int
        1 to 8, as of EXIF (CIPA DC-008, tag 0x0112).

    Examples
    --------
    >>> upright(np.array([[1, 2, 3]]), 6).tolist(), upright(np.array([[1, 2, 3]]), 3).tolist()
    ([[1], [2], [3]], [[3, 2, 1]])
    """
    turned = np.swapaxes(pixels, -1, -2) if orientation >= 5 else pixels
    if orientation in (3, 4, 7, 8):
        turned = turned[..., ::-1, :]
    if orientation in (2, 3, 6, 7):
        turned = turned[..., ::-1]
    return np.ascontiguousarray(turned)
