"""The page of a folder that was scored: threshold, histogram, the highest and the lowest, every score."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ... import __version__
from ...report.blocks import (
    GalleryRow,
    PageBlock,
    PageFacts,
    PageGallery,
    PagePicture,
    PageSection,
    PageTable,
    PageWords,
    blocks_page,
    drawing,
)
from ...report.detection_figures import histogram
from ...scan.errors import ScanError
from ...scan.picture import Picture
from ...scan.read_picture import PictureAt, read_pictures
from .detector import Detector
from .detector_gallery import limits_of, panel_titles, panels
from .findings import REFERENCE, Finding
from .likeness import SHEET, in_words, sheet
from .scorer import PictureScorer

SHOWN = 12
"""Images of a gallery."""

MOST_ROWS = 5000
"""Of the table: a browser shows no more with ease; scores.tsv has all."""


@dataclass(frozen=True)
class ScoredImage:
    """One image that was scored.

    Parameters
    ----------
    name : str
        What the table calls it.
    of : str
        The folder that it was found in, as the user named it.
    path : Path
        Where it is.
    record : mapping
        Its record: score, slice, warnings.
    """

    name: str
    of: str
    path: Path
    record: Mapping[str, Any]

    @property
    def score(self) -> float:
        """Raw."""
        return float(self.record["score"])


def score_page(
    detector: PictureScorer, rows: Sequence[ScoredImage], failed: int, group: str = "detect"
) -> str:
    """A complete HTML document.

    Parameters
    ----------
    detector : PictureScorer
        That scored them.
    rows : sequence of ScoredImage
        At least one.
    failed : int
        Images that could not be scored.
    group : str
        Of the command: "detect" or "classify".
    """
    ordered = sorted(rows, key=lambda row: (-row.score, row.name))
    threshold = detector.threshold
    folders = list(dict.fromkeys(row.of for row in rows))
    classes = {
        (name if len(folders) > 1 else "images"): np.array([row.score for row in rows if row.of == name])
        for name in folders
    }
    limits = [] if threshold is None else [threshold.value]
    caption = "Raw scores: the higher, the more abnormal."
    if len(folders) > 1:
        caption += " By the folder in which the images were."
    drawn = drawing(histogram(classes, limits), "Histogram of the scores, with the threshold", caption)
    made = detector.generated(SHEET) if isinstance(detector, Detector) else None
    notes = [f"{failed} images could not be scored: see failed.tsv."] if failed else []
    sections = [
        PageSection("Model", [PageFacts(_facts(detector, ordered))]),
        PageSection("Scores", [drawn]),
        PageSection("Images", _galleries(detector, ordered)),
        *([] if made is None else [PageSection("Generator", [_generator(detector, made)])]),
        PageSection("Every image", _table(ordered, threshold.value if threshold else None)),
    ]
    return blocks_page("Scores", f"sanum {group} score · {detector.method}", sections, notes)


def _facts(detector: PictureScorer, rows: Sequence[ScoredImage]) -> dict[str, str]:
    threshold = detector.threshold
    told = {
        "Images": str(len(rows)),
        "Method": f"{detector.method} ({detector.config.name})",
        "Model": f"{detector.weights_name}, SHA-256 {detector.weights_sha256[:12]}…",
        "sanum version": __version__,
    }
    if private := detector.choices[detector.choice].facts.get("privacy"):
        told["Private training"] = (
            f"{private['kind']}: ε = {private['epsilon']:.3g} at δ = {private['delta']:.3g}, of "
            f"{private['people']} people; the threshold is not in it"
        )
    if detector.asked:
        told["Asked for"] = ", ".join(detector.asked)
    if threshold is None:
        whose = "that of the model is one of other scores" if detector.asked else "the model has none"
        return told | {"Threshold": f"none: {whose}, and none was given"}
    called = sum(row.score >= threshold.value for row in rows)
    rule = {
        "f1": "of largest F1 on validation",
        "conformal": "split-conformal: a normal that comes from where the model's came from is called "
        f"abnormal with probability of at most α = {threshold.level or 0:g}",
        "quantile": f"quantile of held-out normals, α = {threshold.level or 0:g}, without a guarantee",
        "half": "the likelier class",
        "given": "given by the user",
    }[threshold.rule]
    held = f"; {threshold.images} images" if threshold.images else ""
    return told | {
        "Called abnormal": f"{called} of {len(rows)}",
        "Threshold": f"{threshold.value:.6g} ({rule}{held})",
    }


def _generator(detector: PictureScorer, made: torch.Tensor) -> PagePicture:
    told = in_words(detector.choices[detector.choice].facts)
    caption = "What it makes of fixed codes. " + (f"{told[0].upper()}{told[1:]}." if told else "")
    return PagePicture(sheet(made), "Generated images", caption, lazy=True)


def _galleries(detector: PictureScorer, rows: Sequence[ScoredImage]) -> list[PageBlock]:
    """The highest and the lowest; of few images each is in one of them only."""
    most = min(SHOWN, math.ceil(len(rows) / 2))
    parts = {
        "Highest scores": list(rows[:most]),
        "Lowest scores": list(rows[most:][-SHOWN:][::-1]),
    }
    chosen = [row for part in parts.values() for row in part]
    seen = {row.path: one for row in chosen if (one := _again(detector, row)) is not None}
    if not seen:
        return [PageWords("The images are not there any more.")]
    low, high = limits_of([found for _, found in seen.values()])
    reference = detector.choices[detector.choice].facts.get(REFERENCE, high)
    scale = min(low, 0.0), max(high, reference)  # what normals have alone is not blown up to white
    made = panels(detector, [p for p, _ in seen.values()], [f for _, f in seen.values()], scale)
    pictures = dict(zip(seen, made, strict=True))
    titles = panel_titles(detector)
    words = f"Maps are black at {scale[0]:.3g} and white at {scale[1]:.3g}, in every picture."
    blocks: list[PageBlock] = []
    for title, part in parts.items():
        shown = [
            GalleryRow(row.name, _about(row), pictures[row.path]) for row in part if row.path in pictures
        ]
        blocks.append(PageGallery(title, words, shown, titles))
    return blocks


def _again(detector: PictureScorer, row: ScoredImage) -> tuple[Picture, Finding] | None:
    """The picture and what the detector says of it; None if it is gone. Of a volume the highest slice."""
    frame = row.record.get("slice")
    try:
        (picture,) = read_pictures(
            PictureAt(row.path, None if frame is None else int(frame)), detector.config.reading
        )
        (found,) = detector.findings([picture])
    except (ScanError, ValueError):
        return None
    return picture, found


def _about(row: ScoredImage) -> str:
    at = "" if row.record.get("slice") is None else f", slice {int(row.record['slice'])}"
    return f"{row.score:.4g}{at}"


def _table(rows: Sequence[ScoredImage], threshold: float | None) -> list[PageBlock]:
    cells = []
    for row in rows[:MOST_ROWS]:
        abnormal = "n/a" if threshold is None else "abnormal" if row.score >= threshold else "normal"
        frame = row.record.get("slice")
        cells.append(
            [
                row.name,
                f"{row.score:.6g}",
                abnormal,
                "" if frame is None else str(int(frame)),
                " | ".join(row.record.get("warnings") or ()),
            ]
        )
    left = len(rows) - len(cells)
    table = PageTable(("Image", "Score", "Called", "Slice", "Warnings"), cells, (1, 3))
    more = f"{left} more, of lower scores, are in scores.tsv."
    return [table, PageWords(more, quiet=True)] if left > 0 else [table]
