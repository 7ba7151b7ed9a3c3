"""The task itself: scans reconstructed by `sanum.reconstruct`, and the error of the result."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
from matplotlib.axes import Axes

from ....healthy.compose import Compose
from ....healthy.compose import compose as composed
from ....healthy.reconstruction import reconstruct
from ....healthy.result import Reconstruction
from ....methods.common.anatomy import Predictor
from ....scan import Scan, ScanError, read
from ...summary import groups_of
from ...task import CaseRow, Example, Numbers, Task, Trial
from .cases import Case
from .example import draw_example, example_of
from .layout import LAYOUT, ON_OTHERS
from .numbers import NUMBERS, OF_ANATOMY, GroundTruth, likeness, numbers_of, read_truth
from .oracle import Oracle

Evaluated = Predictor | Oracle
"""A method that reconstructs, or a baseline that is given the truth."""


class HealthyAnatomy(Task[Case, Evaluated]):
    """Healthy anatomy, anomaly and uncertainty of a scan, against what is known of it.

    Parameters
    ----------
    compositions : sequence of str
        Measured too, as variants of their own ("una, keep-healthy"): of a T1w whose truth is known, by
        methods and not by oracles.
    """

    numbers = NUMBERS
    means = (*(n for n in NUMBERS if n != "difference_curve"), ON_OTHERS)
    tested = ("l1_f", "psnr_f", "psnr_h", "psnr_d", "ssim_f", "brain_l1_d", "dice", "dice_soft", ON_OTHERS)
    pair_numbers = ("psnr", "brain_psnr", "l1")
    layout = LAYOUT

    def __init__(self, compositions: Sequence[Compose] = ()) -> None:
        self.compositions = tuple(compositions)

    def variants(self, case: Case, method: Evaluated) -> Sequence[str]:
        """The method itself, and its compositions; of an oracle nothing where the truth is not known.

        Parameters
        ----------
        case : Case
        method : Predictor or Oracle
        """
        if isinstance(method, Oracle):
            return ("",) if case.truth else ()
        return ("", *self.compositions) if case.truth and case.contrast.lower() == "t1w" else ("",)

    def groups(self, cases: Sequence[Case]) -> Iterator[list[Case]]:
        """Cases that show one head in one place, together.

        Parameters
        ----------
        cases : sequence of Case
        """
        return heads(cases)

    def compared(self, method: Evaluated) -> bool:
        """Whether anatomies of one head are compared: those of oracles are not.

        Parameters
        ----------
        method : Predictor or Oracle
        """
        return not isinstance(method, Oracle)

    def measure(self, case: Case, method: Evaluated, variants: Sequence[str], *, with_example: bool) -> Trial:
        """One case reconstructed and measured.

        Parameters
        ----------
        case : Case
        method : Predictor or Oracle
        variants : sequence of str
            "" for the method itself, or a composition.
        with_example : bool
            The trial has a slice for the figure.

        Raises
        ------
        ScanError
            The scan cannot be reconstructed.
        """
        truth = read_truth(case)
        if isinstance(method, Oracle):
            result = method.reconstruct(case, truth)
        else:
            result = reconstruct(case.scan, predictor=method)
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
        """Rows with the Dice of the difference map; see `with_thresholds_of_others`.

        Parameters
        ----------
        rows : sequence of CaseRow
        """
        return with_thresholds_of_others(rows)

    def digits(self, number: str) -> int:
        """Decimals that the tables show.

        Parameters
        ----------
        number : str
            Its name.
        """
        if number in ("true_ml", "found_ml"):
            return 1
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


def with_thresholds_of_others(rows: Sequence[CaseRow]) -> list[CaseRow]:
    """Rows with `ON_OTHERS`: the subjects that choose a threshold are never those it is used on.

    Empty where there is no other subject.

    Parameters
    ----------
    rows : sequence of CaseRow
        With their `difference_curve`.
    """
    out: dict[int, CaseRow] = {id(r): {**r, ON_OTHERS: ""} for r in rows}
    for group in groups_of(rows).values():
        curves = {
            id(r): np.array(r["difference_curve"].split(), float) for r in group if r["difference_curve"]
        }
        for r in group:
            others = [curves[id(o)] for o in group if o["subject"] != r["subject"] and id(o) in curves]
            if id(r) in curves and others:
                out[id(r)][ON_OTHERS] = f"{curves[id(r)][int(np.mean(others, axis=0).argmax())]:.6g}"
    return list(out.values())


def _on_one_grid(one: Case, other: Case) -> bool:
    try:
        return read(one.scan).grid.same_as(read(other.scan).grid)
    except ScanError:  # the sentence comes where it is to be reconstructed
        return False


def _numbers(case: Case, truth: GroundTruth, result: Reconstruction, variant: str) -> Numbers:
    if not variant:
        return numbers_of(case, truth, result)
    kind = cast(Compose, variant)
    anatomy = composed(kind, result.scan, result.anatomy, result.anomaly, result.brain)
    # anomaly and uncertainty are the method's, and stand in its own row
    return _of_anatomy(numbers_of(case, truth, replace(result, anatomy=anatomy)))


def _of_anatomy(numbers: Numbers) -> Numbers:
    return {n: x for n, x in numbers.items() if n in OF_ANATOMY}
