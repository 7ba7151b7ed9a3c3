"""Sub-field thinning in plain PyTorch, on any device: what `skeleton_cpu` must equal.

Sums, products and elementary non-linearities of shifted views; autograd makes the gradient.
"""

from itertools import product

import torch
from torch import Tensor
from torch.nn.functional import pad, relu

from .skeleton_cells import A6, A18, A26, B18, B26, CORNERS, EDGES, FACES, Offset

NEAR = FACES + EDGES + CORNERS
"""The order of neighbours here: 6, up to 18, up to 26."""
_GROUPS = (A6, A18, A26, B18, B26)


def _kernels() -> tuple[Tensor, Tensor]:
    """(46, 26): 1 where a cell wants an object, −1 where background; (46, 1): how many objects it wants."""
    rows = [
        [1.0 if o in ones else -1.0 if o in zeros else 0.0 for o in NEAR]
        for cells in _GROUPS
        for ones, zeros in cells
    ]
    weights = torch.tensor(rows)
    return weights, (weights > 0).sum(1, keepdim=True).float()


_WEIGHTS, _WANTED = _kernels()


def simple(near: Tensor, euler: bool) -> Tensor:
    """Whether a voxel may go without a change of topology (26 neighbours of the object, 6 of the background).

    With z background voxels among the six faces, Bertrand's test (1996), which is exact: one of

    1. z = 1;
    2. one object voxel among the 26;
    3. one object voxel among the 18 of faces and edges, and no cell B26;
    4. no cell A6, B18 or B26, and z − #A18 + #A26 = 1.

    The other test (Lobregt's) is the last equation alone: the Euler characteristic stays. It is
    necessary, and not sufficient in three dimensions.

    Parameters
    ----------
    near : (26, n) float32
        Whether the neighbours, in the order of `NEAR`, are object: 0 or 1.
    euler : bool
        The second test.
    """
    there = relu(_WEIGHTS.to(near.device) @ near - (_WANTED.to(near.device) - 1))  # 1 or 0
    a6, a18, a26, b18, b26 = (g.sum(0) for g in there.split([len(cells) for cells in _GROUPS]))
    empty = 6 - near[:6].sum(0)
    flat: Tensor = empty - a18 + a26 == 1
    if euler:
        return flat
    flat = flat & (a6 + b18 + b26 == 0)
    hangs = (near[:18].sum(0) == 1) & (b26 == 0)
    may_go: Tensor = (empty == 1) | (near.sum(0) == 1) | hangs | flat
    return may_go


def _view(x: Tensor, field: Offset, step: Offset) -> Tensor:
    """Of a padded volume, the neighbours at `step` of every voxel of a sub-field."""
    at = [
        slice(1 + f + s, 1 + f + s + 2 * ((n - 2 - f + 1) // 2) - 1, 2)
        for f, s, n in zip(field, step, x.shape[-3:], strict=True)
    ]
    return x[..., at[0], at[1], at[2]]


def _ends(x: Tensor) -> Tensor:
    """Voxels of a padded volume with at most one object among their 26 neighbours; padded as well."""
    n = x.to(torch.int8)
    for axis in (-3, -2, -1):
        length = x.shape[axis] - 2
        n = sum(n.narrow(axis, k, length) for k in range(3))  # type: ignore[assignment]
    return pad(n - x[..., 1:-1, 1:-1, 1:-1].to(torch.int8) <= 1, (1,) * 6)


def thin(x: Tensor, most: int | None, euler: bool) -> Tensor:
    """Skeleton of volumes of 0 and 1.

    Parameters
    ----------
    x : (N, X, Y, Z) float32 or float64
        Gradients flow back to it.
    most : int or None
        Iterations; None: until nothing is deleted.
    euler : bool
        See `simple`.
    """
    x = pad(x, (1,) * 6)
    fields = [(i, j, k) for i, j, k in product((0, 1), repeat=3) if x.shape[1] > 2 + i and x.shape[2] > 2 + j]
    left = most
    while left is None or left > 0:
        before = x.detach()
        ends = _ends(before > 0.5)
        for field in fields:
            here = _view(x, field, (0, 0, 0))
            near = torch.stack([_view(x.detach(), field, o) for o in NEAR]).float()
            may_go = simple(near.flatten(1), euler).view(here.shape) & ~_view(ends, field, (0, 0, 0))
            # d = [may go] · max over the faces of (1 − x); amax shares a gradient evenly among ties
            border = (1 - torch.stack([_view(x, field, f) for f in FACES])).amax(0)
            thinner = here - relu(here + may_go * border - 1)
            x = x.clone()
            _view(x, field, (0, 0, 0)).copy_(thinner)
        left = None if left is None else left - 1
        if torch.equal(before, x.detach()):
            break
    return x[..., 1:-1, 1:-1, 1:-1]
