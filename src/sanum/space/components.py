"""Connected parts of a mask."""

import numpy as np
from scipy import ndimage

from ..types import Mask


def largest_component(mask: Mask, *, connectivity: int = 1) -> Mask:
    """Largest connected part of a mask, the first of several that are as large; all false if it is empty.

    Parameters
    ----------
    mask : (…) bool
        Of any number of axes.
    connectivity : int
        In how many axes two neighbours may differ: 1, only those that share a face (6 in a volume), up to the
        number of axes, those that touch at a corner as well (26).

    Examples
    --------
    >>> largest_component(np.array([1, 0, 1, 1]) > 0).tolist()
    [False, False, True, True]
    """
    parts, count = ndimage.label(mask, structure=ndimage.generate_binary_structure(mask.ndim, connectivity))
    if not count:
        return np.zeros(mask.shape, bool)
    largest: Mask = parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])
    return largest
