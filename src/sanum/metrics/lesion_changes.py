"""Lesions of two visits, matched by where they overlap: new, grown, shrunk, vanished, stable."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

State = Literal["new", "grown", "stable", "shrunk", "vanished"]
STATES: tuple[State, ...] = ("new", "grown", "stable", "shrunk", "vanished")

LEAST_SHARE = 0.1
"""Of the smaller of two lesions that lies in the other: less is a touch, and no match."""

CHANGED, CHANGED_ML = 1.25, 0.01
"""A lesion has grown if its volume is more than so many times what it was, and more by so many mL."""


@dataclass(frozen=True)
class Change:
    """Lesions that are one at two visits; several of a visit where one has split, or some have merged.

    Parameters
    ----------
    state : str
        One of `STATES`.
    before, now : tuple of int
        Their numbers at each visit, from 1.
    before_ml, now_ml : float
        Their volume together, mL.
    """

    state: State
    before: tuple[int, ...]
    now: tuple[int, ...]
    before_ml: float
    now_ml: float


def changes(
    before: npt.NDArray[np.integer],
    now: npt.NDArray[np.integer],
    before_ml: Sequence[float],
    now_ml: Sequence[float],
    near: Sequence[tuple[int, int]] = (),
) -> tuple[Change, ...]:
    """What has become of each lesion: those of now first, the largest first, then those that vanished.

    Two lesions are one if `LEAST_SHARE` of the smaller lies in the other. A visit's own volumes are
    compared, not those on the common grid, which are resampled.

    Parameters
    ----------
    before, now : (X, Y, Z) int
        Numbers of the lesions on a common grid, 0 elsewhere.
    before_ml, now_ml : sequence of float
        Volume of each lesion, by number from 1, mL.
    near : sequence of (int, int)
        Numbers before and now of lesions that are a voxel's width apart, the nearest first: they are one
        where neither is one with any other.
    """
    n, m = len(before_ml), len(now_ml)
    both = (before > 0) & (now > 0)
    pairs, shared = np.unique(np.stack([before[both], now[both]]), axis=1, return_counts=True)
    sizes = (np.bincount(before.ravel(), minlength=n + 1), np.bincount(now.ravel(), minlength=m + 1))
    smaller = np.minimum(sizes[0][pairs[0]], sizes[1][pairs[1]])
    joined = pairs[:, shared >= LEAST_SHARE * smaller].astype(np.intp).T.tolist()
    lone = set(range(1, n + 1)) - {x for x, _ in joined}, set(range(1, m + 1)) - {y for _, y in joined}
    for x, y in near:
        if x in lone[0] and y in lone[1]:
            joined.append([x, y])
            lone[0].remove(x)
            lone[1].remove(y)
    a, b = np.array(joined, np.intp).reshape(-1, 2).T
    graph = coo_array((np.ones(len(a)), (a - 1, n + b - 1)), shape=(n + m, n + m))
    group = connected_components(graph, directed=False)[1]
    members: dict[int, tuple[list[int], list[int]]] = {}
    for node, one in enumerate(group):
        earlier, later = members.setdefault(int(one), ([], []))
        (earlier if node < n else later).append(node + 1 - (0 if node < n else n))
    found = [_change(tuple(x), tuple(y), before_ml, now_ml) for x, y in members.values()]
    return tuple(sorted(found, key=lambda c: (not c.now, -c.now_ml, -c.before_ml, c.now, c.before)))


def _change(
    before: tuple[int, ...], now: tuple[int, ...], before_ml: Sequence[float], now_ml: Sequence[float]
) -> Change:
    was, is_ = (float(sum(ml[k - 1] for k in ids)) for ids, ml in ((before, before_ml), (now, now_ml)))
    return Change(_state(was, is_), before, now, was, is_)


def _state(was: float, is_: float) -> State:
    if not was:
        return "new"
    if not is_:
        return "vanished"
    if abs(is_ - was) <= CHANGED_ML or max(is_ / was, was / is_) <= CHANGED:
        return "stable"
    return "grown" if is_ > was else "shrunk"
