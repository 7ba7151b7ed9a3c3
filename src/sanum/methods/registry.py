"""Methods by name: each gives a predictor that turns a conformed pair into maps."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from ..weights.store import resolve

if TYPE_CHECKING:
    from .common.memory_plan import MemoryPlan
    from .common.recipe import Recipe

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Maps:
    """Maps on the model grid, each (X, Y, Z) float32.

    Parameters
    ----------
    t1w : array
        Healthy T1w, white matter near 1.
    anomaly, brain : array
        Probabilities. A method without a head for them gives as `anomaly` how the scan differs from `t1w`, a
        score in [0, 1] that means something for a T1w (`predict.difference`), and 0 or 1 as `brain`.
    uncertainty : array
        Expected absolute error of `t1w`; NaN if the method does not tell.
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

    `shape` and `spacing_mm` are those of the box that it looks at, which holds a whole brain; `memory_plan`
    is how its network fits into memory, None without one.
    """

    weights_name: str
    weights_sha256: str
    shape: tuple[int, int, int]
    spacing_mm: float

    @property
    def device(self) -> str:
        """Where it computes."""

    @property
    def memory_plan(self) -> "MemoryPlan | None":
        """See the class."""

    def __call__(
        self, pair: Array, *, covered: npt.NDArray[np.bool_] | None = None, quick: bool = False
    ) -> Maps:
        """`pair` (2, X, Y, Z): the scan and its mirror image, scaled by `scan.conform`.

        `covered` (X, Y, Z): where the scan was taken, default everywhere.
        `quick`: a first look, good enough to find the brain.
        """
        ...


METHODS = ("una", "synthsr", "brain-id", "pepsi")
BASELINES = ("mean",)
SHIPPED = "una-compact"


def recipes() -> dict[str, "Recipe"]:
    """Every recipe by its name."""
    from .anatomy.brain_id.recipe import RECIPES as BRAIN_ID
    from .anatomy.pepsi.recipe import RECIPES as PEPSI
    from .anatomy.synthsr.recipe import RECIPES as SYNTHSR
    from .anatomy.una.recipe import RECIPES as UNA

    return {**UNA, **SYNTHSR, **BRAIN_ID, **PEPSI}


def load(
    name: str = "una",
    *,
    device: str = "cpu",
    weights: str | Path | None = None,
    room: int | None = None,
) -> Predictor:
    """Predictor of a method with its shipped weights, or others; or a baseline, which has none.

    Only "una" ships weights, which `SANUM_WEIGHTS` may hold as well. Others are a file, or a name of
    `weights.store`. The network fits itself into `room` bytes of memory, whole or in slabs (`memory_plan.MemoryPlan`);
    default: what is free.

    Raises
    ------
    OutOfMemory
        Not even the smallest slabs fit.
    ValueError
        Unknown method; weights that are missing, damaged, of another method or version, or not wanted.
    """
    if name in BASELINES:
        return _mean(device, weights)
    if name not in METHODS:
        raise ValueError(f'unknown method "{name}": known are {", ".join((*METHODS, *BASELINES))}')
    if name == "una":
        from .anatomy.una.predict import UnaPredictor

        file = resolve(SHIPPED if weights is None else weights)
        return UnaPredictor(device=device, weights=file, room=room)
    if weights is None:
        raise ValueError(
            f"{name} ships no weights: make them with sanum train {name} --data DATA -o OUT, "
            "and name the file that it writes"
        )
    folder = import_module(f".{name.replace('-', '_')}.predict", __package__)
    predictor: Predictor = folder.predictor(weights=resolve(weights), device=device, room=room)
    return predictor


def _mean(device: str, weights: str | Path | None) -> Predictor:
    if weights is not None:
        raise ValueError(f'"mean" takes no weights, got {weights}: leave them out')
    from .anatomy.mean.predict import MeanPredictor

    return MeanPredictor(device=device)
