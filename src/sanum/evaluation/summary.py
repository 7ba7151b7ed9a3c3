"""From rows of cases to means with intervals, and tests between methods."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..metrics.statistics import Mean, holm, mean_over_subjects, paired_test
from .numbers import NUMBERS
from .store import Row

ON_OTHERS = "difference_dice"
"""Dice of the difference map at the threshold that is best on the *other* subjects' mean."""
MEANS = (*(n for n in NUMBERS if n != "difference_curve"), ON_OTHERS)
TESTED = ("l1_f", "psnr_f", "psnr_h", "psnr_d", "ssim_f", "brain_l1_d", "dice", "dice_soft", ON_OTHERS)
Key = tuple[str, str, str]


@dataclass(frozen=True)
class Summary:
    """One row of the tables.

    Parameters
    ----------
    data, contrast, method : str
    samples, subjects : int
        Measured.
    failed : int
        Not measured, for the method could not reconstruct them; in no mean.
    means : dict
        By number; only those that some case has.
    largest : float or None
        Of the healthy, largest percentage of the brain called anomalous.
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
    """Wilcoxon's test of two methods on the same samples; `adjusted`: Holm, over the methods compared."""

    data: str
    contrast: str
    number: str
    one: str
    other: str
    difference: Mean
    p: float | None
    adjusted: float | None


def summaries(rows: Sequence[Row]) -> list[Summary]:
    """Rows of the tables, in the order of the rows given."""
    out = []
    for (data, contrast, method), group in _groups(rows).items():
        done = [r for r in group if not r["failed"]]
        means = {n: mean_over_subjects(*_column(done, n)) for n in MEANS}
        shares = [float(r["anomalous_percent"]) for r in done if r["anomalous_percent"]]
        out.append(
            Summary(
                data, contrast, method, len(done), len({r["subject"] for r in done}), len(group) - len(done),
                {n: m for n, m in means.items() if m.samples}, max(shares, default=None),
            )
        )  # fmt: skip
    return out


def comparisons(rows: Sequence[Row], reference: str) -> list[Comparison]:
    """Every method against `reference`, by data set, contrast and number."""
    groups, out = _groups(rows), []
    for data, contrast, method in groups:
        if method != reference:
            continue
        mine = {r["case"]: r for r in groups[data, contrast, reference]}
        others = [k for k in groups if k[:2] == (data, contrast) and k[2] != reference]
        for number in TESTED:
            found = []
            for key in others:
                both = [(mine[r["case"]], r) for r in groups[key] if r["case"] in mine]
                one, subjects = _column([a for a, _ in both], number)
                other, _ = _column([b for _, b in both], number)
                difference = mean_over_subjects(np.subtract(one, other), subjects)
                if difference.samples:
                    found.append((key[2], difference, paired_test(one, other, subjects)))
            adjusted = iter(holm([p for *_, p in found if p is not None]))
            out += [
                Comparison(
                    data, contrast, number, reference, other, d, p, None if p is None else next(adjusted)
                )
                for other, d, p in found
            ]
    return out


def with_thresholds_of_others(rows: Sequence[Row]) -> list[Row]:
    """Rows with `ON_OTHERS`: the subjects that choose a threshold are never those it is used on.

    Empty where there is no other subject.
    """
    out: dict[int, Row] = {id(r): {**r, ON_OTHERS: ""} for r in rows}
    for group in _groups(rows).values():
        curves = {
            id(r): np.array(r["difference_curve"].split(), float) for r in group if r["difference_curve"]
        }
        for r in group:
            others = [curves[id(o)] for o in group if o["subject"] != r["subject"] and id(o) in curves]
            if id(r) in curves and others:
                out[id(r)][ON_OTHERS] = f"{curves[id(r)][int(np.mean(others, axis=0).argmax())]:.6g}"
    return list(out.values())


def _groups(rows: Sequence[Row]) -> dict[Key, list[Row]]:
    groups: dict[Key, list[Row]] = defaultdict(list)
    for r in rows:
        groups[r["data"], r["input"], r["method"]].append(r)
    return dict(groups)


def _column(rows: Sequence[Row], number: str) -> tuple[list[float], list[str]]:
    return [float(r.get(number) or "nan") for r in rows], [r["subject"] for r in rows]
