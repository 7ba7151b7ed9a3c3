"""How well boxes are found: average precision as COCO defines it, and the share of images judged rightly.

A box is (x, y, width, height) in pixels, as in COCO: x and y are its upper left corner. Intervals draw whole
groups (patients) again; what matches what in an image does not change thereby, so images only get weights.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

IOUS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
"""Least IoU of a box that is found; mAP is the mean over these."""

NAMED = (0.1, 0.3, 0.5)
"""Of which tables have a column of their own."""

RECALLS = np.linspace(0.0, 1.0, 101)
"""Precision is averaged over these."""

MOST = 100
"""Boxes of one class in one image that count, the most certain."""

CERTAIN = 0.7
"""Score from which on localization accuracy takes a box for a claim."""


@dataclass(frozen=True, eq=False)
class BoxTable:
    """Boxes of many images.

    Parameters
    ----------
    images : (n,) int
        Number of the image of each box.
    classes : (n,) int
        Number of its class.
    boxes : (n, 4) float
        x, y, width, height in pixels.
    scores : (n,) float, optional
        How certain each is; true boxes have none.
    """

    images: Ints
    classes: Ints
    boxes: Floats
    scores: Floats | None = None

    @classmethod
    def of(cls, rows: Sequence[tuple[int, int, Sequence[float]]], scores: Sequence[float] = ()) -> "BoxTable":
        """A table of rows.

        Parameters
        ----------
        rows : sequence of (int, int, sequence of 4 float)
            Image, class and box.
        scores : sequence of float
            One for each row, or none.
        """
        images, classes = (np.array([row[k] for row in rows], dtype=np.int64) for k in (0, 1))
        boxes = np.array([row[2] for row in rows], dtype=np.float64).reshape(-1, 4)
        return cls(images, classes, boxes, np.asarray(scores, dtype=np.float64) if len(scores) else None)


@dataclass(frozen=True)
class BoxNumber:
    """A number with its interval.

    Parameters
    ----------
    value : float
        nan where the class has no true box.
    low, high : float
        95 % interval over groups; nan without one.
    """

    value: float
    low: float = float("nan")
    high: float = float("nan")

    def text(self, digits: int = 3) -> str:
        """The number, and its interval in brackets.

        Parameters
        ----------
        digits : int
            Decimals.

        Examples
        --------
        >>> BoxNumber(0.5).text(2), BoxNumber(0.5, 0.25, 0.75).text(2), BoxNumber(float("nan")).text()
        ('0.50', '0.50 [0.25, 0.75]', '–')
        """
        if np.isnan(self.value):
            return "–"
        value = f"{self.value:.{digits}f}"
        return value if np.isnan(self.low) else f"{value} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


@dataclass(frozen=True)
class ClassMeasure:
    """One line of the table of a detector.

    Parameters
    ----------
    name : str
        Of the class, or "mean".
    images, boxes : int
        With true boxes of it, and how many boxes.
    numbers : dict of BoxNumber
        "mAP" over `IOUS`, "AP10", "AP30", "AP50" and the localization accuracies "acc10", "acc30", "acc50".
    left_out : int
        Images that are not judged; of the mean, for one class or more.
    """

    name: str
    images: int
    boxes: int
    numbers: dict[str, BoxNumber]
    left_out: int = 0


def box_iou(one: npt.ArrayLike, other: npt.ArrayLike) -> Floats:
    """Intersection over union of each pair, (N, M).

    Parameters
    ----------
    one : (N, 4) float
        x, y, width, height.
    other : (M, 4) float
        Likewise.

    Examples
    --------
    >>> box_iou([[0, 0, 2, 2]], [[1, 0, 2, 2], [5, 5, 1, 1]]).round(3).tolist()
    [[0.333, 0.0]]
    """
    a = np.asarray(one, dtype=np.float64).reshape(-1, 4)[:, None]
    b = np.asarray(other, dtype=np.float64).reshape(-1, 4)[None]
    near = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = np.clip(near, 0, None).prod(-1)
    union = a[..., 2:].prod(-1) + b[..., 2:].prod(-1) - shared
    ratio: Floats = shared / np.where(union > 0, union, 1.0)
    return ratio


def matched(true: Floats, found: Floats, least: float) -> npt.NDArray[np.bool_]:
    """Which boxes are right, (n,): each takes the true box of largest IoU that no box before it took.

    Parameters
    ----------
    true : (m, 4) float
        Boxes of one class in one image.
    found : (n, 4) float
        Those found, the most certain first.
    least : float
        IoU that is needed; of equal ones the last true box is taken, as COCO does.
    """
    overlaps = box_iou(found, true)
    free, right = np.ones(len(true), bool), np.zeros(len(found), bool)
    for n, row in enumerate(overlaps):
        open_ = np.where(free, row, -1.0)
        if len(open_) and open_.max() >= min(least, 1 - 1e-10):
            free[np.flatnonzero(open_ == open_.max())[-1]] = False
            right[n] = True
    return right


def precision_mean(right: npt.NDArray[np.bool_], weights: Floats, total: Floats) -> Floats:
    """Average precision, (R,): the mean over `RECALLS` of the best precision at so much recall or more.

    Parameters
    ----------
    right : (n,) bool
        Of all images, the most certain first.
    weights : (R, n) float
        How often the image of each was drawn.
    total : (R,) float
        True boxes that were drawn; nan where there are none.
    """
    hit, every = np.cumsum(weights * right, axis=1), np.cumsum(weights, axis=1)
    precision = hit / np.maximum(every, np.spacing(1.0))
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    best = np.concatenate([best, np.zeros((len(best), 1))], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = hit / total[:, None]
    means = [
        row[np.searchsorted(r, RECALLS, side="left")].mean() for row, r in zip(best, recall, strict=True)
    ]
    return np.where(total > 0, means, np.nan)


def measure_boxes(
    true: BoxTable,
    found: BoxTable,
    classes: Sequence[str],
    groups: Sequence[Hashable],
    *,
    judged: npt.NDArray[np.bool_] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> list[ClassMeasure]:
    """A line for each class, and their mean, which leaves out classes without a true box.

    Localization accuracy of a class is the share of images that are judged rightly: those with true boxes of
    which one is met by a box of score `CERTAIN` or more, and those without for which there is no such box.

    Parameters
    ----------
    true : BoxTable
        True boxes.
    found : BoxTable
        With scores.
    classes : sequence of str
        Names, in the order of their numbers.
    groups : sequence
        Whose each image is, in the order of their numbers.
    judged : (images, classes) bool, optional
        False: whether and where the class is in the image is not known, so the image does not count for it.
    resamples : int
        Of the intervals; 0: none.
    seed : int
        Of the draws.
    """
    count = len(groups)
    weights = np.concatenate([np.ones((1, count)), _drawn(groups, resamples, seed)])
    judged = np.ones((count, len(classes)), bool) if judged is None else judged
    rows, values = [], []
    for number, name in enumerate(classes):
        own, left = _of_class(true, number), int((~judged[:, number]).sum())
        measured = _measured(own, _of_class(found, number), count, weights * judged[:, number])
        values.append(measured)
        rows.append(ClassMeasure(name, len(np.unique(own.images)), len(own.boxes), _numbers(measured), left))
    there = [v for v, row in zip(values, rows, strict=True) if row.boxes] or values
    means = {key: _mean([v[key] for v in there]) for key in values[0]}
    every = len(np.unique(true.images)), len(true.boxes)
    return [*rows, ClassMeasure("mean", *every, _numbers(means), int((~judged.all(1)).sum()))]


def _measured(true: BoxTable, found: BoxTable, count: int, weights: Floats) -> dict[str, Floats]:
    """Each number of a class, (R,): of all images, then of each resample."""
    assert found.scores is not None or not len(found.boxes)
    scores = np.zeros(0) if found.scores is None else found.scores
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    for image in np.unique(found.images):
        kept += order[found.images[order] == image][:MOST].tolist()
    chosen = np.array(sorted(kept), dtype=np.int64)
    chosen = chosen[np.argsort(-scores[chosen], kind="stable")]
    at, boxes, scores = found.images[chosen], found.boxes[chosen], scores[chosen]
    of_image = np.bincount(true.images, minlength=count).astype(np.float64)
    total, numbers = weights @ of_image, {}
    precisions = []
    for least in IOUS:
        right, met = np.zeros(len(chosen), bool), np.zeros(count, bool)
        for image in np.unique(at):
            rows = np.flatnonzero(at == image)
            own = true.boxes[true.images == image]
            right[rows] = matched(own, boxes[rows], least)
            certain = rows[scores[rows] >= CERTAIN]
            met[image] = len(own) > 0 and bool((box_iou(boxes[certain], own) >= least).any())
        precisions.append(precision_mean(right, weights[:, at], total))
        if least in NAMED:
            claimed = np.bincount(at[scores >= CERTAIN], minlength=count) > 0
            judged = np.where(of_image > 0, met, ~claimed).astype(np.float64)
            numbers[f"AP{least * 100:.0f}"] = precisions[-1]
            drawn = weights.sum(1)
            numbers[f"acc{least * 100:.0f}"] = weights @ judged / np.where(drawn > 0, drawn, np.nan)
    names = [f"{kind}{least * 100:.0f}" for kind in ("AP", "acc") for least in NAMED]
    return {"mAP": np.mean(precisions, axis=0), **{name: numbers[name] for name in names}}


def _of_class(table: BoxTable, number: int) -> BoxTable:
    own = table.classes == number
    scores = None if table.scores is None else table.scores[own]
    return BoxTable(table.images[own], table.classes[own], table.boxes[own], scores)


def _drawn(groups: Sequence[Hashable], resamples: int, seed: int) -> Floats:
    """How often each image is drawn, (R, images): its group as often as it."""
    place = {group: n for n, group in enumerate(dict.fromkeys(groups))}
    if len(place) < 2 or not resamples:
        return np.zeros((0, len(groups)))
    rng = np.random.default_rng(seed)
    times = rng.multinomial(len(place), np.full(len(place), 1 / len(place)), size=resamples)
    return times[:, [place[group] for group in groups]].astype(np.float64)


def _mean(rows: list[Floats]) -> Floats:
    values = np.stack(rows)
    there = (~np.isnan(values)).sum(0)
    return np.where(there > 0, np.nansum(values, 0) / np.maximum(there, 1), np.nan)


def _numbers(measured: dict[str, Floats]) -> dict[str, BoxNumber]:
    found = {}
    for name, values in measured.items():
        drawn = values[1:][~np.isnan(values[1:])]
        low, high = np.percentile(drawn, (2.5, 97.5)) if drawn.size else (np.nan, np.nan)
        found[name] = BoxNumber(float(values[0]), float(low), float(high))
    return found
