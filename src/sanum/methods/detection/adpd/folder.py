"""What a folder of results says as a whole: one COCO file, and how good the boxes are if truth is known."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ....data.xray_names import paired
from ....data.xray_set import SHOWN, Xray, XraySet, listed
from ....metrics.boxes import BoxTable, ClassMeasure, measure_boxes
from ....scan.names import printable
from .predict import FindingDetector


def in_truth(names: Sequence[str], truth: XraySet, findings: Sequence[str]) -> dict[str, Xray]:
    """The image of the truth that each name means: the same path, or the end of one path only.

    Parameters
    ----------
    names : sequence of str
        Paths of the images that are looked at; those that the truth has not are left out.
    truth : XraySet
        With true boxes.
    findings : sequence of str
        That are looked for.

    Raises
    ------
    ValueError
        A name may mean several images; they have no image, or no finding, in common.
    """
    by_name = {image.name: image for image in truth.images}
    pairs, problems = paired(list(by_name), names)
    if problems:
        raise ValueError(
            f"images and truth do not fit: {'; '.join(problems[:SHOWN])}; give one folder of both"
        )
    if not pairs or not set(findings) & set(truth.findings):
        what, has = ("image", list(by_name)[:3]) if not pairs else ("finding", truth.findings)
        there = ", ".join(map(printable, has))
        raise ValueError(f"the truth has no {what} in common with what was found: it has {there}")
    return {name: by_name[other] for name, other in pairs.items()}


def coco_of(
    found: Sequence[dict[str, Any]],
    detector: FindingDetector,
    truth: XraySet | None = None,
    known: Mapping[str, Xray] | None = None,
) -> dict[str, Any]:
    """A COCO file of what was found: its annotations, each with a score, are a COCO result list.

    Parameters
    ----------
    found : sequence of dict
        Of `job.plain_findings`.
    detector : FindingDetector
        That found it.
    truth : XraySet, optional
        Whose ids of categories are taken.
    known : mapping of Xray, optional
        Of `in_truth`: whose ids of images are taken.
    """
    known = known or {}
    ids = _category_ids(detector, truth)
    following = max((image.id for image in truth.images), default=0) + 1 if truth else 1
    images, annotations = [], list[dict[str, Any]]()
    for one in found:
        image = known.get(one["file_name"])
        number = image.id if image else following
        following += image is None
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


def _category_ids(detector: FindingDetector, truth: XraySet | None) -> dict[str, int]:
    """Those of the truth; what it has not keeps its own where it is free."""
    ids = dict(zip(truth.findings, truth.categories, strict=True)) if truth else {}
    for name, own in zip(detector.findings, detector.categories, strict=True):
        if name not in ids:
            used = ids.values()
            ids[name] = own if own not in used else max(*used, *detector.categories) + 1
    return ids


def measured(
    found: Sequence[dict[str, Any]], detector: FindingDetector, truth: XraySet, known: Mapping[str, Xray]
) -> list[ClassMeasure]:
    """The table of a detector, over the images that are in both; classes that both know.

    An image counts for a finding if it has boxes of it, or is known not to have it.

    Parameters
    ----------
    found : sequence of dict
        Of `job.plain_findings`.
    detector : FindingDetector
        That found it.
    truth : XraySet
        With true boxes.
    known : mapping of Xray
        Of `in_truth`.

    Raises
    ------
    ValueError
        None of the images is known; they have another size in the truth.
    """
    pairs = [(one, known[one["file_name"]]) for one in found if one["file_name"] in known]
    names = [name for name in truth.findings if name in detector.findings]
    if not pairs:
        raise ValueError("no image that the truth has was searched: nothing can be measured")
    if odd := [image.name for one, image in pairs if (one["width"], one["height"]) != image.size]:
        raise ValueError(
            f"{listed(odd)} has another size in the truth: give the images that its boxes are of"
        )
    true, rows, scores = [], [], []
    judged = np.zeros((len(pairs), len(names)), bool)
    for n, (one, image) in enumerate(pairs):
        kinds = [(truth.findings[kind], box) for kind, box in image.boxes]
        true += [(n, names.index(kind), box) for kind, box in kinds if kind in names]
        own = [finding for finding in one["findings"] if finding["name"] in names]
        rows += [(n, names.index(finding["name"]), finding["bbox"]) for finding in own]
        scores += [finding["score"] for finding in own]
        drawn = {kind for kind, _ in kinds}
        judged[n] = [name in drawn or image.labels[truth.findings.index(name)] == 0 for name in names]
    patients = [image.patient for _, image in pairs]
    return measure_boxes(BoxTable.of(true), BoxTable.of(rows, scores), names, patients, judged=judged)


def left_out_words(rows: Sequence[ClassMeasure]) -> str:
    """Which images are not judged, as a sentence; empty if all are.

    Parameters
    ----------
    rows : sequence of ClassMeasure
        Of `measured`.
    """
    each = ", ".join(f"{row.left_out} of {row.name}" for row in rows[:-1] if row.left_out)
    return f"Images left out, for the truth has no box in them and does not say no: {each}." if each else ""


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
        [
            "finding",
            "images",
            "boxes",
            "left_out",
            *(f"{n}{end}" for n in names for end in ("", "_low", "_high")),
        ]
    )
    for row in rows:
        cells = [v for n in names for v in (row.numbers[n].value, row.numbers[n].low, row.numbers[n].high)]
        table.writerow(
            [row.name, row.images, row.boxes, row.left_out, *("n/a" if v != v else f"{v:.4f}" for v in cells)]
        )
    return stream.getvalue()
