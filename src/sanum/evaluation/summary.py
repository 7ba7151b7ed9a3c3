"""From rows of cases to means with intervals, and tests between methods."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..metrics.statistics import Mean, holm, mean_over_subjects, paired_test
from .task import CaseRow, CaseT, MethodT, Task

Key = tuple[str, str, str]


@dataclass(frozen=True)
class Summary:
    """One row of the tables.

    Parameters
    ----------
    data, contrast, method : str
        Names of the data set, the input and the method.
    samples, subjects : int
        Measured.
    failed : int
        Not measured, for the method could not do them; in no mean.
    means : mapping of str to Mean
        By number; only those that some case has.
    largest : float or None
        Largest value of the number of `Layout.largest`.
    """

    data: str
    contrast: str
    method: str
    samples: int
    subjects: int
    failed: int
    means: Mapping[str, Mean]
    largest: float | None


@dataclass(frozen=True)
class Comparison:
    """Wilcoxon's signed-rank test of two methods on the same samples.

    Parameters
    ----------
    data, contrast : str
        Names of the data set and the input.
    number : str
        What is compared.
    one, other : str
        The methods.
    difference : Mean
        Of `one` minus `other`.
    p : float or None
        Of the test; None where subjects are too few.
    adjusted : float or None
        p with Holm's correction over the methods compared.
    """

    data: str
    contrast: str
    number: str
    one: str
    other: str
    difference: Mean
    p: float | None
    adjusted: float | None


def summaries(task: Task[CaseT, MethodT], rows: Sequence[CaseRow]) -> list[Summary]:
    """Rows of the tables, in the order of the rows given.

    Parameters
    ----------
    task : Task
    rows : sequence of CaseRow
        Numbers of cases, of any data sets, inputs and methods.
    """
    largest = task.layout.largest
    out = []
    for (data, contrast, method), group in groups_of(rows).items():
        done = [r for r in group if not r["failed"]]
        means = {n: mean_over_subjects(*_column(done, n)) for n in task.means}
        values = [float(r[largest.number]) for r in done if r[largest.number]] if largest else []
        summary = Summary(
            data=data,
            contrast=contrast,
            method=method,
            samples=len(done),
            subjects=len({r["subject"] for r in done}),
            failed=len(group) - len(done),
            means={n: m for n, m in means.items() if m.samples},
            largest=max(values, default=None),
        )
        out.append(summary)
    return out


def comparisons(task: Task[CaseT, MethodT], rows: Sequence[CaseRow], reference: str) -> list[Comparison]:
    """Every method against `reference`, by data set, input and number.

    Parameters
    ----------
    task : Task
    rows : sequence of CaseRow
        Numbers of cases.
    reference : str
        Name of a method.
    """
    groups, out = groups_of(rows), []
    for data, contrast, method in groups:
        if method != reference:
            continue
        own = {r["case"]: r for r in groups[data, contrast, reference]}
        others = [k for k in groups if k[:2] == (data, contrast) and k[2] != reference]
        for number in task.tested:
            found = []
            for key in others:
                both = [(own[r["case"]], r) for r in groups[key] if r["case"] in own]
                one, subjects = _column([a for a, _ in both], number)
                other, _ = _column([b for _, b in both], number)
                difference = mean_over_subjects(np.subtract(one, other), subjects)
                if difference.samples:
                    found.append((key[2], difference, paired_test(one, other, subjects)))
            adjusted = iter(holm([p for *_, p in found if p is not None]))
            out += [
                Comparison(
                    data, contrast, number, reference, name, d, p, None if p is None else next(adjusted)
                )
                for name, d, p in found
            ]
    return out


def groups_of(rows: Sequence[CaseRow]) -> dict[Key, list[CaseRow]]:
    """Rows by data set, input and method.

    Parameters
    ----------
    rows : sequence of CaseRow
        Numbers of cases.
    """
    groups: dict[Key, list[CaseRow]] = defaultdict(list)
    for r in rows:
        groups[r["data"], r["input"], r["method"]].append(r)
    return dict(groups)


def _column(rows: Sequence[CaseRow], number: str) -> tuple[list[float], list[str]]:
    return [float(r.get(number) or "nan") for r in rows], [r["subject"] for r in rows]
