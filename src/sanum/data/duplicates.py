"""Pictures that are nearly the same, such as neighbouring slices: a fold must not know one of the other."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..scan.picture import Picture
from ..scan.picture_conform import PictureConfig, conform
from ..types import FloatArray

NEAR = 0.01
"""Mean squared difference, of pictures in [0, 1] at 64 × 64 pixels, below which two count as one."""

OF_MEDIAN = 1 / 8
"""The limit is at most this share of the median of all pairs: images that are all alike are no duplicates."""

OF_SLICES = 0.9
"""Two volumes are nearly the same if so large a share of their slices with the same number is.

Single slices of two people often are, near the top of the head."""

FINGERPRINT = PictureConfig(size=64, fit="stretch")
_BLOCK = 512
_SAMPLED = 1000  # pictures, for the median


def fingerprint(picture: Picture) -> FloatArray:
    """A picture in [0, 1] at 64 × 64 pixels, stretched, as near-duplicates are found by.

    Parameters
    ----------
    picture : Picture
        Any.
    """
    return conform(replace(picture, dtype="float32"), FINGERPRINT).pixels


def near_pairs(prints: Sequence[FloatArray], near: float = NEAR) -> list[tuple[int, int]]:
    """Pairs whose mean squared difference is below a limit; of different channel counts none.

    Parameters
    ----------
    prints : sequence of (C, 64, 64) float32
        Of `fingerprint`.
    near : float
        The limit, or `OF_MEDIAN` of the median if that is less.
    """
    by_channels: dict[int, list[int]] = {}
    for n, one in enumerate(prints):
        by_channels.setdefault(len(one), []).append(n)
    pairs: list[tuple[int, int]] = []
    for numbers in by_channels.values():
        flat = np.stack([prints[n].ravel() for n in numbers]).astype(np.float64)
        some = flat[:: -(-len(flat) // _SAMPLED)]
        if len(some) > 2:
            between = np.median(_distances(some, some)[np.triu_indices(len(some), 1)])
            limit = min(near, OF_MEDIAN * float(between))
        else:
            limit = near
        for first in range(0, len(flat), _BLOCK):
            block = slice(first, first + _BLOCK)
            for a, b in np.argwhere(_distances(flat[block], flat) < limit):
                if a + first < b:
                    pairs.append((numbers[a + first], numbers[b]))
    return sorted(pairs)


def of_whole_volumes(
    pairs: Sequence[tuple[int, int]], places: Sequence[tuple[str, int | None]]
) -> list[tuple[int, int]]:
    """Those pairs that are no slices of two volumes, unless these are nearly the same; see `OF_SLICES`.

    Parameters
    ----------
    pairs : sequence of (int, int)
        Of `near_pairs`.
    places : sequence of (str, int or None)
        File of each picture, and its number there; None: the file has no other.
    """
    slices = Counter(file for file, number in places if number is not None)
    alike = Counter(
        (places[a][0], places[b][0]) for a, b in pairs if places[a][1] is not None and _matching(places, a, b)
    )

    def counts(a: int, b: int) -> bool:
        (one, n), (other, m) = places[a], places[b]
        if one == other or n is None or m is None:
            return True
        same = alike[one, other] + alike[other, one]
        return same >= OF_SLICES * min(slices[one], slices[other])

    return [(a, b) for a, b in pairs if counts(a, b)]


def _matching(places: Sequence[tuple[str, int | None]], a: int, b: int) -> bool:
    return places[a][0] != places[b][0] and places[a][1] == places[b][1]


def _distances(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Mean squared differences of all rows of both."""
    own: npt.NDArray[np.float64] = (one**2).mean(1)[:, None] + (other**2).mean(1)[None]
    distances: npt.NDArray[np.float64] = own - 2 * one @ other.T / one.shape[1]
    return distances


def joined(groups: Sequence[str], pairs: Sequence[tuple[int, int]]) -> list[str]:
    """Groups after those of each pair are made one: each is called as the first of its members was.

    Parameters
    ----------
    groups : sequence of str
        Of each picture.
    pairs : sequence of (int, int)
        Pictures that belong together.

    Examples
    --------
    >>> joined(["a", "b", "c", "b"], [(2, 3)])
    ['a', 'b', 'b', 'b']
    """
    names = list(dict.fromkeys(groups))
    place = {name: n for n, name in enumerate(names)}
    number = [place[group] for group in groups]
    ends = np.array([(number[a], number[b]) for a, b in pairs], dtype=int).reshape(-1, 2)
    links = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(len(names), len(names)))
    _, found = connected_components(links, directed=False)
    first = {int(part): names[n] for n, part in reversed(list(enumerate(found)))}
    return [first[int(found[n])] for n in number]
