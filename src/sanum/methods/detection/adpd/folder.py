"""What a folder of results says as a whole: one COCO file, and how good the boxes are if truth is known."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from ....data.xray_set import XraySet
from ....metrics.boxes import BoxTable, ClassMeasure, measure_boxes
from ....scan.names import printable
from .predict import FindingDetector


def coco_of(
    found: Sequence[dict[str, Any]], detector: FindingDetector, truth: XraySet | None = None
) -> dict[str, Any]:
    """A COCO file of what was found: its annotations, each with a score, are a COCO result list.

    Parameters
    ----------
    found : sequence of dict
        Of `job.plain_findings`.
    detector : FindingDetector
        That found it.
    truth : XraySet, optional
        Whose ids of images and categories are taken.
    """
    known = {image.name: image.id for image in truth.images} if truth else {}
    ids = dict(zip(detector.findings, detector.categories, strict=True))
    if truth:
        ids |= dict(zip(truth.findings, truth.categories, strict=True))
    following = max(known.values(), default=0) + 1
    images, annotations = [], list[dict[str, Any]]()
    for one in found:
        number = known.get(one["file_name"])
        if number is None:
            number, following = following, following + 1
        images.append({"id": number, **{key: one[key] for key in ("file_name", "width", "height")}})
        for finding in one["findings"]:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": ids[finding["name"]],
                    "bbox": finding["bbox"],
                    "area": round(finding["bbox"][2] * finding["bbox"][3], 2),
                    "iscrowd": 0,
                    "score": finding["score"],
                    "regions": finding["regions"],
                }
            )
    categories = [{"id": ids[name], "name": name} for name in detector.findings]
    return {"images": images, "categories": categories, "annotations": annotations}


def measured(
    found: Sequence[dict[str, Any]], detector: FindingDetector, truth: XraySet
) -> list[ClassMeasure]:
    """The table of a detector, over the images that are in both; classes that both know.

    Parameters
    ----------
    found : sequence of dict
        Of `job.plain_findings`.
    detector : FindingDetector
        That found it.
    truth : XraySet
        With true boxes.

    Raises
    ------
    ValueError
        They have no image, or no finding, in common.
    """
    by_name = {image.name: image for image in truth.images}
    pairs = [(one, by_name[one["file_name"]]) for one in found if one["file_name"] in by_name]
    names = [name for name in truth.findings if name in detector.findings]
    if not pairs or not names:
        what = "image" if not pairs else "finding"
        there = ", ".join(map(printable, truth.findings if pairs else list(by_name)[:3]))
        raise ValueError(f"the truth has no {what} in common with what was found: it has {there}")
    true, rows, scores = [], [], []
    for n, (one, image) in enumerate(pairs):
        kinds = [(truth.findings[kind], box) for kind, box in image.boxes]
        true += [(n, names.index(kind), box) for kind, box in kinds if kind in names]
        own = [finding for finding in one["findings"] if finding["name"] in names]
        rows += [(n, names.index(finding["name"]), finding["bbox"]) for finding in own]
        scores += [finding["score"] for finding in own]
    patients = [image.patient for _, image in pairs]
    return measure_boxes(BoxTable.of(true), BoxTable.of(rows, scores), names, patients)


def table_of(rows: Sequence[ClassMeasure]) -> str:
    """Numbers of each class as TSV, with their intervals over patients.

    Parameters
    ----------
    rows : sequence of ClassMeasure
        Of `measured`.
    """
    stream = io.StringIO()
    table = csv.writer(stream, delimiter="\t", lineterminator="\n")
    names = list(rows[0].numbers)
    table.writerow(
        ["finding", "images", "boxes", *(f"{n}{end}" for n in names for end in ("", "_low", "_high"))]
    )
    for row in rows:
        cells = [v for n in names for v in (row.numbers[n].value, row.numbers[n].low, row.numbers[n].high)]
        table.writerow([row.name, row.images, row.boxes, *("n/a" if v != v else f"{v:.4f}" for v in cells)])
    return stream.getvalue()
