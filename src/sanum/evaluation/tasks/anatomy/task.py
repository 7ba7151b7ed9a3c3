"""The task itself: scans reconstructed by `sanum.reconstruct`, and the error of the result."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
from matplotlib.axes import Axes

from ....healthy.compose import Compose
from ....healthy.compose import compose as composed
from ....healthy.result import Reconstruction
from ....methods.common.anatomy import Predictor
from ....scan import Scan, ScanError, read
from ...task import CaseRow, Example, Numbers, PlainTable, Task, Trial
from .cases import Case
from .example import draw_example, example_of
from .kept import result_of
from .layout import LAYOUT
from .more import people_table, size_table
from .numbers import (
    NUMBERS,
    OF_ANATOMY,
    OF_PERSON,
    GroundTruth,
    likeness,
    numbers_of,
    read_truth,
    score_numbers,
)
from .oracle import Oracle
from .scores import SCORES
from .sliced import Sliced
from .validated import ON_OTHERS, VALIDATED, validation_table, with_thresholds

Evaluated = Predictor | Oracle | Sliced
"""A method that reconstructs, a baseline that is given the truth, or a detector of 2-D images."""


class HealthyAnatomy(Task[Case, Evaluated]):
    """Healthy anatomy, anomaly and uncertainty of a scan, against what is known of it.

    Parameters
    ----------
    compositions : sequence of str
        Measured too, as variants of their own ("una, keep-healthy"): of a T1w whose truth is known, by
        methods and not by oracles.
    scores : sequence of str
        Names of `SCORES`, measured too as variants ("una, intensity"): of scans with a known lesion, and of
        healthy ones.
    validation : str, optional
        Name of the data set whose lesions the thresholds are estimated on; default: each one's own.
    kept : Path, optional
        Folder that keeps results, and from which they are taken; see `kept.result_of`.

    Raises
    ------
    ValueError
        A score of another name.
    """

    numbers = NUMBERS
    texts = OF_PERSON[1:]
    means = (
        *(n for n in NUMBERS if not n.endswith("_curve") and n not in OF_PERSON),
        *VALIDATED,
        ON_OTHERS,
    )
    tested = (
        *("brain_psnr_f", "brain_ssim_f", "brain_l1_f", "brain_psnr_h", "brain_psnr_d", "brain_l1_d"),
        *("psnr_f", "ssim_f", "l1_f", "psnr_h", "psnr_d"),
        *("dice", "dice_validated", "dice_soft", "average_precision", ON_OTHERS),
    )
    pair_numbers = ("brain_psnr", "psnr", "l1")
    layout = LAYOUT

    def __init__(
        self,
        compositions: Sequence[Compose] = (),
        *,
        scores: Sequence[str] = (),
        validation: str | None = None,
        kept: Path | None = None,
    ) -> None:
        if unknown := [s for s in scores if s not in SCORES]:
            raise ValueError(f'no score is named "{unknown[0]}": known are {", ".join(SCORES)}')
        self.compositions, self.scores = tuple(compositions), tuple(scores)
        self.validation, self.kept = validation, kept

    def variants(self, case: Case, method: Evaluated) -> Sequence[str]:
        """The method itself, and its compositions; of an oracle nothing where the truth is not known.

        A detector of slices makes no anatomy: there is nothing of it where no lesion is known.

        Parameters
        ----------
        case : Case
        method : Predictor, Oracle or Sliced
        """
        if isinstance(method, Oracle):
            return ("",) if case.truth else ()
        if isinstance(method, Sliced):
            return ("",) if case.healthy or case.lesion else ()
        composed_too = self.compositions if case.truth and case.contrast.lower() == "t1w" else ()
        return ("", *composed_too, *(self.scores if case.healthy or case.lesion else ()))

    def groups(self, cases: Sequence[Case]) -> Iterator[list[Case]]:
        """Cases that show one head in one place, together.

        Parameters
        ----------
        cases : sequence of Case
        """
        return heads(cases)

    def compared(self, method: Evaluated) -> bool:
        """Whether anatomies of one head are compared: those of oracles are not, and a detector makes none.

        Parameters
        ----------
        method : Predictor, Oracle or Sliced
        """
        return not isinstance(method, Oracle | Sliced)

    def measure(self, case: Case, method: Evaluated, variants: Sequence[str], *, with_example: bool) -> Trial:
        """One case reconstructed and measured.

        Parameters
        ----------
        case : Case
        method : Predictor, Oracle or Sliced
        variants : sequence of str
            "" for the method itself, a composition, or a score map.
        with_example : bool
            The trial has a slice for the figure.

        Raises
        ------
        ScanError
            The scan cannot be reconstructed; a detector of slices is not told where the brain is.
        """
        truth = read_truth(case)
        if isinstance(method, Sliced):
            return Trial(dict.fromkeys(variants, _of_slices(case, truth, method)))
        if isinstance(method, Oracle):
            result = method.reconstruct(case, truth)
        else:
            result = result_of(case, method, self.kept)
        numbers = {v: _numbers(case, truth, result, v) for v in variants}
        if isinstance(method, Oracle):  # which looks for no anomaly
            numbers = {v: _of_anatomy(x) for v, x in numbers.items()}
        return Trial(numbers, result.anatomy, example_of(result, truth) if with_example else None)

    def pair_name(self, one: Case, other: Case) -> str:
        """Name of a pair: the head and the two contrasts.

        Parameters
        ----------
        one, other : Case
        """
        return f"{one.aligned}: {one.contrast} and {other.contrast}"

    def compare(self, one: object, other: object) -> Numbers:
        """Similarity of two anatomies of one head.

        Parameters
        ----------
        one, other : Scan
            On one grid.
        """
        return {**likeness(cast(Scan, one), cast(Scan, other))}

    def complete(self, rows: Sequence[CaseRow]) -> list[CaseRow]:
        """Rows with what is found at thresholds of validation; see `with_thresholds`.

        Parameters
        ----------
        rows : sequence of CaseRow
        """
        return with_thresholds(rows, self.validation)

    def more(self, rows: Sequence[CaseRow]) -> Sequence[PlainTable]:
        """Which cases chose the thresholds; lesions by size; healthy scans by whose they are.

        Parameters
        ----------
        rows : sequence of CaseRow
        """
        title = self.layout.input_title
        return (
            validation_table(rows, self.validation),
            size_table(rows, title),
            people_table(rows, title),
        )

    def digits(self, number: str) -> int:
        """Decimals that the tables show.

        Parameters
        ----------
        number : str
            Its name.
        """
        if number in ("true_ml", "found_ml", "false_ml"):
            return 1
        if number in ("healthy_ml", "healthy_ml_validated", "threshold"):
            return 2
        return 2 if "psnr" in number or "percent" in number else 4 if "l1" in number else 3

    def draw_example(self, axes: Sequence[Axes], example: Example, contrast: str) -> None:
        """Draw the slice of a case.

        Parameters
        ----------
        axes : five Axes
        example : mapping of str to array
            Of `measure`.
        contrast : str
            Its input.
        """
        draw_example(axes, example, ct=contrast.lower() == "ct")


def worth_measuring(cases: Sequence[Case]) -> list[Case]:
    """Cases of which something is known, or that have an aligned partner of the same head.

    Parameters
    ----------
    cases : sequence of Case
    """
    return [c for head in heads(cases) for c in head if c.healthy or c.truth or c.lesion or len(head) > 1]


def heads(cases: Sequence[Case]) -> Iterator[list[Case]]:
    """Cases that show one head in one place, on one grid, together.

    Parameters
    ----------
    cases : sequence of Case
    """
    groups: dict[tuple[str, ...], list[Case]] = {}
    for case in cases:
        groups.setdefault((case.data, case.aligned), []).append(case)
    for group in groups.values():
        while group:
            same = [c for c in group if c is group[0] or _on_one_grid(c, group[0])]
            yield same
            group = [c for c in group if c not in same]


def _on_one_grid(one: Case, other: Case) -> bool:
    try:
        return read(one.scan).grid.same_as(read(other.scan).grid)
    except ScanError:  # the sentence comes where it is to be reconstructed
        return False


def _of_slices(case: Case, truth: GroundTruth, method: Sliced) -> Numbers:
    """Numbers of the maps of slices; the detector is told where the brain is."""
    scan = read(case.scan)
    if truth.brain is None:
        raise ScanError(
            f"{case.scan.name} has no brain mask, which a detector of slices needs: put a *_desc-brain_mask "
            "beside it"
        )
    score = method.map_of(scan, truth.brain)
    return score_numbers(case, truth, score, truth.brain, scan.grid.voxel_volume_ml)


def _numbers(case: Case, truth: GroundTruth, result: Reconstruction, variant: str) -> Numbers:
    if not variant:
        return numbers_of(case, truth, result)
    if variant in SCORES:
        brain, ml = np.asarray(result.brain.voxels) > 0, result.scan.grid.voxel_volume_ml
        return score_numbers(case, truth, SCORES[variant](result), brain, ml)
    kind = cast(Compose, variant)
    anatomy = composed(kind, result.scan, result.anatomy, result.anomaly, result.brain)
    # anomaly and uncertainty are the method's, and stand in its own row
    return _of_anatomy(numbers_of(case, truth, replace(result, anatomy=anatomy)))


def _of_anatomy(numbers: Numbers) -> Numbers:
    return {n: x for n, x in numbers.items() if n in OF_ANATOMY}
