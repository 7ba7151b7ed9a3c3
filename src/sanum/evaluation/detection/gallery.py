"""What a run shows of its test set: the clearest of true and false positives and negatives."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...methods.common.detector_gallery import Limits, panel_titles, panels
from ...methods.common.scorer import PictureScorer
from ...metrics.ranking import Labels, Scores
from ...scan.picture import Picture
from ...scan.read_picture import PictureAt, read_pictures

KINDS = ("true positive", "false positive", "false negative", "true negative")
ENDS = ("largest abnormal", "smallest abnormal", "largest normal", "smallest normal")
"""Scores of a test set whose images are shown, however they were called."""

EACH = 4
"""Images of a kind that a run keeps."""


def kind_of(label: int, called: bool) -> str:
    """Which of `KINDS` an image is.

    Parameters
    ----------
    label : int
        0 normal, 1 abnormal.
    called : bool
        Whether it was called abnormal.
    """
    return f"{'true' if bool(label) == called else 'false'} {'positive' if called else 'negative'}"


def clearest(scores: Scores, labels: Labels, threshold: float, each: int = EACH) -> list[tuple[str, int]]:
    """Kind and place of those farthest from the threshold: positives of highest, negatives of lowest score.

    Parameters
    ----------
    scores : (n,) float
        Of the test set.
    labels : (n,) int
        0 normal, 1 abnormal.
    threshold : float
        May be infinite.
    each : int
        Of a kind.
    """
    kinds = [
        kind_of(int(label), bool(score >= threshold)) for score, label in zip(scores, labels, strict=True)
    ]
    found = []
    for kind in KINDS:
        places = [n for n, one in enumerate(kinds) if one == kind]
        sign = -1 if kind.endswith("positive") else 1
        found += [(kind, n) for n in sorted(places, key=lambda n: (sign * scores[n], n))[:each]]
    return found


def extremes(scores: Scores, labels: Labels) -> list[tuple[str, int]]:
    """Which of `ENDS`, and the place, of the images of largest and smallest score of each class.

    Parameters
    ----------
    scores : (n,) float
        Of the test set.
    labels : (n,) int
        0 normal, 1 abnormal; both are there.
    """
    found = []
    for name, label in (("abnormal", 1), ("normal", 0)):
        places = np.flatnonzero(labels == label)
        found += [
            (f"largest {name}", int(places[np.argmax(scores[places])])),
            (f"smallest {name}", int(places[np.argmin(scores[places])])),
        ]
    return found


def gallery_of(
    detector: PictureScorer,
    sources: Sequence[PictureAt],
    chosen: Sequence[tuple[str, int]],
    ends: Sequence[tuple[str, int]],
    limits: Limits,
) -> dict[str, Any]:
    """Pictures of images of the test set, as plain values.

    Parameters
    ----------
    detector : PictureScorer
        As it scored the test set.
    sources : sequence of PictureAt
        Of the test set.
    chosen : sequence of (str, int)
        Of `clearest`.
    ends : sequence of (str, int)
        Of `extremes`.
    limits : (float, float)
        Of the maps of the whole test set.
    """
    both = [*chosen, *ends]
    pictures: list[Picture] = []
    for _, n in both:
        pictures += read_pictures(sources[n], detector.config.reading)
    made = panels(detector, pictures, list(detector.findings(pictures)), limits)
    rows = [
        {"place": n, "kind": kind, "jpeg": base64.b64encode(picture).decode("ascii")}
        for (kind, n), picture in zip(both, made, strict=True)
    ]
    return {
        "panels": list(panel_titles(detector)),
        "limits": list(limits),
        "rows": rows[: len(chosen)],
        "ends": rows[len(chosen) :],
    }


def widened(limits: Limits | None, values: np.ndarray) -> Limits:
    """Limits that hold the values of another map too: the largest counts only if it is no lone pixel.

    Parameters
    ----------
    limits : (float, float) or None
        So far.
    values : (P,) float
        Of a map, where it is valid.
    """
    low, high = float(values.min()), float(np.quantile(values, 0.995))
    return (low, high) if limits is None else (min(limits[0], low), max(limits[1], high))
