"""A heat map laid over a picture, as PNG."""

import io

import numpy as np
from PIL import Image

from ..types import FloatArray

HOT = (255.0, 60.0, 0.0)
"""Colour of full heat."""

MOST = 0.75
"""Share of the colour at full heat: the picture shines through."""


def overlay_png(picture: FloatArray, heat: FloatArray) -> bytes:
    """PNG of a picture with heat in orange over it.

    Parameters
    ----------
    picture : (H, W) or (3, H, W) float32
        In [0, 1].
    heat : (H, W) float32
        In [0, 1]; nothing is laid over where it is 0.
    """
    colours = np.broadcast_to(picture, (3, *heat.shape)) * 255
    share = MOST * np.clip(heat, 0, 1)
    mixed = colours * (1 - share) + np.reshape(HOT, (3, 1, 1)) * share
    image = Image.fromarray(np.clip(np.rint(mixed), 0, 255).astype(np.uint8).transpose(1, 2, 0))
    stream = io.BytesIO()
    image.save(stream, format="PNG")
    return stream.getvalue()
