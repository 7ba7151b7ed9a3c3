"""From boxes of regions, of maps or of cells to the boxes that are reported.

A box is x, y, width, height, in any unit; the arrays are small, so loops are plain.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from ....metrics.boxes import box_iou
from ....space.components import largest_component

Floats = npt.NDArray[np.float64]

FINER = 8
"""Times by which a map is made finer before it is cut, so that its box has no steps of whole cells."""


@dataclass(frozen=True)
class Fused:
    """One reported box.

    Parameters
    ----------
    box : (4,) float
        x, y, width, height.
    score : float
        In [0, 1].
    members : tuple of int
        Which boxes it was made of.
    """

    box: tuple[float, ...]
    score: float
    members: tuple[int, ...]


def fuse(boxes: npt.ArrayLike, scores: Sequence[float], least: float) -> list[Fused]:
    """Weighted boxes fusion (Solovyev et al. 2021) of the boxes of one class, with the score of the highest.

    Each box, from the highest score on, joins the group whose fused box it overlaps most, if by more than
    `least`, or begins a new one. A fused box is the mean of its members' corners, weighted by their scores.

    Parameters
    ----------
    boxes : (n, 4) float
        x, y, width, height.
    scores : (n,) float
        Above 0.
    least : float
        IoU; 1 or more: nothing is fused.

    Examples
    --------
    >>> made = fuse([[0, 0, 2, 4], [0, 2, 2, 4], [8, 8, 1, 1]], [0.6, 0.6, 0.5], 0.03)
    >>> [(one.box, one.score, one.members) for one in made]
    [((0.0, 1.0, 2.0, 4.0), 0.6, (0, 1)), ((8.0, 8.0, 1.0, 1.0), 0.5, (2,))]
    """
    given = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    corners = np.concatenate([given[:, :2], given[:, :2] + given[:, 2:]], axis=1)
    groups: list[list[int]] = []
    fused: list[Floats] = []
    for n in np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable"):
        overlaps = box_iou(given[n], np.array(fused)) if fused else np.zeros((1, 0))
        if overlaps.size and overlaps.max() > least:
            place = int(overlaps.argmax())
            groups[place].append(int(n))
        else:
            place = len(groups)
            groups.append([int(n)])
            fused.append(given[n])
        weights = np.asarray(scores, dtype=np.float64)[groups[place]]
        mean = weights @ corners[groups[place]] / weights.sum()
        fused[place] = np.concatenate([mean[:2], mean[2:] - mean[:2]])
    made = [
        Fused(tuple(box.tolist()), float(max(scores[n] for n in group)), tuple(group))
        for box, group in zip(fused, groups, strict=True)
    ]
    return sorted(made, key=lambda one: -one.score)


def suppress(boxes: npt.ArrayLike, scores: Sequence[float], least: float) -> list[Fused]:
    """Of boxes that overlap by more than `least` the one of highest score (non-maximum suppression).

    Parameters
    ----------
    boxes : (n, 4) float
        x, y, width, height.
    scores : (n,) float
        Of each.
    least : float
        IoU.
    """
    given, kept = np.asarray(boxes, dtype=np.float64).reshape(-1, 4), list[int]()
    for n in np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable"):
        if not kept or box_iou(given[n], given[kept]).max() <= least:
            kept.append(int(n))
    return [Fused(tuple(given[n].tolist()), float(scores[n]), (n,)) for n in kept]


def box_of_map(heat: npt.NDArray[np.float32], share: float) -> tuple[float, ...] | None:
    """Box, in [0, 1], around the largest connected part of a map above a share of its maximum.

    Parameters
    ----------
    heat : (h, w) float32
        Not negative.
    share : float
        In (0, 1).
    """
    if not heat.max() > 0:
        return None
    high, wide = (n * FINER for n in heat.shape)
    fine = np.asarray(Image.fromarray(heat).resize((wide, high), Image.Resampling.BILINEAR))
    part = largest_component(fine >= share * fine.max())
    rows, columns = np.flatnonzero(part.any(1)), np.flatnonzero(part.any(0))
    x, y = columns[0] / wide, rows[0] / high
    return float(x), float(y), float((columns[-1] + 1) / wide - x), float((rows[-1] + 1) / high - y)
