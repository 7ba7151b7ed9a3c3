"""Where an anomaly may be if no mask says so: what the background of an image does not reach."""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..types import AnyArray, Mask

DRAWN_SHARE = 0.05  # of the border's voxels have the value of a background of one value, at least,
DRAWN_INNER = 0.5  # and so many of them have it all around, which noise has not
NOISE_SIGMAS = 6.0  # spread of the border's values that still counts as background
NOISE_RANGE = 0.25  # of the image's range: a border that varies more is tissue
SMALLEST_RANGE = 1e-3  # of the image's range: what interpolation leaves around a background of one value


def foreground(image: AnyArray) -> Mask:
    """Where an image (X, Y[, Z]) shows something: outside of the background that reaches its border.

    The background has one value (a brain without skull, on any scale: after a z-score its 0 lies amid the
    brain's values), or values of one kind (the noise around a head). An image without background, as a patch
    within a brain, is foreground everywhere; one of a single value, nowhere. A positive linear map of the
    image changes nothing.

    Parameters
    ----------
    image : (X, Y[, Z]) array
        Finite numbers.

    Raises
    ------
    ValueError
        The image holds NaN or infinite numbers.

    Examples
    --------
    >>> foreground(np.array([[5, 5, 5, 5], [5, 0, 9, 5], [5, 7, 5, 5], [5, 5, 5, 5]])).astype(int).tolist()
    [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    """
    check_finite(image)
    flat = np.squeeze(np.asarray(image))  # the border of a plane is its rim
    background: Mask = _background(flat) if flat.ndim else np.ones((), bool)
    return _without_specks(~background).reshape(image.shape)


def check_finite(image: AnyArray, name: str = "the image") -> None:
    """Refuse an image with numbers that are none.

    Parameters
    ----------
    image : array
        Of any shape.
    name : str
        What the message calls it.

    Raises
    ------
    ValueError
        The image holds NaN or infinite numbers.
    """
    broken = int(np.asarray(image).size - np.isfinite(image).sum())
    if broken:
        raise ValueError(
            f"{name} holds {broken} voxels that are NaN or infinite: "
            "set them to the value of the background first, as with numpy.nan_to_num"
        )


def _background(image: AnyArray) -> Mask:
    rim = np.ones(image.shape, bool)
    rim[(slice(1, -1),) * image.ndim] = False
    values, counts = np.unique(image[rim], return_counts=True)
    alike = image == values[counts.argmax()]
    inner = ndimage.binary_erosion(alike, border_value=1)[rim].mean()
    if inner >= max(DRAWN_SHARE, DRAWN_INNER * alike[rim].mean()):
        return _touching(alike, rim)
    numbers: npt.NDArray[np.float64] = image.astype(np.float64)
    away = np.abs(numbers - np.median(numbers[rim]))
    half, most = np.percentile(away[rim], (50, 80))
    sigma = half / 0.6745 or most / 1.2816  # of a normal distribution; half are 0 where noise was cut off
    size = np.percentile(away, 99)
    if NOISE_SIGMAS * sigma > NOISE_RANGE * size:
        return np.zeros(image.shape, bool)
    return _touching(away <= max(NOISE_SIGMAS * sigma, SMALLEST_RANGE * size), rim)


def _touching(mask: Mask, rim: Mask) -> Mask:
    parts, _ = ndimage.label(mask)
    at_rim = np.unique(parts[rim])
    found: Mask = np.isin(parts, at_rim[at_rim > 0])
    return found


def _without_specks(mask: Mask) -> Mask:
    """Without the parts that have no inner voxel, such as noise in the air; unless nothing else is there."""
    parts, count = ndimage.label(mask)
    kept = np.unique(parts[ndimage.binary_erosion(mask)])
    if not len(kept) or len(kept) == count:
        return mask
    found: Mask = np.isin(parts, kept)
    return found
