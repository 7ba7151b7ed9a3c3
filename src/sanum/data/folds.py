"""Cross-validation of detectors that learn from normals alone: k folds of normals, m folds of abnormals.

Run (g, b): training is all normal folds from g on but two, validation the next normal fold and abnormal fold
b, test the last normal fold and the abnormal folds that are left. No abnormal is ever trained on, and no
group (a patient, or images that are nearly the same) is in two of the three sets.
"""

import json
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import KFold

Indices = tuple[int, ...]


@dataclass(frozen=True)
class Split:
    """Three sets of images; numbers are those of the images, from 0.

    Parameters
    ----------
    train : tuple of int
        To learn from.
    validation : tuple of int
        Epoch and threshold are chosen on them.
    test : tuple of int
        Scored once.
    left_out : tuple of int
        Images that are in no set, for their group is in another one.
    """

    train: Indices
    validation: Indices
    test: Indices
    left_out: Indices = ()

    @property
    def name(self) -> str:
        """Of its files."""
        raise NotImplementedError

    def sets(self) -> Iterator[tuple[str, Indices]]:
        """Name and images of each set."""
        yield from (("train", self.train), ("validation", self.validation), ("test", self.test))


@dataclass(frozen=True)
class Fold(Split):
    """One run of the protocol: training has normals alone.

    Parameters
    ----------
    train, validation, test, left_out
        As of `Split`; validation and test have normals, then abnormals.
    normal, abnormal : int
        The g and b of the run.
    """

    normal: int = 0
    abnormal: int = 0

    @property
    def name(self) -> str:
        """Of its files."""
        return f"fold-g{self.normal}b{self.abnormal}"


def make_folds(
    labels: Sequence[int] | npt.NDArray[np.integer],
    groups: Sequence[Hashable] | None = None,
    *,
    normal_folds: int = 5,
    abnormal_folds: int = 2,
    seed: int = 0,
) -> list[Fold]:
    """All runs, g slow and b fast: `normal_folds` × `abnormal_folds` of them.

    Each class is dealt out by scikit-learn's shuffled `KFold`, group by group in the order in which groups
    first appear. Where every image is a group of its own these are the indices of the published protocol.
    A group of both classes is kept in the test set, else in validation: its other images are left out.

    Parameters
    ----------
    labels : (N,) int
        0 normal, 1 abnormal; the images in the order of their paths.
    groups : (N,) sequence, optional
        Whose image it is; default each its own.
    normal_folds : int
        At least 3.
    abnormal_folds : int
        At least 2.
    seed : int
        Of the shuffling.

    Raises
    ------
    ValueError
        One class only; fewer groups than folds; groups of both classes that leave a set without one.

    Examples
    --------
    >>> folds = make_folds([0] * 10 + [1] * 4)
    >>> len(folds), folds[0].train, folds[0].validation, folds[0].test
    (10, (1, 2, 4, 6, 8, 9), (3, 7, 12, 13), (0, 5, 10, 11))
    """
    y = np.asarray(labels)
    if normal_folds < 3 or abnormal_folds < 2:
        raise ValueError(
            "expected at least 3 folds of normals and 2 of abnormals, "
            f"got {normal_folds} and {abnormal_folds}"
        )
    own = list(groups) if groups is not None else list(range(len(y)))
    if len(own) != len(y):
        raise ValueError(f"expected a group for each of {len(y)} images, got {len(own)}")
    if set(np.unique(y)) != {0, 1}:
        raise ValueError("cross-validation needs normals (label 0) and abnormals (label 1): one is missing")
    parts = {
        label: _deal(np.flatnonzero(y == label), own, count, seed, what)
        for label, count, what in ((0, normal_folds, "normal"), (1, abnormal_folds, "abnormal"))
    }
    folds = [_fold(g, b, parts[0], parts[1], own) for g in range(normal_folds) for b in range(abnormal_folds)]
    for fold in folds:
        if not fold.train or any(set(y[list(some)]) != {0, 1} for some in (fold.validation, fold.test)):
            raise ValueError(
                f"in {fold.name} a set is left without images of one class, because groups of both classes, "
                "or near-duplicates, are kept on one side: give more images, or do not keep groups together "
                "(--ungrouped)"
            )
    return folds


