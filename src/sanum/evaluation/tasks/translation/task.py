"""The task itself: scans translated by a model or a baseline, and the error of what comes out."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from ....methods.common.translator import Translator
from ....scan import Scan
from ...task import Example, Task, Trial
from .baselines import TableBaseline
from .cases import PairCase
from .example import draw_example, example_of
from .layout import LAYOUT
from .numbers import NUMBERS, body_of, numbers_of


@dataclass(frozen=True, eq=False)
class ModelOnPairs:
    """A fitted translator, as the evaluation sees it.

    Parameters
    ----------
    translator : Translator
        Of a file.
    """

    translator: Translator

    @property
    def weights_sha256(self) -> str:
        """Of its file."""
        return self.translator.weights_sha256

    def translated(self, source: Scan, seed: int) -> Scan:
        """A scan's translation, the one that `sanum translate apply` writes.

        Parameters
        ----------
        source : Scan
            To translate.
        seed : int
            Of the noise, for methods that draw.
        """
        return self.translator.translate(source, samples=1, seed=seed).image


class ContrastTranslation(Task[PairCase, ModelOnPairs | TableBaseline]):
    """Scans in another contrast, against those that were measured.

    Parameters
    ----------
    largest : float
        Range of the targets, in their unit: decides how many decimals of the MAE are shown.
    """

    numbers = NUMBERS
    means = NUMBERS
    tested = NUMBERS[:-1]
    layout = LAYOUT

    def __init__(self, largest: float = 1000.0) -> None:
        self.largest = largest

    def measure(
        self,
        case: PairCase,
        method: ModelOnPairs | TableBaseline,
        variants: Sequence[str],
        *,
        with_example: bool,
    ) -> Trial:
        """One scan translated and measured.

        Parameters
        ----------
        case : PairCase
        method : ModelOnPairs or TableBaseline
        variants : sequence of str
            "" alone.
        with_example : bool
            The trial has a slice for the figure.

        Raises
        ------
        ScanError
            A scan cannot be read or translated; both are on different grids.
        """
        source, truth = case.read()
        start = time.perf_counter()
        if isinstance(method, TableBaseline):
            image = method.translated(source, case.how.source, case.subject)
        else:
            image = method.translated(source, case.how.seed)
        seconds = time.perf_counter() - start
        numbers = {**numbers_of(image, source, truth, case.how), "seconds": seconds}
        example = example_of(image, source, truth, body_of(source, case.how.source)) if with_example else None
        return Trial(dict.fromkeys(variants, numbers), example=example)

    def digits(self, number: str) -> int:
        """Decimals that the tables show.

        Parameters
        ----------
        number : str
            Its name.
        """
        if number == "mae":
            return max(1, 4 - math.floor(math.log10(self.largest))) if np.isfinite(self.largest) else 3
        return {"psnr": 1, "seconds": 1}.get(number, 3)

    def draw_example(self, axes: Sequence[Axes], example: Example, contrast: str) -> None:
        """Draw the slice of a pair.

        Parameters
        ----------
        axes : four Axes
        example : mapping of str to array
            Of `measure`.
        contrast : str
            Its input.
        """
        draw_example(axes, example)
