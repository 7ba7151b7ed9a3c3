"""Volumes that are usual for age and sex: a straight line for each label, and how far people lie off it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr  # scipy.stats takes half a second to import

LEAST_KNOWN = 10
"""Subjects of whom age, or sex, is known: with fewer it is not looked at."""


@dataclass(frozen=True, eq=False)
class Norms:
    """Least squares of volumes (mL) on 1, age and sex, as far as they are known.

    Parameters
    ----------
    terms : tuple of str
        Of "one", "age" (years from `middle`) and "male" (1 or 0).
    middle : float
        Mean age.
    coefficients : (K, T) float64
        Of each label.
    spread : (K,) float64
        Standard deviation of what is left, n − T degrees of freedom.
    inverse : (T, T) float64
        (XᵀX)⁻¹.
    number : int
        Subjects.
    ages : tuple of float
        Youngest and oldest; empty where age is not a term.
    """

    terms: tuple[str, ...]
    middle: float
    coefficients: npt.NDArray[np.float64]
    spread: npt.NDArray[np.float64]
    inverse: npt.NDArray[np.float64]
    number: int
    ages: tuple[float, ...] = ()

    def expected(self, age: float | None, sex: str | None) -> npt.NDArray[np.float64]:
        """Volume of each label (K,), in mL; what is not told is taken for the middle.

        Parameters
        ----------
        age : float or None
            In years.
        sex : str or None
            F or M.
        """
        return self.coefficients @ self._row(age, sex)

    def percentile(
        self, volumes: npt.NDArray[np.float64], age: float | None, sex: str | None
    ) -> npt.NDArray[np.float64]:
        """Share of people of that age and sex, in percent, with a smaller volume: Student's t, (K,).

        Parameters
        ----------
        volumes : (K,) float64
            Of one subject, in mL.
        age : float or None
            In years.
        sex : str or None
            F or M.
        """
        row = self._row(age, sex)
        scale = self.spread * np.sqrt(1 + row @ self.inverse @ row)
        off = (volumes - self.expected(age, sex)) / np.maximum(scale, 1e-9)
        found: npt.NDArray[np.float64] = 100 * stdtr(self.number - len(self.terms), off)
        return found

    def _row(self, age: float | None, sex: str | None) -> npt.NDArray[np.float64]:
        told = {
            "one": 1.0,
            "age": 0.0 if age is None else age - self.middle,
            "male": 0.5 if sex is None else float(sex.upper().startswith("M")),
        }
        return np.array([told[term] for term in self.terms])

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "terms": list(self.terms),
            "middle": self.middle,
            "coefficients": self.coefficients.round(5).tolist(),
            "spread": self.spread.round(5).tolist(),
            "inverse": self.inverse.tolist(),
            "number": self.number,
            "ages": list(self.ages),
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Norms":
        """Of plain values.

        Parameters
        ----------
        told : mapping
            As of `as_json`.
        """
        return cls(
            tuple(told["terms"]),
            float(told["middle"]),
            np.asarray(told["coefficients"], np.float64).reshape(-1, len(told["terms"])),
            np.asarray(told["spread"], np.float64),
            np.asarray(told["inverse"], np.float64),
            int(told["number"]),
            tuple(told["ages"]),
        )


def norms_of(volumes: npt.NDArray[np.float64], columns: Sequence[Mapping[str, str]]) -> Norms | None:
    """Norms of a group; None of fewer than four.

    A term is in where at least `LEAST_KNOWN` subjects have it; then only they count.

    Parameters
    ----------
    volumes : (N, K) float64
        Of each subject and label, in mL.
    columns : sequence of mapping
        Of participants.tsv, by subject; "age" and "sex" are looked at.
    """
    ages = np.array([age_of(c) or np.nan for c in columns])
    males = np.array([{"M": 1.0, "F": 0.0}.get(sex_of(c) or "", np.nan) for c in columns])
    terms, rows, kept = ["one"], [np.ones(len(columns))], np.ones(len(columns), bool)
    for name, values in (("age", ages), ("male", males)):
        both = kept & np.isfinite(values)
        design = np.array([*rows, values])[:, both]
        if both.sum() >= LEAST_KNOWN and np.linalg.matrix_rank(design) == len(rows) + 1:
            terms.append(name)
            rows.append(values)
            kept = both
    if kept.sum() < max(4, len(terms) + 2):
        return None
    middle = float(ages[kept].mean()) if "age" in terms else 0.0
    design = np.array([row - middle if t == "age" else row for t, row in zip(terms, rows, strict=True)]).T
    design = design[kept]
    found, *_ = np.linalg.lstsq(design, volumes[kept], rcond=None)
    left = volumes[kept] - design @ found
    spread = np.sqrt((left**2).sum(0) / (len(left) - len(terms)))
    return Norms(
        tuple(terms),
        middle,
        found.T,
        spread,
        np.linalg.inv(design.T @ design),
        len(left),
        (float(ages[kept].min()), float(ages[kept].max())) if "age" in terms else (),
    )


def age_of(columns: Mapping[str, str]) -> float | None:
    """Age in years, where a column tells it.

    Parameters
    ----------
    columns : mapping of str
        Of participants.tsv.
    """
    try:
        value = float({k.lower(): v for k, v in columns.items()}.get("age", ""))
    except ValueError:
        return None
    return value if 0 < value < 130 else None


def sex_of(columns: Mapping[str, str]) -> str | None:
    """F or M, where a column tells it.

    Parameters
    ----------
    columns : mapping of str
        Of participants.tsv.
    """
    lower = {k.lower(): v for k, v in columns.items()}
    told = lower.get("sex", lower.get("gender", "")).strip().upper()[:1]
    return told if told in ("F", "M") else None