def require_disjoint(fold: Split, groups: Sequence[Hashable]) -> None:
    """Raise `ValueError` if a group is in two sets of a fold.

    Parameters
    ----------
    fold : Split
        Of `make_folds`, or made otherwise.
    groups : (N,) sequence
        Whose image it is.
    """
    sets = [(name, {groups[n] for n in numbers}) for name, numbers in fold.sets()]
    for place, (one, of_one) in enumerate(sets):
        for other, of_other in sets[place + 1 :]:
            if both := of_one & of_other:
                raise ValueError(
                    f"group {next(iter(both))} is in {one} and in {other} of {fold.name}: results would leak"
                )


def manifest(fold: Split, rows: Sequence[dict[str, object]]) -> str:
    """Who is in which set of a fold, as JSON: what `rows` says of each image, by set.

    Parameters
    ----------
    fold : Split
        Of `make_folds`, or otherwise.
    rows : sequence of dict
        Plain values of each image: id, label, group, SHA-256.
    """
    sets = {name: [rows[n] for n in numbers] for name, numbers in fold.sets()}
    left = [rows[n] for n in fold.left_out]
    which = {"normal_fold": fold.normal, "abnormal_fold": fold.abnormal} if isinstance(fold, Fold) else {}
    content = {**which, **sets, "left_out": left}
    return json.dumps(content, indent=1) + "\n"


def hold_out(groups: Sequence[Hashable], share: float, *, seed: int) -> tuple[Indices, Indices]:
    """Split images into those to learn from and those held out, whole groups only.

    Parameters
    ----------
    groups : (N,) sequence
        Whose image it is.
    share : float
        Of the groups that are held out, in (0, 1); at least one, and never all.
    seed : int
        Of the draw.

    Raises
    ------
    ValueError
        There is one group only.
    """
    unique = list(dict.fromkeys(groups))
    if len(unique) < 2:
        raise ValueError(
            "there is one image, or one group of images, only: expected at least 2, one of which is held out"
        )
    count = min(max(1, round(share * len(unique))), len(unique) - 1)
    order = np.random.default_rng(seed).permutation(len(unique))
    held = {unique[n] for n in order[:count]}
    kept = tuple(n for n, group in enumerate(groups) if group not in held)
    return kept, tuple(n for n, group in enumerate(groups) if group in held)


def _deal(
    numbers: npt.NDArray[np.intp], groups: Sequence[Hashable], count: int, seed: int, what: str
) -> list[Indices]:
    """Images of each fold."""
    unique = list(dict.fromkeys(groups[n] for n in numbers))
    if len(unique) < count:
        raise ValueError(
            f"there are {len(unique)} groups of {what} images and {count} folds: expected a group for each; "
            "give more images, or fewer folds"
        )
    dealt = KFold(count, shuffle=True, random_state=seed).split(np.arange(len(unique)))
    found = []
    for _, places in dealt:
        chosen = {unique[place] for place in places}
        found.append(tuple(int(n) for n in numbers if groups[n] in chosen))
    return found


def _fold(
    g: int, b: int, normal: Sequence[Indices], abnormal: Sequence[Indices], groups: Sequence[Hashable]
) -> Fold:
    k = len(normal)
    train = [n for step in range(k - 2) for n in normal[(g + step) % k]]
    validation = [*normal[(g + k - 2) % k], *abnormal[b]]
    test = [*normal[(g + k - 1) % k], *(n for place, part in enumerate(abnormal) if place != b for n in part)]
    in_test = {groups[n] for n in test}
    kept = [n for n in validation if groups[n] not in in_test]
    taken = in_test | {groups[n] for n in kept}
    learned = sorted(n for n in train if groups[n] not in taken)
    left = tuple(sorted({*train, *validation} - {*learned, *kept}))
    fold = Fold(tuple(learned), tuple(kept), tuple(test), left, normal=g, abnormal=b)
    require_disjoint(fold, groups)
    return fold
