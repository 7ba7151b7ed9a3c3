"""One slice of a pair, kept for the figure: source, truth, translation, and where both differ."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from nibabel.orientations import io_orientation

from ....report.figures import FRAME, GREY, HEAT
from ....report.planes import PLANES, ras_voxels
from ....scan import Scan
from ....types import FloatArray, Mask
from ...task import Example
from .numbers import slice_axis

COLUMNS = ("source", "truth", "translation", "|translation − truth| in the body")
SHOWN_PERCENT = (0.5, 99.5)


def example_of(image: Scan, source: Scan, truth: Scan, body: Mask) -> Example:
    """The slice, along which slices lie, that has most of the body.

    Parameters
    ----------
    image, source, truth : Scan
        On one grid.
    body : (X, Y, Z) bool
        On it.

    Returns
    -------
    mapping of str to (Y, X) float32
        Rows go up (of an axial slice to the front), columns to the right or the front: source, truth, image,
        body; and spacing_mm (2,), along rows and columns.
    """
    turn = io_orientation(source.affine)[:, 0].astype(int)
    plane = next(p for p in PLANES if p.normal == turn[slice_axis(source)])
    inside = ras_voxels(source.with_voxels(body))
    n = int(np.argmax(inside.sum(axis=(plane.across, plane.up))))

    def cut(scan: Scan) -> FloatArray:
        slice_: FloatArray = np.take(ras_voxels(scan), n, axis=plane.normal).T.astype(np.float32)
        return slice_

    spacing = source.grid.spacing_mm[
        [int(np.flatnonzero(turn == axis)[0]) for axis in (plane.up, plane.across)]
    ]
    return {
        "source": cut(source),
        "truth": cut(truth),
        "image": cut(image),
        "body": cut(source.with_voxels(body)),
        "spacing_mm": spacing.astype(np.float32),
    }


def draw_example(axes: Sequence[Axes], example: Example) -> None:
    """Draw four panels of one slice, the patient's right, or front, on the left.

    Parameters
    ----------
    axes : four Axes
        As `COLUMNS`.
    example : mapping of str to array
        See `example_of`.
    """
    source, truth, image = (example[name] for name in ("source", "truth", "image"))
    low, high = _window(truth)
    shown = (
        (source, GREY, *_window(source)),
        (truth, GREY, low, high),
        (image, GREY, low, high),
        (np.abs(image - truth) * (example["body"] > 0), HEAT, 0.0, high - low),
    )
    up, across = (float(s) for s in example["spacing_mm"])
    for ax, (slice_, colours, darkest, brightest) in zip(axes, shown, strict=True):
        ax.imshow(
            slice_[:, ::-1], cmap=colours, vmin=darkest, vmax=brightest, origin="lower", aspect=up / across
        )
        ax.set_facecolor("black")
        ax.set_xticks([])
        ax.set_yticks([])
        for spine in ax.spines.values():
            spine.set_color(FRAME)


def _window(image: FloatArray) -> tuple[float, float]:
    low, high = (float(x) for x in np.percentile(image, SHOWN_PERCENT))
    return (low, high) if high > low else (low, low + 1)
