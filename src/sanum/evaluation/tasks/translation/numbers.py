"""Every number of one pair: the translation against the truth, inside of the body."""

import numpy as np
from nibabel.orientations import io_orientation
from scipy import ndimage

from ....methods.common.translation_images import range_of
from ....metrics.translation import label_dice, translation_errors
from ....scan import Scan
from ....types import Mask
from ...task import Numbers
from .baselines import BODY, unit_of
from .cases import Measuring

NUMBERS = ("psnr", "ssim", "mae", "dice", "dice_thin", "seconds")
"""Names of all numbers of a pair; what cannot be known of it is left out."""
THICKER = 1.2
"""Voxels that are longer along one axis, by this, lie in slices across it."""


def numbers_of(image: Scan, source: Scan, truth: Scan, how: Measuring) -> Numbers:
    """Errors of a translation in the body, and Dice of what is found there.

    Parameters
    ----------
    image, source, truth : Scan
        On one grid.
    how : Measuring
        Contrasts, range, and what is looked for.
    """
    body = body_of(source, how.source)
    own = range_of(truth, how.target)
    errors = translation_errors(
        np.asarray(image.voxels),
        np.asarray(truth.voxels),
        body,
        data_range=how.data_range or own.high - own.low,
    )
    found: Numbers = {"psnr": errors.psnr, "ssim": errors.ssim, "mae": errors.mae}
    if how.finder is not None:
        labels = (np.where(body, how.finder.labels(scan), 0) for scan in (image, truth))
        found["dice"], found["dice_thin"] = label_dice(*labels)
    return {name: x for name, x in found.items() if np.isfinite(float(x))}


def body_of(source: Scan, contrast: str) -> Mask:
    """Where the source shows something, and what that encloses in a slice.

    Parameters
    ----------
    source : Scan
        Finite values.
    contrast : str
        "CT" or another.
    """
    shown = unit_of(source, contrast) > BODY
    axis = slice_axis(source)
    around = ndimage.generate_binary_structure(3, 1)
    at = [slice(None)] * 3
    at[axis] = slice(0, None, 2)
    around[tuple(at)] = False  # neighbours of the same slice alone
    parts, _ = ndimage.label(~shown, around)
    rim = {
        int(n)
        for other in {0, 1, 2} - {axis}
        for end in (0, -1)
        for n in np.unique(np.take(parts, end, axis=other))
    }
    body: Mask = ~np.isin(parts, sorted(rim - {0}))
    return body


def slice_axis(scan: Scan) -> int:
    """Axis of the voxels that slices lie along: the one of the longest voxels, else the one that goes up.

    Parameters
    ----------
    scan : Scan
        Any.
    """
    spacing = scan.grid.spacing_mm
    longest = int(np.argmax(spacing))
    if spacing[longest] > THICKER * np.delete(spacing, longest).max():
        return longest
    return int(np.flatnonzero(io_orientation(scan.affine)[:, 0] == 2)[0])
