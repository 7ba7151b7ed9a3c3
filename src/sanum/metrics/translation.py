"""How good a translated image is: errors inside of the body, and what a fixed threshold still finds in it.

PSNR rises with blur, and blur loses thin parts: so what is found is compared for thin parts apart.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import ndimage

from ..types import AnyArray, FloatArray, Mask
from .errors import dice, errors_inside

Side = Literal["above", "below"]


@dataclass(frozen=True)
class TranslationErrors:
    """Errors of one translated image.

    Parameters
    ----------
    mae : float
        Mean absolute error inside of the body, in the target's unit: HU of a CT.
    psnr : float
        10 log10(range² / mean squared error) there, dB.
    ssim : float
        Mean structural similarity there.
    dice : float
        Of what the threshold finds in both; nan where the truth has none and nothing is found.
    dice_thin : float
        The same of thin parts: those that an opening by one voxel takes away.
    """

    mae: float
    psnr: float
    ssim: float
    dice: float
    dice_thin: float


def translation_errors(
    image: FloatArray,
    truth: FloatArray,
    where: Mask,
    *,
    data_range: float,
    threshold: float | None = None,
    side: Side = "above",
) -> TranslationErrors:
    """Errors inside of `where`, and Dice of what is beyond the threshold there.

    A thin part of the truth counts as found where the image is beyond the threshold; what the image has too
    much counts where its own thin parts are away from the truth.

    Parameters
    ----------
    image, truth : (X, Y, Z) or (X, Y) float
        In one unit.
    where : bool array
        Of their shape: the body, or the brain.
    data_range : float
        Peak of PSNR and SSIM.
    threshold : float, optional
        In the unit of both; default: nothing is looked for, and both Dice are nan.
    side : "above" or "below"
        Where what is looked for lies.
    """
    parts = errors_inside(
        np.asarray(image, np.float32), np.asarray(truth, np.float32), {"in": where}, data_range=data_range
    )["in"]
    overlap = (float("nan"), float("nan"))
    if threshold is not None:
        found, true = (beyond(x, threshold, side) & where for x in (image, truth))
        overlap = label_dice(found, true)
    return TranslationErrors(parts.l1, parts.psnr, parts.ssim, *overlap)


def label_dice(found: AnyArray, truth: AnyArray) -> tuple[float, float]:
    """Dice, and Dice of thin parts, each the mean over the labels that either has; nan without any.

    Parameters
    ----------
    found, truth : int or bool array
        Of one shape; 0 is no structure.
    """
    labels = sorted({*np.unique(found).tolist(), *np.unique(truth).tolist()} - {0})
    both = [(found == label, truth == label) for label in labels]
    whole, thin = ([measure(a, b) for a, b in both] for measure in (dice, thin_dice))
    known = [x for x in thin if x == x]
    return (
        float(np.mean(whole)) if whole else float("nan"),
        float(np.mean(known)) if known else float("nan"),
    )


def thin_dice(found: Mask, truth: Mask) -> float:
    """(A + B) / (|T| + |F|), of thin parts T of the truth and F of what is found.

    A: voxels of T that are found at all; B: voxels of F that are true at all. So a thin part that is found
    thick is found, and one that is not there is not; nan without any.

    Parameters
    ----------
    found, truth : bool array
        Of one shape.

    Examples
    --------
    >>> line = np.zeros((9, 9), bool)
    >>> line[4, 2:7] = True
    >>> thin_dice(line, line), thin_dice(~line & False, line)
    (1.0, 0.0)
    """
    thin_true, thin_found = thin_parts(truth), thin_parts(found)
    hit, right = int((thin_true & found).sum()), int((thin_found & truth).sum())
    total = int(thin_true.sum()) + int(thin_found.sum())
    return (hit + right) / total if total else float("nan")


def thin_parts(mask: Mask) -> Mask:
    """What an opening by a cross of three voxels takes away: parts of one or two voxels' width.

    Parameters
    ----------
    mask : bool array
        Of two or three axes.
    """
    out: Mask = mask & ~ndimage.binary_opening(mask, ndimage.generate_binary_structure(mask.ndim, 1))
    return out


def beyond(image: FloatArray, threshold: float, side: Side) -> Mask:
    """Where an image is beyond a threshold.

    Parameters
    ----------
    image : float array
        Of any shape.
    threshold : float
        In its unit; itself it is not beyond.
    side : "above" or "below"
        Which way.
    """
    return image > threshold if side == "above" else image < threshold
