"""Small pictures of a result, true to scale: the scan with what was marked, and the healthy anatomy."""

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from ..scan.scan import Scan
from .figures import OVERLAY, OVERLAY_ALPHA, intensity_window
from .places import brain_centre_mm, largest_component_centre_mm
from .planes import PLANES, Plane, View, ras_voxels, view_through

EDGE = (79, 227, 255)  # of the mask, as in the report's figures
GAP = 3

RGB = npt.NDArray[np.uint8]


def thumbnail(
    *,
    scan: Scan | None,
    anatomy: Scan,
    anomaly: Scan,
    anomaly_mask: Scan,
    brain: Scan,
    contrast: str | None = None,
    planes: int = 1,
    height: int = 132,
) -> bytes:
    """JPEG with one row: for each plane the scan, with anomaly and outline of its mask, and the anatomy.

    Through the largest anomaly, or the middle of the brain. Radiological convention.

    Parameters
    ----------
    scan : Scan or None
        The input, on the others' grid; None: it is left out.
    anatomy : Scan
        Healthy T1w.
    anomaly : Scan
        Probability in [0, 1].
    anomaly_mask, brain : Scan
        Masks; a voxel counts where the value is above 0.5.
    contrast : str or None
        Of the input, for its window.
    planes : int
        1: axial; 3: coronal and sagittal too.
    height : int
        Pixels of each panel.
    """
    point = largest_component_centre_mm(anomaly_mask)
    point = brain_centre_mm(brain) if point is None else point
    view = view_through(point, brain, anomaly_mask, "radiological")
    panels = []
    for plane in PLANES[:planes]:
        if scan is not None:
            grey = _grey(scan, intensity_window(scan, brain, contrast=contrast), view, plane, height)
            panels.append(_marked(grey, anomaly, anomaly_mask, view, plane))
        panels.append(_grey(anatomy, intensity_window(anatomy, brain), view, plane, height))
    gap = np.zeros((height, GAP, 3), np.uint8)
    row = np.concatenate([part for panel in panels for part in (gap, panel)][1:], axis=1)
    buffer = io.BytesIO()
    Image.fromarray(row).save(buffer, format="JPEG", quality=85, subsampling=0, optimize=True)
    return buffer.getvalue()


def _grey(scan: Scan, window: tuple[float, float], view: View, plane: Plane, height: int) -> RGB:
    low, high = window
    values = np.nan_to_num(_cut(scan, view, plane).astype(np.float32))
    grey = np.clip((values - low) / (high - low), 0, 1)
    width = max(1, round(height * view.size_mm[plane.across] / view.size_mm[plane.up]))
    image = Image.fromarray((255 * grey).astype(np.uint8)).resize((width, height), Image.Resampling.LANCZOS)
    return np.repeat(np.asarray(image)[..., None], 3, axis=2)


def _marked(grey: RGB, anomaly: Scan, mask: Scan, view: View, plane: Plane) -> RGB:
    """`grey` with the probability in colour, and the outline of the mask."""

    def fitted(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        image = Image.fromarray(values.astype(np.float32))
        return np.asarray(image.resize((grey.shape[1], grey.shape[0]), Image.Resampling.BILINEAR))

    probability = np.clip(fitted(np.nan_to_num(_cut(anomaly, view, plane))), 0, 1)
    opacity = OVERLAY_ALPHA * probability[..., None]
    rgb = (1 - opacity) * grey + opacity * 255 * np.asarray(OVERLAY(probability))[..., :3]
    inside = fitted(_cut(mask, view, plane) > 0.5) > 0.5
    rgb[inside & ~ndimage.binary_erosion(inside)] = EDGE
    return np.asarray(rgb, np.uint8)


def _cut(scan: Scan, view: View, plane: Plane) -> npt.NDArray[Any]:
    """The part of a plane that the view holds, the first row on top, the patient's right (or front) first."""
    box = []
    for axis in (plane.up, plane.across):
        low = int(np.floor(view.low_mm[axis] / view.spacing_mm[axis] + 0.5))
        high = int(np.ceil(view.high_mm[axis] / view.spacing_mm[axis] + 0.5))
        box.append(slice(max(low, 0), max(high, 1)))
    return view.cut(ras_voxels(scan), plane)[tuple(box)][::-1, ::-1]
