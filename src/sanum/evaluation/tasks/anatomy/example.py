"""One slice of a case, kept for the figure: the input, the output and the truth."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ....healthy.result import Reconstruction
from ....report.figures import CONTOUR, FRAME, GREY, OVERLAY, OVERLAY_ALPHA, QUIET
from ....report.planes import ras_voxels
from ....scan.contrast import CT_WINDOW_HU
from ....types import FloatArray, Mask
from ...task import Example
from .numbers import GroundTruth

COLUMNS = ("input", "healthy anatomy", "truth", "anomaly over input", "true lesion")
TRUE = "#9be564"
MARGIN_MM = 8.0  # around the brain


def example_of(result: Reconstruction, truth: GroundTruth) -> Example:
    """The axial slice with most of the lesion, or of the brain where no lesion is known.

    Parameters
    ----------
    result : Reconstruction
        Of a case.
    truth : GroundTruth
        Of the same case.

    Returns
    -------
    mapping of str to (Y, X) float32
        Rows go to the front, columns to the right: scan, anatomy, anomaly, brain (the predicted one),
        truth and lesion (all NaN where they are not known); and spacing_mm (2,), along rows and columns.
    """

    def turned(x: Any) -> Any:
        return ras_voxels(result.scan.with_voxels(np.asarray(x)))

    brain = turned(result.brain.voxels)
    lesion = truth.lesion if truth.lesion is not None and truth.lesion.any() else None
    z = int((turned(lesion) if lesion is not None else brain).sum(axis=(0, 1)).argmax())

    def cut(x: Any) -> FloatArray:
        if x is None:
            return np.full(brain.shape[1::-1], np.nan, np.float32)
        slice_: FloatArray = turned(x)[:, :, z].T.astype(np.float32)
        return slice_

    across = [int(np.abs(result.scan.affine[axis, :3]).argmax()) for axis in (1, 0)]
    return {
        "scan": cut(result.scan.voxels),
        "anatomy": cut(result.anatomy.voxels),
        "anomaly": cut(result.anomaly.voxels),
        "brain": cut(result.brain.voxels),
        "truth": cut(truth.t1w),
        "lesion": cut(truth.lesion),
        "spacing_mm": result.scan.grid.spacing_mm[across].astype(np.float32),
    }


def draw_example(axes: Sequence[Axes], example: Example, *, ct: bool) -> None:
    """Draw five panels of one slice, the patient's right on the left.

    Parameters
    ----------
    axes : five Axes
        As `COLUMNS`.
    example : mapping of str to array
        See `example_of`.
    ct : bool
        The scan is in Hounsfield units.
    """
    scan, inside = example["scan"], example["brain"] > 0.5
    scan_window, anatomy_window = _window(scan, inside, CT_WINDOW_HU if ct else None), (0.0, 1.2)
    images = (
        (scan, scan_window),
        (example["anatomy"], anatomy_window),
        (example["truth"], anatomy_window),
        (scan, scan_window),
        (scan, scan_window),
    )
    up, across = (float(s) for s in example["spacing_mm"])
    for ax, (image, (low, high)) in zip(axes, images, strict=True):
        ax.set_facecolor("black")
        ax.set_xticks([])
        ax.set_yticks([])
        for spine in ax.spines.values():
            spine.set_color(FRAME)
        extent = (0.0, image.shape[1] * across, 0.0, image.shape[0] * up)
        if np.isfinite(image).all():
            ax.imshow(image, cmap=GREY, vmin=low, vmax=high, origin="lower", extent=extent)
        else:
            ax.text(0.5, 0.5, "not known", transform=ax.transAxes, color=QUIET, fontsize=9, ha="center")
        ax.set_aspect("equal", adjustable="box")
        _zoom(ax, inside, up, across)
    extent = (0.0, scan.shape[1] * across, 0.0, scan.shape[0] * up)
    overlay = np.array(OVERLAY(example["anomaly"]), dtype=np.float64)
    overlay[..., 3] = OVERLAY_ALPHA * np.clip(example["anomaly"], 0, 1)
    axes[3].imshow(overlay, origin="lower", extent=extent)
    _outline(axes[3], example["anomaly"] > 0.5, extent, CONTOUR)
    _outline(axes[4], example["lesion"] > 0.5, extent, TRUE)
    for ax in axes:
        ax.invert_xaxis()


def _window(image: FloatArray, inside: Mask, fixed: tuple[float, float] | None) -> tuple[float, float]:
    if fixed:
        return fixed
    low, high = (float(v) for v in np.percentile(image[inside] if inside.any() else image, (0.5, 99.5)))
    return (min(low, 0.0), high) if high > low else (low, low + 1)


def _zoom(ax: Axes, inside: Mask, up: float, across: float) -> None:
    """Show the brain with a margin."""
    if inside.any():
        for axis, mm, limit in ((0, up, ax.set_ylim), (1, across, ax.set_xlim)):
            hit = np.flatnonzero(inside.any(axis=1 - axis))
            limit(hit[0] * mm - MARGIN_MM, (hit[-1] + 1) * mm + MARGIN_MM)


def _outline(ax: Axes, mask: Mask, extent: tuple[float, float, float, float], colour: str) -> None:
    if mask.any():
        ax.contour(mask.astype(float), levels=[0.5], colors=[colour], linewidths=1.0, extent=extent)
