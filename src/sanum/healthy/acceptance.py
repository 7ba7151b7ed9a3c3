"""Whether what was given is an image at all, and of a head: what is not is refused."""

import numpy as np

from ..methods.common.anatomy import Posture
from ..scan import Scan
from ..types import AnyArray
from .localize import OnRefusal, display_name

LARGEST_BRAIN_ML = 2600.0  # found in heads 1,110 to 1,980
# of `Posture.fit`: heads 0.22 (CT; FLAIR with 5.5 mm slices 0.25) to 0.76; torsos, spines, hearts, faces and
# phantoms 0.00 to 0.05
LEAST_FIT = 0.1
# how many of the voxels that are not of the commonest value are of the second: masks 0.8 to 1, images to 0.33
ONE_VALUE = 0.8
# how many neighbours that are not background are equal, against 0.65 + 2.4 / values: label maps 0.75 (149
# labels) to 1; images 0.01 to 0.35, and 0.57 in 32 levels, 0.76 in 16, 0.89 in 8
PIECEWISE, PIECEWISE_OF_FEW, MOST_PIECEWISE = 0.65, 2.4, 0.95
FEWEST_VALUES = 4  # in no more whole numbers, nobody stores an image
_ADVICE = "check that the file shows a head and that its orientation is right"
_SAMPLE = 2_000_000  # voxels that are looked at


def require_image(scan: Scan, on_refusal: OnRefusal) -> None:
    """Refuse a mask or a segmentation in the place of a scan.

    Parameters
    ----------
    scan : Scan
        As it was read.
    on_refusal : function
        Called with the reason.
    """
    step = int(np.ceil((scan.voxels.size / _SAMPLE) ** (1 / 3)))
    sample = scan.voxels[::step, ::step, ::step]
    if sample.dtype.kind == "f":  # what was resampled or scaled is rounded: 0.9999999 is 1
        sample = (sample / np.abs(sample).max()).astype(np.float16)
    values, counts = np.unique(sample, return_counts=True)
    shown, second = int(counts.sum() - counts.max()), int(np.sort(counts)[:-1].max(initial=0))
    what = None
    if shown and second >= ONE_VALUE * shown:
        what = f"{second / shown:.0%} of what it shows has one value"
    elif np.array_equal(whole := scan.voxels[::step, ::step, ::step], np.rint(whole)):
        alike = equal_neighbours(_middle(scan.voxels, step))
        limit = min(MOST_PIECEWISE, PIECEWISE + PIECEWISE_OF_FEW / len(values))
        if len(values) <= FEWEST_VALUES or alike > limit:
            what = f"{len(values)} whole numbers, {alike:.0%} of its neighbouring voxels equal"
    if what:
        on_refusal(
            f"{display_name(scan)} looks like a mask or a segmentation ({what}), expected a scan: "
            "give the image that it was made from"
        )


def equal_neighbours(voxels: AnyArray) -> float:
    """Share of neighbours that are equal, both not of the commonest value; of the axis where it is least.

    Parameters
    ----------
    voxels : (X, Y, Z) array
        Whole numbers.
    """
    values, counts = np.unique(voxels, return_counts=True)
    shown = voxels != values[counts.argmax()]
    shares = []
    for axis in range(3):
        x, m = np.moveaxis(voxels, axis, 0), np.moveaxis(shown, axis, 0)
        both = m[1:] & m[:-1]
        if both.any():
            shares.append(float((x[1:] == x[:-1])[both].mean()))
    return min(shares, default=0.0)


def _middle(voxels: AnyArray, share: int) -> AnyArray:
    """The middle of a volume, a `share`-th of it along each axis: neighbours are neighbours there."""
    size = [max(n // share, min(n, 2)) for n in voxels.shape]
    start = [(n - s) // 2 for n, s in zip(voxels.shape, size, strict=True)]
    return voxels[tuple(slice(a, a + s) for a, s in zip(start, size, strict=True))]


def require_head(scan: Scan, posture: Posture | None, ml: float, on_refusal: OnRefusal) -> None:
    """Refuse what a network took for a brain, but in which nothing lies where brains have it.

    Parameters
    ----------
    scan : Scan
        For its name.
    posture : Posture, optional
        Of the method; None if it does not look: then only the size is judged.
    ml : float
        Volume of the brain.
    on_refusal : function
        Called with the reason.
    """
    name = display_name(scan)
    if ml > LARGEST_BRAIN_ML:
        on_refusal(
            f"no head found in {name}: {ml:.0f} mL look like brain, expected at most {LARGEST_BRAIN_ML:.0f}; "
            "check that the file shows a head and that its voxel size is right"
        )
    if posture is None:
        return
    if posture.pose is None:
        on_refusal(
            f"no head found in {name}: the average brain could not be laid onto what looks like brain in it, "
            f"expected a scan of a head; {_ADVICE}"
        )
    elif posture.fit < LEAST_FIT:
        on_refusal(
            f"no head found in {name}: the average brain explains {posture.fit:.0%} of its contrast, "
            f"expected at least {LEAST_FIT:.0%} of a head; {_ADVICE}"
        )
