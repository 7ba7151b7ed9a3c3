"""Columns of a table of lesions as numbers for a network; means and words are of training patients alone."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ....data.lesion_graphs import PatientLesions

MOST_WORDS = 20
"""Different words of a column that is used."""

REACH_MM = 128.0
"""What coordinates are divided by."""


@dataclass(frozen=True)
class ColumnCode:
    """One column that is used.

    Parameters
    ----------
    name : str
        Of the column.
    mean, sd : float
        Of numbers; a value that is missing becomes the mean.
    words : tuple of str
        Of words: one number for each, 0 or 1; all 0 where the value is missing, or another word.
    """

    name: str
    mean: float = 0.0
    sd: float = 1.0
    words: tuple[str, ...] = ()

    def numbers(self, cells: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Values (N,) or (N, words).

        Parameters
        ----------
        cells : (N,) array
            Numbers or words, of the same kind as those learned from.

        Raises
        ------
        ValueError
            Words where there were numbers.
        """
        if self.words:
            return np.stack([cells.astype(str) == word for word in self.words], 1).astype(np.float64)
        if cells.dtype.kind not in "fiub":
            odd = next((str(cell) for cell in cells if cell), "no value")
            raise ValueError(f'column {self.name} has "{odd}" where the network has learned from numbers')
        values = (cells.astype(np.float64) - self.mean) / self.sd
        return np.nan_to_num(values)[:, None]


@dataclass(frozen=True)
class Encoding:
    """All columns that are used, in order; the three coordinates come after them.

    Parameters
    ----------
    codes : tuple of ColumnCode
        One for each column.
    """

    codes: tuple[ColumnCode, ...]

    @property
    def size(self) -> int:
        """Numbers of a lesion."""
        return sum(len(code.words) or 1 for code in self.codes) + 3

    def encode(self, patient: PatientLesions) -> npt.NDArray[np.float32]:
        """Numbers (N, size) of the lesions of a patient; the last three are its coordinates in 128 mm.

        Parameters
        ----------
        patient : PatientLesions
            With the columns that were learned from.

        Raises
        ------
        ValueError
            A column is missing, or of another kind.
        """
        if lacking := [code.name for code in self.codes if code.name not in patient.columns]:
            raise ValueError(
                f"{patient.name} has no column {', '.join(lacking)}, which the network has learned from"
            )
        parts = [code.numbers(patient.columns[code.name]) for code in self.codes]
        return np.concatenate([*parts, patient.centres_mm / REACH_MM], 1).astype(np.float32)

    def as_list(self) -> list[dict[str, Any]]:
        """Plain values, for JSON."""
        return [{**asdict(code), "words": list(code.words)} for code in self.codes]

    @classmethod
    def from_list(cls, rows: Sequence[Mapping[str, Any]]) -> "Encoding":
        """As `as_list` gave it.

        Parameters
        ----------
        rows : sequence of mapping
            One for each column.
        """
        return cls(tuple(ColumnCode(**{**row, "words": tuple(row["words"])}) for row in rows))


def learn_encoding(
    patients: Sequence[PatientLesions], wanted: Sequence[str] = ()
) -> tuple[Encoding, list[str]]:
    """Mean, spread and words of the columns, and sentences on what is left out or missing.

    Parameters
    ----------
    patients : sequence of PatientLesions
        Those to learn from.
    wanted : sequence of str
        Columns to use; default all that every patient has.

    Raises
    ------
    ValueError
        A column that is wanted is not there.
    """
    there = [name for name in patients[0].columns if all(name in p.columns for p in patients)]
    if lacking := [name for name in wanted if name not in there]:
        raise ValueError(f"there is no column {', '.join(lacking)}: there are {', '.join(there) or 'none'}")
    codes, notes = [], []
    for name in wanted or there:
        parts = [patient.columns[name] for patient in patients]
        kinds = {part.dtype.kind in "fiub" for part in parts}
        cells = np.concatenate([part if kinds == {True} else part.astype(str) for part in parts])
        code, note = _learn_numbers(name, cells) if kinds == {True} else _learn_words(name, cells)
        codes += [code] if code else []
        notes += [note] if note else []
    return Encoding(tuple(codes)), notes


def _learn_numbers(name: str, cells: npt.NDArray[Any]) -> tuple[ColumnCode | None, str]:
    values = cells.astype(np.float64)
    known = values[np.isfinite(values)]
    with np.errstate(over="ignore", invalid="ignore"):
        sd = float(known.std()) if len(known) else 0.0
    if not len(known):
        return None, f"column {name} has no values: it is left out"
    if not 1e-12 * float(np.abs(known).max()) < sd < np.inf:
        return None, f"column {name} has one value for all lesions: it is left out"
    missing = len(values) - len(known)
    note = f"column {name} lacks {missing} of {len(values)} values: their mean stands in" if missing else ""
    return ColumnCode(name, float(known.mean()), sd), note


def _learn_words(name: str, cells: npt.NDArray[Any]) -> tuple[ColumnCode | None, str]:
    words = tuple(str(word) for word in np.unique(cells) if word)
    if len(words) > MOST_WORDS:
        return None, f"column {name} has {len(words)} different words, more than {MOST_WORDS}: it is left out"
    if len(words) < 2 and (not words or (cells != "").all()):
        return None, f"column {name} has one value for all lesions: it is left out"
    missing = int((cells == "").sum())
    return ColumnCode(name, words=words), (
        f"column {name} lacks {missing} of {len(cells)} values: they count as none of its words"
        if missing
        else ""
    )
