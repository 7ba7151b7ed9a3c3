"""Thresholds that are estimated on validation cases, never on the case they are used on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...task import CaseRow, PlainTable
from .detection import THRESHOLDS

VALIDATED = ("dice_validated", "threshold", "healthy_ml_validated")
"""Dice, or mL called in a healthy scan, at the threshold that is best on the validation cases' mean Dice."""
ON_OTHERS = "difference_dice"
"""The same of the difference map, whose thresholds are fewer."""


@dataclass(frozen=True)
class _Chosen:
    """Place of a threshold among all, and the cases that chose it."""

    place: int
    cases: tuple[str, ...]


def with_thresholds(rows: Sequence[CaseRow], validation: str | None = None) -> list[CaseRow]:
    """Rows with `VALIDATED` and `ON_OTHERS`, empty where there is nobody to validate on.

    The validation cases of a row are those of the same method and input that have a lesion, of other
    subjects, in the data set `validation`; default: in the row's own data set. The threshold is the lowest of
    those with the largest mean Dice over them.

    Parameters
    ----------
    rows : sequence of CaseRow
        With their `dice_curve`, `volume_curve` and `difference_curve`.
    validation : str, optional
        Name of a data set.
    """
    choice = _Choice(rows, "dice_curve", validation)
    on_others = _Choice(rows, "difference_curve", None)
    out = []
    for r in rows:
        added = dict.fromkeys((*VALIDATED, ON_OTHERS), "")
        if chosen := choice.of(r):
            added["threshold"] = f"{THRESHOLDS[chosen.place]:.2f}"
            if r["dice_curve"]:
                added["dice_validated"] = r["dice_curve"].split()[chosen.place]
            elif r["healthy_ml"] or r["volume_curve"]:
                added["healthy_ml_validated"] = r["volume_curve"].split()[chosen.place]
        if r["difference_curve"] and (chosen := on_others.of(r)):
            added[ON_OTHERS] = f"{_numbers(r['difference_curve'])[chosen.place]:.6g}"
        out.append({**r, **added})
    return out


def validation_table(rows: Sequence[CaseRow], validation: str | None = None) -> PlainTable:
    """Every threshold that was estimated, and the cases that it was estimated on, by name.

    Parameters
    ----------
    rows : sequence of CaseRow
        As of `with_thresholds`.
    validation : str, optional
        As of `with_thresholds`.
    """
    choice = _Choice(rows, "dice_curve", validation)
    found: dict[tuple[str, ...], list[str]] = {}
    for r in rows:
        if (r["dice_curve"] or r["volume_curve"]) and (chosen := choice.of(r)):
            cases = ", ".join(chosen.cases)
            key = (r["data"], r["input"], r["method"], f"{THRESHOLDS[chosen.place]:.2f}", cases)
            found.setdefault(key, []).append(r["case"])
    lines = [
        [*key[:4], ", ".join(used) if len(used) <= 3 else f"{len(used)} cases", key[4]]
        for key, used in sorted(found.items())
    ]
    return PlainTable(
        "Thresholds from validation",
        f"The best of {THRESHOLDS.size} on the mean Dice of the cases in the last column, which are never of "
        "the subjects that it is used on.",
        ("data", "input", "method", "threshold", "used on", "estimated on"),
        lines,
    )


class _Choice:
    """The best threshold over the cases of other subjects, each found once."""

    def __init__(self, rows: Sequence[CaseRow], curve: str, validation: str | None) -> None:
        self.curve, self.validation = curve, validation
        self.groups: dict[tuple[str, ...], list[CaseRow]] = {}
        for r in rows:
            if r[curve]:
                self.groups.setdefault((r["data"], r["input"].lower(), r["method"]), []).append(r)
        self.curves: Mapping[int, npt.NDArray[np.float64]] = {
            id(r): _numbers(r[curve]) for group in self.groups.values() for r in group
        }
        self.known: dict[tuple[str, ...], _Chosen | None] = {}

    def of(self, row: CaseRow) -> _Chosen | None:
        """The choice for a row; None if there is no case of another subject."""
        group = (self.validation or row["data"], row["input"].lower(), row["method"])
        key = (*group, row["subject"])
        if key not in self.known:
            others = [o for o in self.groups.get(group, ()) if o["subject"] != row["subject"]]
            self.known[key] = self._best(others) if others else None
        return self.known[key]

    def _best(self, others: Sequence[CaseRow]) -> _Chosen:
        mean = np.mean([self.curves[id(o)] for o in others], axis=0)
        return _Chosen(int(mean.argmax()), tuple(o["case"] for o in others))


def _numbers(words: str) -> npt.NDArray[np.float64]:
    return np.array(words.split(), float)
