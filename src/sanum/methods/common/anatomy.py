"""What every method of the task "anatomy" gives: a predictor that turns a conformed pair into maps."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ...scan.contrast import Contrast
from ...space.box import Box
from ...space.grid import Grid
from ...types import Affine, FloatArray, Mask

if TYPE_CHECKING:
    from .memory_plan import MemoryPlan


@dataclass(frozen=True, eq=False)
class Posture:
    """How a brain lies in the box, and how sure that is.

    Parameters
    ----------
    pose : (4, 4) float64 or None
        Millimetres from the middle of the box → from the middle of the average brain; None if none was found.
    fit : float
        Share of the scan's local contrast that the average brain explains there, in [0, 1].
    """

    pose: Affine | None
    fit: float


@dataclass(frozen=True, eq=False)
class Maps:
    """Maps on the model grid, each (X, Y, Z) float32.

    Parameters
    ----------
    t1w : (X, Y, Z) float32
        Healthy T1w, white matter near 1.
    anomaly, brain : (X, Y, Z) float32
        Probabilities. A method without a head for them gives as `anomaly` how the scan differs from `t1w`, a
        score in [0, 1] that means something for a T1w (`regression.difference`), and 0 or 1 as `brain`.
    uncertainty : (X, Y, Z) float32
        Expected absolute error of `t1w`; NaN if the method does not estimate it.
    warnings : tuple of str
        What the user should know about how they came about.
    posture : Posture, optional
        How the brain lies; None from a method that does not look.
    disagreement : float, optional
        Of two passes, mean absolute difference of the two `t1w` in the brain; None where there was one.
    """

    t1w: FloatArray
    anomaly: FloatArray
    brain: FloatArray
    uncertainty: FloatArray
    warnings: tuple[str, ...] = ()
    posture: Posture | None = None
    disagreement: float | None = None


class Predictor(Protocol):
    """A loaded method.

    `box` is its input region, which holds a whole brain; `memory_plan` is how its network fits into memory,
    None without one.
    """

    weights_name: str
    weights_sha256: str
    box: Box

    @property
    def device(self) -> str:
        """Where it computes, a torch device."""

    @property
    def memory_plan(self) -> "MemoryPlan | None":
        """See the class."""

    def __call__(
        self,
        pair: FloatArray,
        *,
        covered: Mask | None = None,
        quick: bool = False,
        contrast: Contrast = "unknown",
    ) -> Maps:
        """Maps of one scan.

        Parameters
        ----------
        pair : (2, X, Y, Z) float32
            The scan and its mirror image, scaled by `scan.conform`.
        covered : (X, Y, Z) bool, optional
            Where the scan was taken; default everywhere.
        quick : bool
            A first look, good enough to find the brain.
        contrast : str
            What the scan is; a method that takes any contrast for itself does not look at it.
        """
        ...


class Refiner(Protocol):
    """A second stage: from the maps of a `Predictor` and the scan on finer voxels to finer maps.

    `first_sha256` is `weights.file.state_sha256` of the first stage that it learned from.
    """

    weights_name: str
    weights_sha256: str
    first_sha256: str
    box: Box

    @property
    def memory_plan(self) -> "MemoryPlan | None":
        """As of `Predictor`."""

    def __call__(
        self,
        fine: FloatArray,
        grid: Grid,
        coarse: FloatArray,
        maps: Maps,
        coarse_grid: Grid,
        *,
        contrast: Contrast = "unknown",
    ) -> Maps:
        """Maps on `grid`.

        Parameters
        ----------
        fine : (X, Y, Z) float32
            The scan in `box`, scaled as at first.
        grid : Grid
            Of it: axes as those of `coarse_grid`.
        coarse : (X', Y', Z') float32
            The scan as the first stage saw it.
        maps : Maps
            Of the first stage, as it gave them.
        coarse_grid : Grid
            Of both.
        contrast : str
            What the scan is.
        """
        ...
