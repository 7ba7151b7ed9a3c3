"""How well the average brain lies on a scan in some pose, and which of 24 orientations fits best.

Anatomy puts light and dark in certain places, whatever the contrast: so the average T1w, in the right pose,
says how bright a voxel of the scan is, up to some function. The share of the variance that it says (the
correlation ratio η², here of local contrast, so that shading and lesions count little) is large where a brain
lies as supposed. Anything else that a network takes for a brain has its edges elsewhere.
"""

from itertools import permutations, product

import numpy as np
from scipy import ndimage

from ....space.box import Box
from ....space.grid import Grid
from ....space.resample import resample
from ....types import Affine, FloatArray, Mask
from ...common.anatomy import Posture
from .model import ATLAS_BOX

FIT_SPACING_MM = 4.0
BINS = 16  # of the average's local contrast, of equally many voxels
LOCAL_MM = 10.0  # σ of the mean that local contrast is measured against
LEAST_VOXELS = 500  # of 4 mm, 32 mL: fewer say nothing
RIM_MM = 8.0  # of the brain, where its outline is most of the contrast
# η² of heads 0.22 (CT) to 0.76; of those that lie otherwise, in the pose that was found, to 0.08, and in the
# right one of 24 orientations 0.35 and more; of what is no head, in the best of 24, to 0.07
GOOD_FIT = 0.25
BETTER, LEAST_OF_OTHERS = 2.0, 0.2  # so much better an orientation must fit than the pose, and so well


class AtlasFit:
    """The average brain, to be laid onto one scan.

    Parameters
    ----------
    scan : (X, Y, Z) float32
        Any contrast, in `box`.
    brain : (X, Y, Z) bool
        Where a brain was found, within what was scanned.
    box : Box
        Of the scan, its middle at 0.
    atlas : (2, X', Y', Z') float32
        Mean T1w and share of brains, in `ATLAS_BOX`.
    """

    def __init__(self, scan: FloatArray, brain: Mask, box: Box, atlas: FloatArray) -> None:
        self.grid = box.at_spacing(FIT_SPACING_MM).grid()
        self.brain = resample(brain, box.grid(), self.grid) > 0.5
        self.inside = ndimage.binary_erosion(self.brain, iterations=round(RIM_MM / FIT_SPACING_MM))
        self.contrast = _local_contrast(resample(scan, box.grid(), self.grid), self.brain)
        self.atlas_grid = ATLAS_BOX.at_spacing(FIT_SPACING_MM).grid()
        self.mean, self.share = (resample(x, ATLAS_BOX.grid(), self.atlas_grid) for x in atlas)

    def __call__(self, pose: Affine) -> float:
        """η² of the scan's local contrast given the average's, in [0, 1]; 0 where they hardly meet.

        The larger of the whole brain's and of that without its rim: the rim shows most where fluid is dark
        (T1w, CT), and is hidden by fluid that is as bright as the rest (T2w).

        Parameters
        ----------
        pose : (4, 4)
            Millimetres from the middle of the box → from the middle of the atlas.
        """
        to_atlas = np.linalg.inv(self.atlas_grid.affine) @ pose @ self.grid.affine

        def there(x: FloatArray) -> FloatArray:
            out: FloatArray = ndimage.affine_transform(
                x, to_atlas[:3, :3], to_atlas[:3, 3], output_shape=self.grid.shape, order=1
            )
            return out

        share = there(self.share)
        expected = _local_contrast(there(self.mean), share > 0.5)
        found = 0.0
        for part in (self.brain, self.inside):
            meet = part & (share > 0.5)
            if meet.sum() >= LEAST_VOXELS:
                found = max(found, correlation_ratio(self.contrast[meet], expected[meet]))
        return found

    def best_orientation(self) -> Affine:
        """Pose (4, 4) of the one of 24 orientations that fits best; middles and sizes of the brains agree."""
        middle, half = _middle_and_half(self.brain, self.grid)
        to, to_half = _middle_and_half(self.share > 0.5, self.atlas_grid)
        found = []
        for turn in orientations():
            pose = np.eye(4)
            pose[:3, :3] = (to_half / (np.abs(turn) @ half))[:, None] * turn
            pose[:3, 3] = to - pose[:3, :3] @ middle
            found.append(pose)
        return max(found, key=self)


def posture_of(scan: FloatArray, brain: Mask, box: Box, atlas: FloatArray, pose: Affine | None) -> Posture:
    """How the brain lies: as the pose that was found says, unless another orientation fits far better.

    At most 26 fits at 4 mm: of the pose, of 24 orientations, and of the best of them.

    Parameters
    ----------
    scan, brain, box, atlas
        As in `AtlasFit`.
    pose : (4, 4) or None
        That was found, near the usual orientation.
    """
    fit = AtlasFit(scan, brain, box, atlas)
    usual = 0.0 if pose is None else fit(pose)
    if usual >= GOOD_FIT:
        return Posture(pose, usual)
    other = fit.best_orientation()
    there = fit(other)
    if (
        np.diag(other)[:3] > 0
    ).all():  # the usual orientation is the best: of others, one of the three is not
        return Posture(pose, max(usual, there) if pose is not None else 0.0)
    if there > max(BETTER * usual, LEAST_OF_OTHERS):
        return Posture(other, there)
    return Posture(pose, usual)


def correlation_ratio(values: FloatArray, given: FloatArray) -> float:
    """η²: share of the variance of `values` that a function of `given` could explain, in [0, 1].

    Parameters
    ----------
    values : (N,) float
        To be explained.
    given : (N,) float
        Divided into `BINS` classes of equally many.
    """
    total = float(np.var(values))
    if not total > 0:
        return 0.0
    classes = np.digitize(given, np.quantile(given, np.linspace(0, 1, BINS + 1)[1:-1]))
    count = np.bincount(classes, minlength=BINS)
    means = np.bincount(classes, values, minlength=BINS) / np.maximum(count, 1)
    return float((count * (means - values.mean()) ** 2).sum() / (total * len(values)))


def orientations() -> list[Affine]:
    """The 24 rotations (3, 3) that carry axes onto axes, the one that changes nothing first."""
    turns = []
    for order, signs in product(permutations(range(3)), product((1.0, -1.0), repeat=3)):
        turn = np.diag(signs)[:, order]
        if np.linalg.det(turn) > 0:
            turns.append(turn)
    return turns


def _local_contrast(x: FloatArray, brain: Mask) -> FloatArray:
    """Values less their mean over the brain nearby."""
    sigma = LOCAL_MM / FIT_SPACING_MM
    inside = brain.astype(np.float32)
    near = ndimage.gaussian_filter(x * inside, sigma)
    out: FloatArray = x - near / np.maximum(ndimage.gaussian_filter(inside, sigma), 1e-3)
    return out


def _middle_and_half(mask: Mask, grid: Grid) -> tuple[FloatArray, FloatArray]:
    """Middle and half the size of a mask's bounding box, in mm; of the whole grid if it is empty."""
    where = np.argwhere(mask) if mask.any() else np.argwhere(np.ones(grid.shape, bool))
    low, high = where.min(0), where.max(0)
    middle = grid.affine[:3, :3] @ ((low + high) / 2) + grid.affine[:3, 3]
    return middle, (high - low + 1) / 2 * grid.spacing_mm
