"""The patterns of a voxel's 26 neighbours that both backends of `sanum.nets.skeleton` count.

A neighbour is a triple of −1, 0 and 1. A cell is two tuples of neighbours: those that must be object, and
those that must be background. Names of cells are Bertrand's (1996).
"""

from itertools import product

Offset = tuple[int, int, int]
Cell = tuple[tuple[Offset, ...], tuple[Offset, ...]]

OFFSETS: tuple[Offset, ...] = tuple((i, j, k) for i, j, k in product((-1, 0, 1), repeat=3))
"""All 27, the voxel itself in the middle; place n is bit n of a neighbourhood that is kept as a number."""


def _of_distance(n: int) -> tuple[Offset, ...]:
    return tuple(o for o in OFFSETS if sum(map(abs, o)) == n)


FACES, EDGES, CORNERS = _of_distance(1), _of_distance(2), _of_distance(3)


def _between(o: Offset) -> tuple[Offset, ...]:
    """Neighbours in the box from the voxel to `o`, `o` itself left out."""
    box = product(*((0, step) if step else (0,) for step in o))
    return tuple(p for p in dict.fromkeys((i, j, k) for i, j, k in box) if p != o and any(p))


def _beside(face: Offset) -> tuple[Offset, ...]:
    """The four edge neighbours that share a side with a face neighbour."""
    return tuple(e for e in EDGES if sum(a * b for a, b in zip(e, face, strict=True)) == 1)


def _around(edge: Offset) -> tuple[Offset, ...]:
    """The eight neighbours that separate an edge neighbour, and the corners beyond it, from the others."""
    i, j, k = (slice(-1, 2) if step == 0 else slice(min(step, 0), max(step, 0) + 1) for step in edge)
    box = product(*(range(s.start, s.stop) for s in (i, j, k)))
    behind = [p for p in box if any(p) and any(s and not q for s, q in zip(edge, p, strict=True))]
    return tuple((a, b, c) for a, b, c in behind)


A6: tuple[Cell, ...] = tuple((_beside(f), (f,)) for f in FACES)
"""A face neighbour is background, alone among the four beside it."""

A18: tuple[Cell, ...] = tuple(((), (e, *_between(e))) for e in EDGES)
"""An edge neighbour and the two faces on the way to it are background."""

A26: tuple[Cell, ...] = tuple(((), (c, *_between(c))) for c in CORNERS)
"""A whole octant is background."""

B18: tuple[Cell, ...] = tuple(((e,), _around(e)) for e in EDGES)
"""An edge neighbour is object, and cut off from the rest."""

B26: tuple[Cell, ...] = tuple(((c,), _between(c)) for c in CORNERS)
"""A corner neighbour is object, and the rest of its octant is background."""
