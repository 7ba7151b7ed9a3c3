"""Methods by name: each gives a predictor that turns a conformed pair into maps."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from .recipe import Recipe

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Maps:
    """Maps on the model grid, each (X, Y, Z) float32.

    Parameters
    ----------
    t1w : array
        Healthy T1w, white matter near 1.
    anomaly, brain : array
        Probabilities.
    uncertainty : array
        Expected absolute error of `t1w`.
    warnings : tuple of str
        What the user should know about how they came about.
    """

    t1w: Array
    anomaly: Array
    brain: Array
    uncertainty: Array
    warnings: tuple[str, ...] = ()


class Predictor(Protocol):
    """A loaded method.

    `shape` and `spacing_mm` are those of the box that it looks at, which holds a whole brain.
    """

    weights_name: str
    weights_sha256: str
    device: str
    shape: tuple[int, int, int]
    spacing_mm: float

    def __call__(
        self, pair: Array, *, covered: npt.NDArray[np.bool_] | None = None, quick: bool = False
    ) -> Maps:
        """`pair` (2, X, Y, Z): the scan and its mirror image, scaled by `scan.conform`.

        `covered` (X, Y, Z): where the scan was taken, default everywhere.
        `quick`: a first look, good enough to find the brain.
        """
        ...


def recipes() -> dict[str, "Recipe"]:
    """Every recipe by its name."""
    from .una.recipe import RECIPES as UNA

    return {**UNA}


def load(name: str = "una", *, device: str = "cpu", weights: Path | None = None) -> Predictor:
    """Predictor of a method with its shipped weights, or those of a file.

    Raises
    ------
    ValueError
        Unknown method; weights that are missing, damaged, or of another version.
    """
    if name != "una":
        raise ValueError(f'unknown method "{name}": known is una')
    from .una.predict import UnaPredictor

    return UnaPredictor(device=device, weights=weights)
