"""Findings of a file as a batch sees it (`cohort.job.Job`): boxes as JSON, and a picture with them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .... import __version__
from ....report.boxes import COLOURS, TRUE, DrawnBox, boxes_png
from ....scan.picture import Picture
from ....scan.read_picture import read_picture
from ....types import FloatArray
from ...api import OutputSpec, Result
from ...common.file_job import HasFile
from ...common.plain_result import PlainResult
from .predict import ChestFindings, FindingDetector

OUTPUTS: Mapping[str, OutputSpec] = {
    "boxes": OutputSpec("boxes", "Findings and regions with their boxes.", None, "boxes", ".json"),
    "picture": OutputSpec("picture", "The x-ray with the boxes of the findings.", None, "boxes", ".png"),
}
TrueBoxes = Sequence[tuple[str, tuple[float, ...]]]
"""Name and box of each true finding of an image."""


@dataclass(frozen=True, eq=False)
class FindJob:
    """A detector on every file.

    Parameters
    ----------
    detector : FindingDetector
        Trained.
    resources : object
        As of `cohort.job.Job`.
    """

    detector: FindingDetector
    resources: Any
    name: ClassVar[str] = "detect-findings"
    past: ClassVar[str] = "searched for findings"
    outputs: ClassVar[Mapping[str, OutputSpec]] = OUTPUTS

    @property
    def tables(self) -> Mapping[str, Mapping[str, int | None]]:
        """The highest score of each finding in every image; 0 where it was not found."""
        columns = {column_of(name): 4 for name in self.detector.findings}
        return {"findings.tsv": {"boxes": 0, **columns, "warnings": None}}

    @property
    def settings(self) -> Mapping[str, Any]:
        """Version, model, and how answers become boxes."""
        return {
            "version": __version__,
            "method": self.detector.config.method,
            "weights_sha256": self.detector.weights_sha256,
            "inference": vars(self.detector.inference),
        }

    def read(self, item: HasFile) -> tuple[str, Picture]:
        """Stem and picture of a file.

        Parameters
        ----------
        item : HasFile
            Of the batch.
        """
        return item.stem, read_picture(item.path)

    def compute(self, loaded: tuple[str, Picture], on_step: Callable[[str], None]) -> Result:
        """Find, and draw.

        Parameters
        ----------
        loaded : tuple
            From `read`.
        on_step : function
            Called with the name of each step.
        """
        stem, picture = loaded
        on_step("looking for findings")
        found = self.detector(picture)
        scores = {
            column_of(name): max(
                (s for n, s in zip(found.names, found.scores, strict=True) if n == name), default=0.0
            )
            for name in self.detector.findings
        }
        name = picture.path.name if picture.path else stem
        plain = plain_findings(name, picture, found, self.detector)
        drawn = drawn_boxes(plain, self.detector.findings)
        contents = {"boxes": plain, "picture": boxes_png(grey_of(picture), drawn)}
        numbers = {"boxes": len(found.boxes), **scores}
        return PlainResult.of(OUTPUTS, stem, contents, numbers, picture.warnings)

    def facts(self, result: Result) -> Mapping[str, Any]:
        """Name of the model's file and the device.

        Parameters
        ----------
        result : Result
            From `compute`.
        """
        return {"weights": self.detector.weights_name, "device": self.detector.device}


def column_of(finding: str) -> str:
    """Name of a finding as that of a column.

    Parameters
    ----------
    finding : str
        Any text.
    """
    return "score_" + "_".join(finding.lower().split())


def plain_findings(
    name: str, picture: Picture, found: ChestFindings, detector: FindingDetector
) -> dict[str, Any]:
    """Findings as plain values; boxes as COCO has them.

    Parameters
    ----------
    name : str
        Of the file.
    picture : Picture
        That was looked at.
    found : ChestFindings
        In it.
    detector : FindingDetector
        That found it.
    """
    high, wide = picture.valid.shape
    categories = dict(zip(detector.findings, detector.categories, strict=True))
    return {
        "file_name": name,
        "width": wide,
        "height": high,
        "findings": [
            {
                "category_id": categories[kind],
                "name": kind,
                "bbox": [round(float(v), 2) for v in box],
                "score": round(float(score), 5),
                "regions": list(inside),
            }
            for kind, box, score, inside in zip(
                found.names, found.boxes, found.scores, found.inside, strict=True
            )
        ],
        "regions": {region: [round(v, 2) for v in box] for region, box in found.regions.items()},
    }


def drawn_boxes(found: Mapping[str, Any], kinds: Sequence[str], true: TrueBoxes = ()) -> list[DrawnBox]:
    """What is drawn: the regions of findings thin, then the findings, then true boxes dashed.

    Parameters
    ----------
    found : mapping
        Of `plain_findings`.
    kinds : sequence of str
        All findings, whose colours stay the same in every picture.
    true : sequence of (str, box)
        May be empty.
    """
    findings, regions = found["findings"], found["regions"]
    positive = dict.fromkeys(region for one in findings for region in one["regions"])
    drawn = [DrawnBox(tuple(regions[r]), "", "#9aa7b4", thin=True) for r in positive if r in regions]
    for one in findings:
        colour = COLOURS[kinds.index(one["name"]) % len(COLOURS)]
        drawn.append(DrawnBox(tuple(one["bbox"]), f"{one['name']} {one['score']:.2f}", colour))
    return drawn + [DrawnBox(box, f"{name} (true)", TRUE, dashed=True) for name, box in true]


def grey_of(picture: Picture) -> FloatArray:
    """A picture as it is shown, (H, W) in [0, 1].

    Parameters
    ----------
    picture : Picture
        Of one channel or more.
    """
    grey = picture.pixels.mean(0)
    low, high = picture.window or tuple(np.percentile(grey[picture.valid], (0.5, 99.5)))
    shown: FloatArray = np.clip((grey - low) / max(high - low, 1e-12), 0, 1).astype(np.float32)
    return shown
