"""The page of a folder in which findings were looked for: pictures with boxes, and every finding."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .... import __version__
from ....metrics.boxes import ClassMeasure
from ....report.blocks import (
    GalleryRow,
    PageBlock,
    PageFacts,
    PageGallery,
    PagePoints,
    PageSection,
    PageTable,
    PageWords,
    blocks_page,
)
from ....report.boxes import boxes_over, small_jpeg
from .folder import left_out_words
from .job import TrueBoxes, drawn_boxes
from .predict import FindingDetector

SHOWN = 60
"""Pictures on a page, those with findings first; the folder has all."""

MOST_ROWS = 5000

NUMBERS = ("mAP", "AP10", "AP30", "AP50", "acc10", "acc30", "acc50")
_HEADS = {"mAP": "mAP 10–70", "acc10": "Loc. acc. 10", "acc30": "Loc. acc. 30", "acc50": "Loc. acc. 50"}

HOW_TO_READ = (
    "A box is the region of anatomy in which a finding is likely, not its outline: small findings "
    "have boxes that are much too large.",
    "No box does not rule out a finding.",
)
OF_BASELINES = "A box is only as good as this baseline of ADPD; no box does not rule out a finding."


@dataclass(frozen=True)
class FoundImage:
    """One image of the page.

    Parameters
    ----------
    name : str
        What it is called.
    found : dict
        Of `job.plain_findings`.
    picture : bytes
        PNG with the boxes.
    true : sequence of (str, box)
        Name and box of each true finding, if known.
    """

    name: str
    found: dict[str, Any]
    picture: bytes
    true: TrueBoxes = ()

    @property
    def highest(self) -> float:
        """Score of its most certain finding."""
        return max((one["score"] for one in self.found["findings"]), default=0.0)


def findings_page(
    detector: FindingDetector, images: Sequence[FoundImage], failed: int, rows: Sequence[ClassMeasure]
) -> str:
    """A complete HTML document.

    Parameters
    ----------
    detector : FindingDetector
        That found it.
    images : sequence of FoundImage
        At least one.
    failed : int
        Images that could not be searched.
    rows : sequence of ClassMeasure
        Of `folder.measured`; none where no truth is known.
    """
    ordered = sorted(images, key=lambda one: (-one.highest, one.name))
    notes = [f"{failed} images could not be read: see failed.tsv."] if failed else []
    reading = HOW_TO_READ if detector.config.sees_regions else (OF_BASELINES,)
    shown = [
        GalleryRow(one.name, _about(one), _picture(one, detector, true=bool(rows))) for one in ordered[:SHOWN]
    ]
    left = len(ordered) - len(shown)
    words = "Coloured: the findings, with their scores."
    if detector.config.sees_regions:
        words += " Thin and grey: the regions that they are in."
    if rows:
        words += " White and dashed: true boxes."
    if left > 0:
        words += f" {left} more pictures are in the folder."
    pictures = PageGallery("With boxes", words, shown, ("the x-ray with boxes",), square=True)
    sections = [
        PageSection("Model", [PageFacts(_facts(detector, images))]),
        *([PageSection("How good the boxes are", _numbers(rows))] if rows else []),
        PageSection("How to read this", [PagePoints(reading)]),
        PageSection("Images", [pictures]),
        PageSection("Every finding", _table(ordered)),
    ]
    kind = f"sanum detect-findings · {detector.config.name}"
    return blocks_page("Findings of chest x-rays", kind, sections, notes)


def _picture(one: FoundImage, detector: FindingDetector, *, true: bool) -> bytes:
    """A small JPEG, with the true boxes if wanted."""
    if not true or not one.true:
        return small_jpeg(one.picture)
    drawn = drawn_boxes(one.found, detector.findings, one.true)
    return small_jpeg(boxes_over(one.picture, (one.found["width"], one.found["height"]), drawn))


def _about(one: FoundImage) -> str:
    each = [f"{f['name']} {f['score']:.2f}" for f in one.found["findings"]]
    return ", ".join(each) or "nothing found"


def _facts(detector: FindingDetector, images: Sequence[FoundImage]) -> dict[str, str]:
    inference = detector.inference
    counts = [
        f"{name} {sum(any(f['name'] == name for f in one.found['findings']) for one in images)}"
        for name in detector.findings
    ]
    told = {
        "regions": "in which regions findings are (Loc-ADPD)",
        "images": "in which images findings are (MIL-ADPD)",
        "cam": "in which images findings are (class-activation maps)",
        "boxes": "boxes of findings",
    }[detector.config.told]
    most = {0: "all", 1: "the most certain"}.get(inference.top, f"the {inference.top} most certain")
    facts = {
        "Images": str(len(images)),
        "Images with each finding": ", ".join(counts),
        "Model": f"{detector.weights_name}, SHA-256 {detector.weights_sha256[:12]}…",
        "Trained on": f"{detector.images} images; told {told}",
        "Boxes of each finding": most,
        "sanum version": __version__,
    }
    if detector.config.sees_regions:
        facts["Regions"] = ", ".join(detector.regions)
    return facts


def _numbers(rows: Sequence[ClassMeasure]) -> list[PageBlock]:
    heads = ("Finding", "Images", "Boxes", *(_HEADS.get(name, name) for name in NUMBERS))
    cells = [
        [row.name, str(row.images), str(row.boxes), *(_cell(row, name) for name in NUMBERS)] for row in rows
    ]
    words = (
        "Average precision as COCO defines it, at least IoU 0.1, 0.3, 0.5, and its mean over 0.1 to 0.7; the "
        "share of images judged rightly from a score of 0.7 on. Below: 95 % intervals over patients."
    )
    table = PageTable(heads, cells, range(1, len(heads)), tight=True)
    left = left_out_words(rows)
    return [PageWords(words, quiet=True), table, *([PageWords(left, quiet=True)] if left else [])]


def _cell(row: ClassMeasure, name: str) -> str:
    value, _, interval = row.numbers[name].text(2).partition(" ")
    return f"{value}\n{interval}" if interval else value


def _table(images: Sequence[FoundImage]) -> list[PageBlock]:
    cells = [
        [
            one.name,
            finding["name"],
            f"{finding['score']:.3f}",
            ", ".join(f"{v:.0f}" for v in finding["bbox"]),
            ", ".join(finding["regions"]),
        ]
        for one in images
        for finding in one.found["findings"]
    ]
    if not cells:
        return [PageWords("None.")]
    left = len(cells) - MOST_ROWS
    table = PageTable(
        ("Image", "Finding", "Score", "x, y, width, height", "Regions"), cells[:MOST_ROWS], (2,)
    )
    return [table, PageWords(f"{left} more are in findings.json.", quiet=True)] if left > 0 else [table]
