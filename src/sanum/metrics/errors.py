"""How far an image is from the truth, over the whole, the healthy and the diseased part."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..types import FloatArray, Mask

SSIM_WINDOW = 11
"""Voxels of scikit-image's Gaussian window of σ = 1.5."""


@dataclass(frozen=True)
class Errors:
    """Errors of one image.

    Parameters
    ----------
    l1 : float
        Mean absolute error.
    psnr : float
        10 log10(range² / mean squared error), dB.
    ssim : float
        Mean structural similarity (Wang et al. 2004, Gaussian window σ = 1.5).
    """

    l1: float
    psnr: float
    ssim: float


def errors(
    image: FloatArray, truth: FloatArray, where: Mask | None = None, *, data_range: float = 1.0
) -> Errors:
    """Errors over the whole volume, or of the part `where` averaged over the whole volume.

    Parameters
    ----------
    image, truth : (X, Y, Z) float32
        On a scale where white matter is 1.
    where : (X, Y, Z) bool, optional
        Elsewhere the error counts as 0, and the average still runs over the **whole** volume, as in the
        tables of the UNA paper; so small parts give small numbers.
    data_range : float
        Peak for PSNR and SSIM; 1 is the intensity of white matter.
    """
    from skimage.metrics import structural_similarity  # the main job imports this module, and not that

    if image.shape != truth.shape:
        raise ValueError(f"image and truth differ in shape: {image.shape} and {truth.shape}")
    compared = image if where is None else np.where(where, image, truth)
    difference = compared.astype(np.float64) - truth
    psnr = _psnr(np.mean(difference**2), data_range)
    ssim = structural_similarity(
        truth, compared, data_range=data_range, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    return Errors(float(np.abs(difference).mean()), psnr, float(ssim))


def errors_inside(
    image: FloatArray, truth: FloatArray, parts: Mapping[str, Mask], *, data_range: float = 1.0
) -> dict[str, Errors]:
    """Errors averaged over the voxels of each part alone; nan for an empty one.

    SSIM is the mean over the part of `similarity_map` of the whole images, so a voxel's neighbours count
    wherever they lie.

    Parameters
    ----------
    image : (X, Y, Z) float32
        On a scale where white matter is 1.
    truth : (X, Y, Z) float32
        On the same scale.
    parts : mapping of (X, Y, Z) bool
        Parts by name.
    data_range : float
        Peak for PSNR and SSIM.
    """
    similarity = similarity_map(image, truth, data_range)
    return {
        name: Errors(
            mean_error_inside(image, truth, where),
            _psnr(np.mean((image[where].astype(np.float64) - truth[where]) ** 2), data_range),
            float(similarity[where].mean()),
        )
        if where.any()
        else Errors(*[float("nan")] * 3)
        for name, where in parts.items()
    }


def similarity_map(image: FloatArray, truth: FloatArray, data_range: float) -> FloatArray:
    """Structural similarity of each voxel's surroundings (Wang et al. 2004, Gaussian window σ = 1.5).

    The window has 11 voxels along each axis. A volume that has fewer along one is taken slice by slice,
    across that axis; where two are shorter, the map is nan.

    Parameters
    ----------
    image, truth : (X, Y, Z) or (X, Y) float32
        On one scale.
    data_range : float
        Peak.
    """
    from skimage.metrics import structural_similarity

    short = [axis for axis, n in enumerate(truth.shape) if n < SSIM_WINDOW]
    if len(short) > truth.ndim - 2:
        return np.full(truth.shape, np.nan, np.float32)
    if short:
        parts = (np.moveaxis(x, short[0], 0) for x in (image, truth))
        slices = [similarity_map(a, b, data_range) for a, b in zip(*parts, strict=True)]
        return np.moveaxis(np.stack(slices), 0, short[0])
    found: FloatArray = structural_similarity(
        truth,
        image,
        data_range=data_range,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )[1]
    return found


def mean_error_inside(image: FloatArray, truth: FloatArray, where: Mask) -> float:
    """Mean absolute error over the voxels of `where` alone; nan if there are none.

    Parameters
    ----------
    image : (X, Y, Z) float32
        White matter 1.
    truth : (X, Y, Z) float32
        On the same scale.
    where : (X, Y, Z) bool
        Voxels that count.
    """
    return float(np.abs(image[where] - truth[where]).mean()) if where.any() else float("nan")


def dice(a: Mask, b: Mask) -> float:
    """2 |A ∩ B| / (|A| + |B|); nan if both are empty.

    Parameters
    ----------
    a : bool array
        Of any shape.
    b : bool array
        Of the same shape.

    Examples
    --------
    >>> a, b = np.array([True, True, False]), np.array([True, False, False])
    >>> round(dice(a, b), 2)
    0.67
    """
    total = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / total if total else float("nan")


def _psnr(mse: np.floating, data_range: float) -> float:
    return float(10 * np.log10(data_range**2 / mse)) if mse > 0 else float("inf")


def match_intensity(image: FloatArray, truth: FloatArray, where: Mask) -> FloatArray:
    """`image` times a gain plus an offset, the least-squares fit to `truth` inside `where`.

    Parameters
    ----------
    image : float array
        Of any shape and scale.
    truth : float array
        Of the same shape.
    where : bool array
        Voxels of the fit.
    """
    x, y = image[where].astype(np.float64), truth[where].astype(np.float64)
    variance = float(x.var())
    gain = float(((x - x.mean()) * (y - y.mean())).mean()) / variance if variance > 0 else 0.0
    matched: FloatArray = (gain * image + (y.mean() - gain * x.mean())).astype(np.float32)
    return matched
