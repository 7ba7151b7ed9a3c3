"""Pose and shape: one affine and one smooth warp, composed into a single interpolation."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..space.grid import Grid
from ..space.mirror import reflection
from ..types import Affine, FloatArray


@dataclass(frozen=True)
class GeometryParams:
    """Pose and shape of a head in the box.

    Parameters
    ----------
    rotation_deg : (3,) float
        Rotation about x, y and z, in degrees.
    shear : (3,) float
        Shear of x by y, of x by z, and of y by z.
    scale : (3,) float
        Scaling along each axis.
    shift_mm : (3,) float
        Shift in mm.
    warp_cells : int
        Knots of the smooth warp along each axis.
    warp_sigma_mm : float
        σ of the warp at its knots, in mm.
    flip : bool
        The head is reflected, left for right.
    mirror_error : (3,) float
        Error of the mid-plane: two angles in degrees, and an offset in mm.
    seed : int
        Of the warp.
    """

    rotation_deg: tuple[float, float, float]
    shear: tuple[float, float, float]
    scale: tuple[float, float, float]
    shift_mm: tuple[float, float, float]
    warp_cells: int
    warp_sigma_mm: float
    flip: bool
    mirror_error: tuple[float, float, float]
    seed: int


def draw_geometry(rng: np.random.Generator, *, published: bool = False) -> GeometryParams:
    """Pose; rotation, shear and scale in narrower ranges than published (methods/anatomy/una/README.md).

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    published : bool
        The ranges are those of Table B.1: ±15°, ±0.2, 1 ± 0.2.
    """
    turn, shear, scale = (15, 0.2, (0.8, 1.2)) if published else (10, 0.06, (0.87, 1.15))
    far = rng.random() < 0.25  # a first pass sees the head far off the centre
    reach = np.array([10.0, 12.0, 16.0]) if far else np.array([4.0, 5.0, 5.0])

    def three(low: float, high: float) -> tuple[float, float, float]:
        return tuple(float(v) for v in rng.uniform(low, high, 3))  # type: ignore[return-value]

    return GeometryParams(
        rotation_deg=three(-turn, turn),
        shear=three(-shear, shear),
        scale=three(*scale),
        shift_mm=tuple(float(v) for v in rng.uniform(-reach, reach)),  # type: ignore[arg-type]
        warp_cells=int(rng.integers(4, 9)),
        warp_sigma_mm=float(rng.uniform(0, 4)),
        flip=bool(rng.random() < 0.5),
        mirror_error=tuple(float(v) for v in rng.normal(0, [0.7, 0.7, 0.5])),  # type: ignore[arg-type]
        seed=int(rng.integers(2**31)),
    )


def identity_geometry() -> GeometryParams:
    """No change at all."""
    zero, one = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    return GeometryParams(zero, zero, one, zero, 4, 0.0, False, zero, 0)


def linear_part(params: GeometryParams) -> npt.NDArray[np.float64]:
    """(3, 3) map of displacements, model mm → subject mm.

    Parameters
    ----------
    params : GeometryParams
        Of `draw_geometry`.
    """
    flip = np.diag([-1.0 if params.flip else 1.0, 1.0, 1.0])
    return _turn(params.rotation_deg) @ _shear(params.shear) @ np.diag(1 / np.asarray(params.scale)) @ flip


def _turn(degrees: tuple[float, float, float]) -> npt.NDArray[np.float64]:
    a, b, c = np.deg2rad(degrees)
    rx = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    ry = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    rz = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    out: npt.NDArray[np.float64] = rz @ ry @ rx
    return out


def _shear(shear: tuple[float, float, float]) -> npt.NDArray[np.float64]:
    out = np.eye(3)
    out[0, 1], out[0, 2], out[1, 2] = shear
    return out


def to_subject(params: GeometryParams, centre_mm: npt.ArrayLike) -> Affine:
    """(4, 4) affine part of the pose: model mm → subject mm = centre + A (model mm + shift).

    Parameters
    ----------
    params : GeometryParams
        Of `draw_geometry`.
    centre_mm : (3,) float
        Middle of the subject's brain, in mm.
    """
    a = linear_part(params)
    out = np.eye(4)
    out[:3, :3] = a
    out[:3, 3] = np.asarray(centre_mm) + a @ np.asarray(params.shift_mm)
    return out


@dataclass(frozen=True)
class AlignmentError:
    """What a registration gets wrong.

    Parameters
    ----------
    rotation_deg : (3,) float
        Rotation about x, y and z, in degrees.
    log_scale : (3,) float
        Logarithm of the scaling along each axis.
    shear : (3,) float
        As of `GeometryParams`.
    shift_mm : (3,) float
        Shift in mm.
    """

    rotation_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    log_scale: tuple[float, float, float] = (0.0, 0.0, 0.0)
    shear: tuple[float, float, float] = (0.0, 0.0, 0.0)
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)


def draw_alignment_error(rng: np.random.Generator) -> AlignmentError:
    """About what a registration of the scan to the atlas leaves (methods/anatomy/una/README.md).

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    """
    size = rng.uniform(0.2, 0.9)

    def three(sigma: float) -> tuple[float, float, float]:
        return tuple(float(v) for v in rng.normal(0, size * sigma, 3))  # type: ignore[return-value]

    return AlignmentError(three(1.5), three(0.015), three(0.01), three(1.5))


def alignment(error: AlignmentError) -> Affine:
    """(4, 4) affine of an alignment error.

    Parameters
    ----------
    error : AlignmentError
        Of `draw_alignment_error`.
    """
    out = np.eye(4)
    out[:3, :3] = _turn(error.rotation_deg) @ _shear(error.shear) @ np.diag(np.exp(error.log_scale))
    out[:3, 3] = error.shift_mm
    return out


def pose_map(
    params: GeometryParams, box: Grid, subject: Grid, centre_mm: npt.ArrayLike
) -> tuple[Affine, FloatArray]:
    """Where a voxel of `box` (whose centre is world 0) lies in the subject, in voxels, for `kernels.pose`.

    subject mm = centre + A (model mm + shift) + u(model mm), u a trilinear field on `warp_cells`³ knots.

    Parameters
    ----------
    params : GeometryParams
        Of `draw_geometry`.
    box : Grid
        Grid of the box, its middle at world 0.
    subject : Grid
        Grid of the subject.
    centre_mm : (3,) float
        Middle of the subject's brain, in mm.

    Returns
    -------
    (3, 4) float64
        The affine part.
    (N, N, N, 3) float32
        u at its knots.
    """
    matrix = np.linalg.inv(subject.affine) @ to_subject(params, centre_mm) @ box.affine
    n = params.warp_cells
    if params.warp_sigma_mm == 0:
        return matrix[:3], np.zeros((2, 2, 2, 3), np.float32)
    knots = np.random.default_rng(params.seed).standard_normal((3, n, n, n)).astype(np.float32)
    size = (params.warp_sigma_mm / subject.spacing_mm).astype(np.float32)
    return matrix[:3], np.ascontiguousarray(np.moveaxis(knots, 0, -1) * size)


def mirror_in_model(params: GeometryParams, subject_mirror: Affine, centre_mm: npt.ArrayLike) -> Affine:
    """World reflection of the model box that stands for the subject's mid-plane, with the drawn error.

    Parameters
    ----------
    params : GeometryParams
        Of `draw_geometry`.
    subject_mirror : (4, 4) float64
        World reflection across the subject's mid-plane.
    centre_mm : (3,) float
        Middle of the subject's brain, in mm.
    """
    values, vectors = np.linalg.eigh((subject_mirror[:3, :3] + subject_mirror[:3, :3].T) / 2)
    normal, on_plane = vectors[:, int(np.argmin(values))], subject_mirror[:3, 3] / 2
    a = linear_part(params)
    n = a.T @ normal
    # plane n·(x) = e in subject space, x = centre + A (c + shift)
    e = normal @ (on_plane - np.asarray(centre_mm)) - n @ np.asarray(params.shift_mm)
    length = float(np.linalg.norm(n))
    n, e = n / length, e / length
    n = n if n[0] > 0 else -n
    e = e if normal @ a[:, 0] > 0 else -e
    yaw, roll, off = params.mirror_error
    tilted = n + np.deg2rad([0.0, yaw, roll])
    return reflection(tilted, n * (e + off))
