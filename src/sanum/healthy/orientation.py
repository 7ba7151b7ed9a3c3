"""A head that does not lie in the world as its scan's header says: how to turn it, and what to say of it."""

from dataclasses import replace
from itertools import permutations, product

import numpy as np
import numpy.typing as npt

from ..methods.common.anatomy import Posture
from ..scan import Scan
from ..types import Affine, Points
from .localize import OnRefusal, display_name

Rotation = npt.NDArray[np.float64]
# of the axis from left to right, and in all: heads of 40 scans to 14° and 29° (mostly nodding)
MOST_TILT, MOST_ANGLE = 22.0, 40.0
_DIRECTIONS = (("left", "right"), ("back", "front"), ("bottom", "top"))
_RIGHT, _FRONT, _TOP = np.eye(3)


def turn_upright(posture: Posture | None, centre_mm: Points) -> Affine | None:
    """World map (4, 4) about a point that sets the head upright; None if it lies as heads do.

    A map of axes onto axes, as of a wrong header, if that is enough, so that no voxel is interpolated.

    Parameters
    ----------
    posture : Posture, optional
        Of a first look.
    centre_mm : (3,) float64
        What stays where it is.
    """
    if posture is None or posture.pose is None:
        return None
    lies = rotation_of(posture.pose)
    if is_usual(lies):
        return None
    nearest = max(_axes_onto_axes(), key=lambda turn: float(np.trace(turn.T @ lies)))
    turn = nearest if is_usual(lies @ nearest.T) else lies
    out = np.eye(4)
    out[:3, :3] = turn
    out[:3, 3] = centre_mm - turn @ centre_mm
    return out


def rotation_of(pose: Affine) -> Rotation:
    """Rotation (3, 3) that is nearest to an affine map: of its polar decomposition.

    Parameters
    ----------
    pose : (4, 4)
        Without a reflection.
    """
    u, _, v = np.linalg.svd(pose[:3, :3])
    out: Rotation = u @ v
    return out


def is_usual(rotation: Rotation) -> bool:
    """Whether heads lie so in scanners, and the network knows it.

    Parameters
    ----------
    rotation : (3, 3)
        World axes → axes of the head.
    """
    tilt = np.degrees(np.arccos(np.clip(rotation[0, 0], -1, 1)))
    return bool(tilt <= MOST_TILT and _angle(rotation) <= MOST_ANGLE)


def turned(scan: Scan, turn: Affine) -> Scan:
    """The same voxels elsewhere in the world.

    Parameters
    ----------
    scan : Scan
        As it was read.
    turn : (4, 4)
        World map.
    """
    return replace(scan, affine=turn @ scan.affine)


def says_no_axes(scan: Scan) -> bool:
    """Whether the affine is what software writes where nothing is known: voxel axes are world axes.

    Parameters
    ----------
    scan : Scan
        Whose origin is then 0, or its middle is.
    """
    affine = np.asarray(scan.affine)
    straight = np.array_equal(np.abs(affine[:3, :3]), np.diag(scan.grid.spacing_mm))
    origin_zero, middle_zero = (
        not affine[:3, 3].any(),
        np.abs(scan.grid.centre_mm).max() < scan.grid.spacing_mm.max(),
    )
    return bool(straight and (origin_zero or middle_zero))


def is_better(now: Posture | None, before: Posture | None) -> bool:
    """Whether a head that was turned fits about as well as before or better, and lies as heads do.

    Parameters
    ----------
    now, before : Posture, optional
        Of the second look and of the first.
    """
    if now is None or now.pose is None or before is None:
        return False
    return now.fit > 0.8 * before.fit and is_usual(rotation_of(now.pose))


def lies_otherwise(scan: Scan, turn: Affine, on_refusal: OnRefusal) -> str:
    """What to warn of, in a sentence; refused is a scan whose left and right nobody has written down.

    Parameters
    ----------
    scan : Scan
        As it was read.
    turn : (4, 4)
        Of `turn_upright`.
    on_refusal : function
        Called with the reason.
    """
    how = how_it_lies(turn)
    if says_no_axes(scan):
        on_refusal(
            f"the header of {display_name(scan)} holds no axes (those of the voxels stand for those of "
            f"the world), and the head in it lies otherwise: {how}; left and right would be a guess: "
            "give the scan with its true affine"
        )
    return (
        f"the head does not lie as the header says: {how}; if the patient did not lie so, the header's axes "
        "are wrong, and left and right may be"
    )


def may_lie_otherwise(turn: Affine) -> str:
    """What to warn of where a second look did not find the head upright.

    Parameters
    ----------
    turn : (4, 4)
        Of `turn_upright`.
    """
    return (
        f"the head may not lie as the header says ({how_it_lies(turn)}), and turning it did not help: "
        "look at the results with care"
    )


def how_it_lies(turn: Affine) -> str:
    """Where the top and the face of the head point, in the header's words: "its top points to …".

    Parameters
    ----------
    turn : (4, 4)
        Of `turn_upright`.
    """
    if (angle := _angle(turn[:3, :3])) < 60:
        return f"it is turned by {angle:.0f}° against the header's axes"
    head = turn[:3, :3].T
    top, face = _direction(head @ _TOP), _direction(head @ _FRONT)
    return f"its top points to what the header calls {top}, its face to {face}"


def _angle(rotation: Rotation) -> float:
    """In degrees."""
    return float(np.degrees(np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1))))


def _direction(vector: Rotation) -> str:
    axis = int(np.abs(vector).argmax())
    return _DIRECTIONS[axis][int(vector[axis] > 0)]


def _axes_onto_axes() -> list[Rotation]:
    signed = (
        np.diag(s)[:, list(o)] for o, s in product(permutations(range(3)), product((1.0, -1.0), repeat=3))
    )
    return [turn for turn in signed if np.linalg.det(turn) > 0]
