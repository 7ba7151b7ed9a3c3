"""Affine maps of the world as twelve numbers, all in mm: they can be drawn, learned and descended."""

import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial.transform import Rotation

from ..types import FloatArray

REACH_MM = 60.0
"""So far from the centre a turn, a scale or a shear of 1 moves a point by about 1 mm, as a shift does."""

RIGID = 6
"""So many of the numbers, from the first on, are a rigid map's."""


def matrix_of(numbers: torch.Tensor, centre_mm: torch.Tensor) -> torch.Tensor:
    """World maps (…, 4, 4): x → c + t + R S K (x − c), differentiable.

    R = exp of the cross product with the turn, S = diag(exp(scale)), K = 1 and the shears above its diagonal.

    Parameters
    ----------
    numbers : (…, 12) float
        Turn, shift t, scale and shear, three each, in mm; all but the shift are those at `REACH_MM` of c.
    centre_mm : (3,) float
        c.
    """
    turn, shift, scale, shear = numbers.split(3, -1)
    x, y, z = (turn / REACH_MM).unbind(-1)
    none = torch.zeros_like(x)
    cross = torch.stack([none, -z, y, z, none, -x, -y, x, none], -1).unflatten(-1, (3, 3))
    a, b, c = (shear / REACH_MM).unbind(-1)
    one = torch.ones_like(a)
    sheared = torch.stack([one, a, b, none, one, c, none, none, one], -1).unflatten(-1, (3, 3))
    linear = torch.linalg.matrix_exp(cross) @ torch.diag_embed((scale / REACH_MM).exp()) @ sheared
    moved = centre_mm + shift - (linear @ centre_mm)
    top = torch.cat([linear, moved[..., None]], -1)
    last = top.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*top.shape[:-2], 1, 4)
    return torch.cat([top, last], -2)


def numbers_of(
    world: npt.ArrayLike, centre_mm: npt.ArrayLike, *, rigid: bool = False
) -> npt.NDArray[np.float64]:
    """The numbers (12,) that `matrix_of` makes of a map without a reflection: the way back.

    Parameters
    ----------
    world : (4, 4) float
        A world map.
    centre_mm : (3,) float
        c.
    rigid : bool
        Those of the nearest turn, with the same place for c: scale and shear are then 0.
    """
    matrix, centre = np.asarray(world, np.float64), np.asarray(centre_mm, np.float64)
    linear, shift = matrix[:3, :3], matrix[:3, :3] @ centre + matrix[:3, 3] - centre
    if rigid:
        left, _, right = np.linalg.svd(linear)
        turned, upper = left @ np.diag([1, 1, np.linalg.det(left @ right)]) @ right, np.eye(3)
    else:
        turned, upper = np.linalg.qr(linear)
        signs = np.sign(np.diag(upper))
        turned, upper = turned * signs, signs[:, None] * upper
    scale = np.diag(upper)
    shear = (upper / scale[:, None])[[0, 0, 1], [1, 2, 2]]
    turn = Rotation.from_matrix(turned).as_rotvec()
    return np.concatenate([turn * REACH_MM, shift, np.log(scale) * REACH_MM, shear * REACH_MM])


def draw_affine(
    rng: np.random.Generator,
    *,
    shift_mm: float,
    turn_deg: float,
    scale: float = 0.0,
    shear: float = 0.0,
) -> npt.NDArray[np.float64]:
    """Numbers (12,) of a map for `matrix_of`: each kind in any direction, as far as it may go at most.

    Parameters
    ----------
    rng : Generator
        Where chance comes from.
    shift_mm, turn_deg : float
        Length of the shift, and angle, at most; both are uniform.
    scale, shear : float
        Largest logarithm of a scale, and largest shear.
    """

    def anywhere(most: float) -> npt.NDArray[np.float64]:
        way = rng.standard_normal(3)
        return way / np.linalg.norm(way) * rng.uniform(0, most)

    return np.concatenate(
        [
            anywhere(np.deg2rad(turn_deg) * REACH_MM),
            anywhere(shift_mm),
            rng.uniform(-scale, scale, 3) * REACH_MM,
            rng.uniform(-shear, shear, 3) * REACH_MM,
        ]
    )


def mean_displacement_mm(first: npt.ArrayLike, second: npt.ArrayLike, points_mm: npt.ArrayLike) -> FloatArray:
    """Mean distance (…,) between where two maps put points, in mm.

    Parameters
    ----------
    first, second : (…, 4, 4) float
        World maps.
    points_mm : (N, 3) float
        Where they are compared, such as the voxels of a brain.
    """
    between = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    points = np.asarray(points_mm, np.float64)
    away = np.einsum("...ij,nj->...ni", between[..., :3, :3], points) + between[..., None, :3, 3]
    found: FloatArray = np.linalg.norm(away, axis=-1).mean(-1)
    return found
