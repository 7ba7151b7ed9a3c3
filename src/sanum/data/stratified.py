"""Cross-validation of classifiers that learn from both classes: stratified, whole groups on one side."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedGroupKFold

from .folds import Indices, Split, require_disjoint


@dataclass(frozen=True)
class StratifiedFold(Split):
    """One run: the fold that is tested, the next one for validation, the rest to learn from.

    Parameters
    ----------
    train, validation, test, left_out
        As of `Split`.
    number : int
        Of the fold that is tested, from 0.
    """

    number: int = 0

    @property
    def name(self) -> str:
        """Of its files."""
        return f"fold-{self.number}"


def stratified_folds(
    labels: Sequence[int] | npt.NDArray[np.integer],
    groups: Sequence[Hashable] | None = None,
    *,
    folds: int = 5,
    seed: int = 0,
) -> list[StratifiedFold]:
    """Runs in which every image is tested once: with five folds 60 % train, 20 % validation, 20 % test.

    Parameters
    ----------
    labels : (N,) int
        0 normal, 1 abnormal.
    groups : (N,) sequence, optional
        Whose image it is; default each its own.
    folds : int
        At least 3.
    seed : int
        Of the shuffling.

    Raises
    ------
    ValueError
        One class only; fewer groups of a class than folds; groups so large that a set has one class only.

    Examples
    --------
    >>> [len(fold.test) for fold in stratified_folds([0] * 6 + [1] * 3, folds=3)]
    [3, 3, 3]
    """
    if folds < 3:
        raise ValueError(f"expected at least 3 folds: to learn from, to validate on, to test; got {folds}")
    parts = _deal(labels, groups, folds, seed)
    found = []
    for k in range(folds):
        rest = sorted(n for step in range(2, folds) for n in parts[(k + step) % folds])
        found.append(StratifiedFold(tuple(rest), parts[(k + 1) % folds], parts[k], number=k))
    y = np.asarray(labels)
    for fold in found:
        for name, numbers in fold.sets():
            if set(y[list(numbers)]) != {0, 1}:
                raise ValueError(
                    f"in {fold.name} the set {name} lacks images of one class, because whole groups "
                    "are kept on one side: give more images, or do not keep groups together (--ungrouped)"
                )
        require_disjoint(fold, list(range(len(y))) if groups is None else groups)
    return found


def folds_by_strata(strata: Sequence[Hashable], *, folds: int, seed: int) -> list[StratifiedFold]:
    """Runs in which every subject is tested once, and the fold before the tested one validates.

    The members of each stratum are dealt out one by one, the strata in order, so that neither a stratum nor
    strata that follow each other differ by more than one between two folds.

    Parameters
    ----------
    strata : (N,) sequence
        What each subject has, sortable: such as (outcome, whether it is large).
    folds : int
        At least 3.
    seed : int
        Of the shuffling.

    Examples
    --------
    >>> [len(fold.test) for fold in folds_by_strata([0] * 6 + [1] * 4, folds=3, seed=0)]
    [4, 3, 3]
    """
    if folds < 3:
        raise ValueError(f"expected at least 3 folds: to learn from, to validate on, to test; got {folds}")
    parts = deal_by_strata(strata, folds, seed)
    return [
        StratifiedFold(
            tuple(sorted(n for step in range(1, folds - 1) for n in parts[(k + step) % folds])),
            parts[k - 1],
            parts[k],
            number=k,
        )
        for k in range(folds)
    ]


def deal_by_strata(strata: Sequence[Hashable], count: int, seed: int) -> list[Indices]:
    """Numbers of the subjects of each part.

    Parameters
    ----------
    strata : (N,) sequence
        As of `folds_by_strata`.
    count : int
        Of the parts.
    seed : int
        Of the shuffling.
    """
    rng = np.random.default_rng(seed)
    order: list[int] = []
    for stratum in sorted(set(strata)):  # type: ignore[type-var]
        order += rng.permutation([n for n, own in enumerate(strata) if own == stratum]).tolist()
    return [tuple(sorted(order[k::count])) for k in range(count)]


def hold_out_of_both(
    labels: Sequence[int] | npt.NDArray[np.integer],
    groups: Sequence[Hashable],
    share: float,
    *,
    seed: int,
) -> tuple[Indices, Indices]:
    """Split images of both classes into those to learn from and those held out, whole groups only.

    Parameters
    ----------
    labels : (N,) int
        0 normal, 1 abnormal.
    groups : (N,) sequence
        Whose image it is.
    share : float
        That is held out, about; one of a whole number of equal parts.
    seed : int
        Of the draw.

    Raises
    ------
    ValueError
        One class only; fewer than two groups of a class; groups so large that a part has one class only.
    """
    y = np.asarray(labels)
    fewest = min(len({g for g, one in zip(groups, y, strict=True) if one == label}) for label in (0, 1))
    parts = _deal(y, groups, min(max(2, round(1 / share)), max(2, fewest)), seed)
    held = parts[0]
    kept = tuple(sorted(n for part in parts[1:] for n in part))
    if any(set(y[list(some)]) != {0, 1} for some in (kept, held)):
        raise ValueError(
            "whole groups cannot be held out so that both parts have normals and abnormals: give more images"
        )
    return kept, held


def _deal(
    labels: Sequence[int] | npt.NDArray[np.integer],
    groups: Sequence[Hashable] | None,
    count: int,
    seed: int,
) -> list[Indices]:
    """Images of each part."""
    y = np.asarray(labels)
    if set(np.unique(y)) != {0, 1}:
        raise ValueError("a classifier needs normals (label 0) and abnormals (label 1): one is missing")
    own = list(range(len(y))) if groups is None else list(groups)
    if len(own) != len(y):
        raise ValueError(f"expected a group for each of {len(y)} images, got {len(own)}")
    for label, what in ((0, "normal"), (1, "abnormal")):
        there = len({group for group, one in zip(own, y, strict=True) if one == label})
        if there < count:
            raise ValueError(
                f"there are {there} groups of {what} images and {count} folds: expected a group for each; "
                "give more images, or fewer folds"
            )
    number = {group: n for n, group in enumerate(dict.fromkeys(own))}
    whose = [number[group] for group in own]
    dealt = StratifiedGroupKFold(count, shuffle=True, random_state=seed).split(np.zeros(len(y)), y, whose)
    return [tuple(int(n) for n in places) for _, places in dealt]
