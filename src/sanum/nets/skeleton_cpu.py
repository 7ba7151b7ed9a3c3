"""Sub-field thinning on a CPU, voxel by voxel: only where a neighbour was deleted since the last look.

A neighbourhood is a number of 27 bits, and a cell is two masks. What is written equals the plain PyTorch of
`skeleton_torch`, bit for bit; `tests/nets/test_skeleton.py` compares them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit

from .skeleton_cells import A6, A18, A26, B18, B26, CORNERS, EDGES, FACES, OFFSETS, Cell, Offset

HERE, GONE, WAITING = 1, 2, 4  # object; deleted in this iteration; to be looked at


def _mask(offsets: Sequence[Offset]) -> int:
    return sum(1 << OFFSETS.index(o) for o in offsets)


def _masks(cells: Sequence[Cell]) -> Any:
    """(n, 2): the bits that are looked at, and those of them that are set."""
    return np.array([(_mask((*ones, *zeros)), _mask(ones)) for ones, zeros in cells], np.int64)


_A6, _A18, _A26, _B18, _B26 = (_masks(cells) for cells in (A6, A18, A26, B18, B26))
_FACES, _EIGHTEEN, _ALL = _mask(FACES), _mask(FACES + EDGES), _mask(FACES + EDGES + CORNERS)
_FACE_PLACES = np.array([OFFSETS.index(f) for f in FACES], np.int64)
_STEPS = np.array(OFFSETS, np.int64)


@njit(cache=True)
def _number(code: Any, cells: Any) -> Any:
    """How many of the cells are there."""
    n = 0
    for m in range(len(cells)):
        if code & cells[m, 0] == cells[m, 1]:
            n += 1
    return n


@njit(cache=True)
def _bits(code: Any) -> Any:
    n = 0
    while code:
        code &= code - 1
        n += 1
    return n


@njit(cache=True)
def is_simple(code: Any, euler: Any) -> Any:
    """Whether a voxel may go: see `skeleton_torch.simple`.

    Parameters
    ----------
    code : int
        Bit n is set if the neighbour `OFFSETS[n]` is object; the bit of the voxel itself is 0.
    euler : bool
        The approximate test in place of the exact one.
    """
    empty = 6 - _bits(code & _FACES)
    if empty == 0:
        return False
    flat = empty - _number(code, _A18) + _number(code, _A26) == 1
    if euler:
        return flat
    if empty == 1 or _bits(code & _ALL) == 1:
        return True
    if _number(code, _B26):
        return False
    if _bits(code & _EIGHTEEN) == 1:
        return True
    return flat and _number(code, _A6) == 0 and _number(code, _B18) == 0


@njit(cache=True)
def _code(flat: Any, at: Any, near: Any, wanted: Any) -> Any:
    """Bits of the neighbours of which one of the `wanted` bits is set."""
    code = 0
    for b in range(27):
        if flat[at + near[b]] & wanted:
            code |= 1 << b
    return code & _ALL


@njit(cache=True)
def _near(shape: Any) -> Any:
    """Steps to the 27 neighbours in a flat volume of that shape."""
    return (_STEPS[:, 0] * shape[1] + _STEPS[:, 1]) * shape[2] + _STEPS[:, 2]


@njit(cache=True)
def _waiting_lists(volume: Any, flat: Any, near: Any) -> Any:
    """For each of the eight sub-fields, the voxels at the border; there is room for all of its voxels."""
    nx, ny, nz = volume.shape
    room, count = np.zeros(9, np.int64), np.zeros(8, np.int64)
    for i in range(1, nx - 1):
        for j in range(1, ny - 1):
            for k in range(1, nz - 1):
                if volume[i, j, k]:
                    room[1 + 4 * ((i - 1) & 1) + 2 * ((j - 1) & 1) + ((k - 1) & 1)] += 1
    first = np.cumsum(room)
    waiting = np.empty(first[8], np.int64)
    for i in range(1, nx - 1):
        for j in range(1, ny - 1):
            for k in range(1, nz - 1):
                at = (i * ny + j) * nz + k
                if volume[i, j, k] and _code(flat, at, near, HERE) & _FACES != _FACES:
                    field = 4 * ((i - 1) & 1) + 2 * ((j - 1) & 1) + ((k - 1) & 1)
                    waiting[first[field] + count[field]] = at
                    count[field] += 1
                    volume[i, j, k] = HERE | WAITING
    return waiting, first, count


@njit(cache=True, nogil=True)
def thin(volume: Any, most: Any, euler: Any, order: Any, empty: Any) -> Any:
    """Thin a volume in place (what is left has the bit `HERE`), and list the deletions in their order.

    A voxel is looked at again only after one of its neighbours was deleted: before that neither test can come
    out otherwise, and an end point stays one.

    Parameters
    ----------
    volume : (X + 2, Y + 2, Z + 2) uint8
        1 is object; the border is 0.
    most : int
        Iterations at most.
    euler : bool
        The approximate test in place of the exact one.
    order : (n,) int64
        Filled with places in the flat volume; n is the number of voxels of the object.
    empty : (n,) uint8
        Filled: bit b is set if the face `FACES[b]` was background when the voxel was deleted.

    Returns
    -------
    int
        Number of deletions.
    """
    flat, near = volume.reshape(-1), _near(volume.shape)
    waiting, first, count = _waiting_lists(volume, flat, near)
    other = 4 * (_STEPS[:, 0] & 1) + 2 * (_STEPS[:, 1] & 1) + (_STEPS[:, 2] & 1)
    done = 0
    for _ in range(most):
        began = done
        for field in range(8):
            n, count[field] = count[field], 0  # neighbours are never in the same sub-field
            for m in range(n):
                at = waiting[first[field] + m]
                flat[at] = HERE
                code = _code(flat, at, near, HERE)
                if not is_simple(code, euler) or _bits(_code(flat, at, near, HERE | GONE)) <= 1:
                    continue
                flat[at] = GONE
                order[done], empty[done] = at, 0
                for b in range(6):
                    if not code >> _FACE_PLACES[b] & 1:
                        empty[done] |= 1 << b
                done += 1
                for b in range(27):
                    to = at + near[b]
                    if flat[to] == HERE:
                        flat[to] = HERE | WAITING
                        next_field = field ^ other[b]
                        waiting[first[next_field] + count[next_field]] = to
                        count[next_field] += 1
        for m in range(began, done):
            flat[order[m]] = 0
        if done == began:
            break
    return done


@njit(cache=True, nogil=True)
def send_back(gradient: Any, order: Any, empty: Any) -> None:
    """Turn the gradient of a skeleton into that of the object, in place: the deletions, last one first.

    Parameters
    ----------
    gradient : (X + 2, Y + 2, Z + 2) float32 or float64
        What comes to its border leaves the image.
    order, empty : (n,) int64, (n,) uint8
        See `thin`; the deletions alone.
    """
    flat, near = gradient.reshape(-1), _near(gradient.shape)
    for m in range(len(order) - 1, -1, -1):
        at = order[m]
        share = flat[at] / _bits(np.int64(empty[m]))
        flat[at] = 0
        for b in range(6):
            if empty[m] >> b & 1:
                flat[at + near[_FACE_PLACES[b]]] += share
