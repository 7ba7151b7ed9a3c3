"""Pictures and numbers of the gallery, from real scans whose licence allows that they are shown.

`python docs/make_gallery.py DATA RESULTS` runs `sanum reconstruct` on each case that has no result in RESULTS
yet (about 20 s of a core each), and writes `docs/img/gallery/*.jpg` and `docs/img/gallery/numbers.tsv`.
"""

import argparse
import csv
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import stamp
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from nibabel.orientations import io_orientation
from PIL import Image

import sanum
from sanum.metrics.overlap import soft_dice
from sanum.report.figures import intensity_window
from sanum.report.planes import ras_voxels
from sanum.scan import Scan
from sanum.scan.maps import read_map

IMAGES = Path(__file__).parent / "img" / "gallery"
PATIENTS = "patients/sub-{0}/anat/sub-{0}"
MARGIN_MM, PANEL_INCHES, DPI = 8.0, 2.6, 115
LINE = "#4fe3ff"
OVERLAY = LinearSegmentedColormap.from_list("anomaly", ["#ffc21a", "#ff2a1a"])


@dataclass(frozen=True)
class Case:
    """One scan of the gallery.

    Parameters
    ----------
    name : str
        Of the picture.
    scan : str
        In the data folder.
    truth : str
        Mask that somebody drew; empty: there is none.
    options : tuple of str
        Of `sanum reconstruct`.
    """

    name: str
    scan: str
    truth: str = ""
    options: tuple[str, ...] = ()


MS1 = PATIENTS.format("ms1")
CASES = (
    Case("ms-flair", f"{MS1}_desc-brain_FLAIR.nii.gz", f"{MS1}_desc-lesion_mask.nii.gz"),
    Case("ms-t1w", f"{MS1}_desc-brain_T1w.nii.gz", f"{MS1}_desc-lesion_mask.nii.gz"),
    Case("ms-t2w", f"{MS1}_desc-brain_T2w.nii.gz", f"{MS1}_desc-lesion_mask.nii.gz"),
    Case(
        "stroke-t2w",
        PATIENTS.format("stroke2") + "_T2w.nii.gz",
        PATIENTS.format("stroke2") + "_desc-lesion_mask.nii.gz",
    ),
    Case(
        "stroke-kept",
        PATIENTS.format("stroke1") + "_desc-brain_T1w.nii.gz",
        options=("--compose", "keep-healthy"),
    ),
    Case("stroke-deep", PATIENTS.format("stroke3") + "_desc-brain_T2w.nii.gz"),
    Case("healthy", "heads-1mm/head-2_desc-defaced_T1w.nii.gz"),
    Case("ms-thick", "patients/sub-ms2/ses-1/anat/sub-ms2_ses-1_FLAIR.nii.gz"),
    Case("ms-shaded", PATIENTS.format("ms3") + "_FLAIR.nii.gz"),
    Case("ct-template", "ct/template-older_desc-brain_ct.nii.gz"),
    Case("ct-infarct", "dicom/ct-head"),
)


@dataclass(frozen=True)
class Shown:
    """What a picture is made from, all on one grid.

    Parameters
    ----------
    scan, anatomy, anomaly, mask, brain : Scan
        Input and results.
    truth : Scan or None
        What somebody drew.
    record : dict
        Of the result.
    """

    scan: Scan
    anatomy: Scan
    anomaly: Scan
    mask: Scan
    brain: Scan
    truth: Scan | None
    record: dict[str, Any]


def result_of(case: Case, data: Path, folder: Path) -> Shown:
    """The result of a case, made if it is not there."""
    words = ["reconstruct", data / case.scan, "-o", folder, *case.options]
    subprocess.run([sys.executable, "-m", "sanum", *words], check=True)
    (path,) = folder.glob("*_record.json")
    record = json.loads(path.read_text(encoding="utf-8"))
    maps = ("anatomy", "anomaly", "anomaly_mask", "brain")
    anatomy, anomaly, mask, brain = (read_map(folder / record["outputs"][name]) for name in maps)
    truth = read_map(data / case.truth) if case.truth else None
    return Shown(sanum.read(data / case.scan), anatomy, anomaly, mask, brain, truth, record)


def height_of(shown: Shown) -> int:
    """Number of the axial slice where most was drawn, else found, else most of the brain is; from below."""
    marked = ras_voxels(shown.truth or shown.mask) > 0
    areas = (marked if marked.any() else ras_voxels(shown.brain) > 0).sum(axis=(0, 1))
    return int(areas.argmax())


