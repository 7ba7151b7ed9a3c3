"""Where the brain is in a scan, found by the network itself, and whether there is a head at all."""

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from ..methods.common.anatomy import Predictor
from ..scan import Scan
from ..scan.conform import Conformed, conform
from ..scan.contrast import CT_WINDOW_HU
from ..scan.errors import NoHead
from ..scan.names import printable
from ..scan.padding import shown_part
from ..space.components import largest_component
from ..space.grid import apply_affine, covering, middle_of
from ..space.mirror import mirror, reflection
from ..space.resample import resample
from ..types import Affine, FloatArray, Mask, Points

SMALLEST_BRAIN_ML = 250.0
LEAST_SYMMETRY = 0.5  # correlation with the mirror image: real heads 0.82 to 1.00 (28 scans), noise to 0.29
OnRefusal = Callable[[str], None]
_EMPTY = 0.02  # scaled intensity up to which a voxel shows nothing
_HEAD_HEIGHT_MM = 80.0  # from the top of the head to about the brain's centre


def refuse(why: str) -> None:
    """Raise `NoHead`.

    Parameters
    ----------
    why : str
        What is wrong, and what to do.
    """
    raise NoHead(f"{why} (or go on with --force, in Python force=True)")


def find_brain(scan: Scan, predictor: Predictor, on_refusal: OnRefusal = refuse) -> Points:
    """Centre of the brain, (3,) in world mm: the best of several candidates for the network, refined.

    Parameters
    ----------
    scan : Scan
        Of a head or of a brain, any contrast.
    predictor : Predictor
        A loaded method.
    on_refusal : function
        Called with the reason if no part of the scan looks like a brain; raises `ScanError` by default.
    """
    best, most = None, 0.0
    for guess in head_centres(scan):
        centre, ml = _brain_near(scan, guess, predictor)
        if ml > most:
            best, most = centre, ml
        if most > 900:
            break
    if best is not None:
        centre, ml = _brain_near(scan, best, predictor)
        best, most = (centre, ml) if ml > 0 else (best, most)
    require_brain(scan, most, on_refusal)
    return best if best is not None else scan.grid.centre_mm


def require_brain(scan: Scan, ml: float, on_refusal: OnRefusal = refuse) -> None:
    """Refuse a volume that is too little for a brain, or for the part that a slab shows.

    Parameters
    ----------
    scan : Scan
        For its name.
    ml : float
        Volume that was found, in mL.
    on_refusal : function
        Called with the reason.
    """
    if ml < SMALLEST_BRAIN_ML:
        on_refusal(
            f"no brain found in {display_name(scan)}: expected a scan of a head, found {ml:.0f} mL that look "
            f"like brain (at least {SMALLEST_BRAIN_ML:.0f} are needed); check that the file shows a head and "
            "that its orientation is right"
        )


def foreground_ml(mask: Mask, conformed: Conformed) -> float:
    """Volume of the part of a mask in which the scan shows anything, in mL; networks imagine the rest.

    Parameters
    ----------
    mask : (X, Y, Z) bool
        On the model grid.
    conformed : Conformed
        The scan.
    """
    return float((mask & (conformed.image > _EMPTY)).sum()) * conformed.grid.voxel_volume_ml


def require_symmetry(
    scan: Scan, conformed: Conformed, pair: FloatArray, across: Affine, on_refusal: OnRefusal = refuse
) -> None:
    """Refuse a scan that does not resemble its mirror image, as every head does.

    Parameters
    ----------
    scan : Scan
        For its name.
    conformed : Conformed
        The scan on the model grid.
    pair : (2, X, Y, Z) float32
        The scan and its mirror image, of `pair_with_mirror`.
    across : (4, 4) float64
        The reflection in world mm.
    on_refusal : function
        Called with the reason.
    """
    both = conformed.covered & (mirror(conformed.covered.astype(np.float32), conformed.grid, across) > 0.99)
    if both.sum() * conformed.grid.voxel_volume_ml < 8:  # a slab of one side
        return
    here, there = pair[0][both], pair[1][both]
    spread = float(here.std() * there.std())
    likeness = float(((here - here.mean()) * (there - there.mean())).mean()) / spread if spread > 0 else 0.0
    if likeness < LEAST_SYMMETRY:
        on_refusal(
            f"no head found in {display_name(scan)}: its sides correlate by {likeness:.2f} (expected at "
            f"least {LEAST_SYMMETRY} of a head); check that the file shows a head and that its orientation "
            "is right"
        )


def head_centres(scan: Scan) -> list[Points]:
    """Likely centres of the brain, each (3,) in world mm: below the top of the head, and where it is bright.

    Parameters
    ----------
    scan : Scan
        Of a head or of a brain, any contrast.
    """
    scan = shown_part(scan)
    extent = float((scan.grid.spacing_mm * scan.voxels.shape).max())
    coarse = covering(scan.grid, max(4.0, extent / 250))  # a wrong unit in the header must not fill memory
    voxels = np.asarray(scan.voxels, dtype=np.float32)
    if scan.contrast == "CT":
        voxels = np.clip(voxels, *CT_WINDOW_HU)
    low = float(voxels.min())
    x = resample(voxels, scan.grid, coarse, fill=low) - low
    x = np.minimum(x, np.percentile(x, 99.5))
    head = x > 0.5 * float(x[x > x.mean()].mean()) if (x > x.mean()).any() else x > 0
    opened = ndimage.binary_opening(head)
    if opened.any():
        head = largest_component(opened)
    where = apply_affine(
        coarse.affine, np.argwhere(head) if head.any() else np.array([np.array(coarse.shape) / 2])
    )
    top = float(np.percentile(where[:, 2], 99.8))
    upper = where[where[:, 2] > top - 150]
    middle = upper.mean(0)
    return [
        np.array([middle[0], middle[1], max(top - _HEAD_HEIGHT_MM, where[:, 2].min())]),
        middle,
        scan.grid.centre_mm,
    ]


def _brain_near(scan: Scan, guess: Points, predictor: Predictor) -> tuple[Points, float]:
    """Centre in world mm and volume in mL of the brain that one look around `guess` finds."""
    conformed = conform(scan, guess, predictor.box)
    if not conformed.image.any():
        return guess, 0.0
    pair = pair_with_mirror(conformed, reflection((1, 0, 0), guess))
    brain = largest_component(predictor(pair, quick=True, contrast=scan.decided.told).brain > 0.5)
    ml = foreground_ml(brain, conformed)
    return (middle_of(brain, conformed.grid.affine) if ml > 0 else guess), ml


def pair_with_mirror(conformed: Conformed, across: Affine) -> FloatArray:
    """(2, X, Y, Z) float32: the conformed scan and its mirror image.

    Parameters
    ----------
    conformed : Conformed
        The scan on the model grid.
    across : (4, 4) float64
        The reflection in world mm.
    """
    return np.stack([conformed.image, mirror(conformed.image, conformed.grid, across)])


def display_name(scan: Scan) -> str:
    """Name of a scan for a message.

    Parameters
    ----------
    scan : Scan
        Read from a file, or made in memory.
    """
    return printable(scan.path.name) if scan.path else "this scan"