def picture(shown: Shown) -> Image.Image:
    """Scan (with what somebody drew), healthy anatomy, and what was found, in one axial slice."""
    z = height_of(shown)
    sides = _sides_mm(shown.scan)
    brain = ras_voxels(shown.brain)[:, :, z] > 0
    box = [np.flatnonzero(brain.any(axis=1 - axis)) for axis in (0, 1)]
    low = [max(b[0] - MARGIN_MM / s, 0) * s for b, s in zip(box, sides, strict=False)]
    high = [(b[-1] + MARGIN_MM / s) * s for b, s in zip(box, sides, strict=False)]
    tall = PANEL_INCHES * (high[1] - low[1]) / (high[0] - low[0])
    figure = Figure(figsize=(3 * PANEL_INCHES, tall), dpi=DPI, facecolor="black")
    extent = (
        -sides[0] / 2,
        (brain.shape[0] - 0.5) * sides[0],
        -sides[1] / 2,
        (brain.shape[1] - 0.5) * sides[1],
    )
    for k in range(3):
        axes = figure.add_axes((k / 3, 0, 1 / 3, 1))
        axes.set_axis_off()
        _fill(axes, k, shown, z, extent)
        axes.set_xlim(high[0], low[0])  # the patient's right on the left
        axes.set_ylim(low[1], high[1])
        for side, x in (("R", 0.03), ("L", 0.94)):
            axes.text(x, 0.94, side, transform=axes.transAxes, color="white", fontsize=9, weight="bold")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3]))


def _sides_mm(scan: Scan) -> list[float]:
    """Of a voxel, to the right, to the front and up."""
    order = np.argsort(io_orientation(scan.affine)[:, 0])
    return [float(scan.grid.spacing_mm[axis]) for axis in order]


def _fill(axes: Axes, panel: int, shown: Shown, z: int, extent: tuple[float, ...]) -> None:
    how: dict[str, Any] = {
        "extent": extent,
        "origin": "lower",
        "interpolation": "antialiased",
        "aspect": "auto",
    }
    scan = shown.anatomy if panel == 1 else shown.scan
    contrast = None if panel == 1 else shown.record["contrast"]
    window = intensity_window(scan, shown.brain, contrast=contrast)
    axes.imshow(ras_voxels(scan)[:, :, z].T, cmap="gray", vmin=window[0], vmax=window[1], **how)
    if panel == 2:
        p = ras_voxels(shown.anomaly)[:, :, z].T
        colours = np.array(OVERLAY(p), dtype=float)
        colours[..., 3] = 0.6 * np.clip(p, 0, 1)
        axes.imshow(colours, **how)
    line = (shown.truth, None, shown.mask)[panel]
    if line is not None and (marked := ras_voxels(line)[:, :, z].T > 0).any():
        across, up = (
            np.linspace(extent[k], extent[k + 1], 2 * n + 1)[1::2]
            for k, n in ((0, marked.shape[1]), (2, marked.shape[0]))
        )
        axes.contour(across, up, marked.astype(float), levels=[0.5], colors=[LINE], linewidths=0.9)


def numbers(case: Case, shown: Shown) -> dict[str, str]:
    """A row of `numbers.tsv`."""
    record, ml = shown.record, shown.scan.grid.voxel_volume_ml
    found = np.asarray(shown.mask.voxels) > 0
    true = None if shown.truth is None else np.asarray(shown.truth.voxels) > 0
    return {
        "case": case.name,
        "contrast": str(record["contrast"]),
        "true_ml": "n/a" if true is None else f"{true.sum() * ml:.1f}",
        "found_ml": f"{record['anomaly_ml']:.1f}",
        "dice": "n/a" if true is None else f"{soft_dice(found.astype(np.float32), true):.2f}",
        "parts": str(record["lesions"]),
        "brain_ml": f"{record['brain_ml']:.0f}",
        "quality": f"{record['quality']:.2f}",
        "warnings": " | ".join(record["warnings"]) or "none",
    }


def main() -> None:
    """Write all pictures and the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("results", type=Path)
    options = parser.parse_args()
    IMAGES.mkdir(parents=True, exist_ok=True)
    rows = []
    for case in CASES:
        shown = result_of(case, options.data, options.results / case.name)
        image = picture(shown)
        stamp.save(image, IMAGES / f"{case.name}.jpg", shown.record["weights_sha256"])
        rows.append(numbers(case, shown))
    with (IMAGES / "numbers.tsv").open("w", newline="", encoding="utf-8") as table:
        writer = csv.DictWriter(table, rows[0], delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
