"""Patients as lists of lesions, from two tables: a row per lesion, and a row per patient with an outcome."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

PATIENT = ("patient", "participant_id", "subject")
"""Columns that say whose lesion, or outcome, a row is of."""

NAMES = ("id", "lesion", "lesion_id", "label")
"""Columns that name a lesion of a patient."""

PLACES = (("mni_x_mm", "mni_y_mm", "mni_z_mm"), ("x_mm", "y_mm", "z_mm"))
"""Columns of the middle of a lesion, as of `sanum lesions`; the first are taken that every row has."""

MISSING = ("", "n/a", "na", "nan")
"""Cells without a value, in small letters."""

Cells = npt.NDArray[np.float64] | npt.NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class PatientLesions:
    """The lesions of one patient.

    Parameters
    ----------
    name : str
        Of the patient.
    centres_mm : (N, 3) float64
        Of the lesions, of all patients in one space, such as MNI.
    columns : mapping of str to (N,) array
        Features by name: numbers, nan where there is none, or words, "" where there is none.
    outcome : int, optional
        0 or 1; None: not known.
    lesions : tuple of str
        Names of the lesions; default their numbers from 1.
    """

    name: str
    centres_mm: npt.NDArray[np.float64]
    columns: Mapping[str, Cells] = field(default_factory=dict)
    outcome: int | None = None
    lesions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.centres_mm.ndim != 2 or self.centres_mm.shape[1] != 3 or not len(self.centres_mm):
            raise ValueError(
                f"{self.name}: expected the centres of one lesion or more as (N, 3), got "
                f"{self.centres_mm.shape}; leave out a patient without lesions"
            )
        if not np.isfinite(self.centres_mm).all():
            raise ValueError(f"{self.name}: a centre of a lesion is no finite number")
        if odd := [name for name, cells in self.columns.items() if len(cells) != len(self.centres_mm)]:
            raise ValueError(f"{self.name}: {odd[0]} has not one value for each of {len(self)} lesions")
        if self.outcome not in (0, 1, None):
            raise ValueError(f"{self.name}: outcome is {self.outcome}, expected 0 or 1")
        if not self.lesions:
            object.__setattr__(self, "lesions", tuple(str(n + 1) for n in range(len(self))))

    def __len__(self) -> int:
        return len(self.centres_mm)


def read_patients(lesions: Path, outcomes: Path, outcome: str = "outcome") -> list[PatientLesions]:
    """Patients of a table of lesions, each with its outcome.

    Parameters
    ----------
    lesions : Path
        As of `read_lesions`.
    outcomes : Path
        Table (.tsv or .csv) with a column of `PATIENT` and one of outcomes; others are not looked at.
    outcome : str
        Name of the column of outcomes, 0 or 1.

    Raises
    ------
    ValueError
        As of `read_lesions`; a patient of one table that the other lacks; an outcome that is not 0 or 1.
    """
    patients, found = read_lesions(lesions), _outcomes(outcomes, outcome)
    names = [patient.name for patient in patients]
    if lacking := [name for name in names if name not in found]:
        raise ValueError(
            f"{outcomes.name} has no outcome of {listed(lacking)}: add it, or take the lesions of these "
            f"patients out of {lesions.name}"
        )
    if empty := sorted(found.keys() - set(names)):
        raise ValueError(
            f"{lesions.name} has no lesion of {listed(empty)}: a graph needs one or more; take these "
            f"patients out of {outcomes.name}"
        )
    return [replace(patient, outcome=found[patient.name]) for patient in patients]


def read_lesions(table: Path, places: Sequence[Sequence[str]] = PLACES) -> list[PatientLesions]:
    """Patients of a table of lesions, in the order in which they appear; what all cells of a column say.

    Parameters
    ----------
    table : Path
        One row per lesion, tab-separated (.tsv) or comma-separated (.csv): a column of `PATIENT`, three of
        `PLACES`, perhaps one of `NAMES`, and any others: a column is of numbers, if all its values are.
    places : sequence of three names
        Columns of the middle of a lesion; the first are taken that every row has.

    Raises
    ------
    ValueError
        Not a table; no patients, no places; a place that is no number, a number that is not finite.
    """
    rows = read_table(table)
    header = list(rows[0])
    patient, name = _column(table, header, PATIENT), next((n for n in NAMES if n in header), None)
    cells = {column: _cells(table, column, [row[column] for row in rows]) for column in header}
    centres = _centres(table, cells, places)
    apart = {patient, name, *(column for names in PLACES for column in names)}
    whose: dict[str, list[int]] = {}
    for n, row in enumerate(rows):
        if row[patient].lower() in ("", "n/a"):
            raise ValueError(f"{table.name}: row {n + 1} says not whose lesion it is")
        whose.setdefault(row[patient], []).append(n)
    return [
        PatientLesions(
            who,
            centres[own],
            {column: cells[column][own] for column in header if column not in apart},
            lesions=tuple(rows[n][name] for n in own) if name else (),
        )
        for who, own in whose.items()
    ]


def read_table(path: Path) -> list[dict[str, str]]:
    """Rows of a table with a header, as they are written; at least one.

    Parameters
    ----------
    path : Path
        Tab-separated (.tsv) or comma-separated (.csv), UTF-8.

    Raises
    ------
    ValueError
        No such file, no table, no rows, two columns of one name, a row of another length.
    """
    if path.suffix not in (".tsv", ".csv"):
        raise ValueError(f"{path} is no table: expected a file .tsv or .csv")
    try:
        text = path.read_text(encoding="utf-8-sig")
        lines = list(csv.reader(text.splitlines(), delimiter="\t" if path.suffix == ".tsv" else ","))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    lines = [[cell.strip() for cell in line] for line in lines if any(cell.strip() for cell in line)]
    if len(lines) < 2:
        raise ValueError(f"{path.name} has no rows: expected a line of names and one or more below it")
    header, *rows = lines
    if twice := [name for n, name in enumerate(header) if name in header[:n]]:
        raise ValueError(f"{path.name} has two columns {twice[0]}")
    for n, row in enumerate(rows):
        if len(row) != len(header):
            raise ValueError(f"{path.name}: row {n + 1} has {len(row)} cells, expected {len(header)}")
    return [dict(zip(header, row, strict=True)) for row in rows]


def _outcomes(path: Path, column: str) -> dict[str, int]:
    rows = read_table(path)
    patient = _column(path, list(rows[0]), PATIENT)
    _column(path, list(rows[0]), (column,))
    found: dict[str, int] = {}
    for row in rows:
        who, said = row[patient], row[column]
        if said.lower() in MISSING:
            continue  # as if the row were not there
        if said not in ("0", "1", "0.0", "1.0"):
            raise ValueError(f'{path.name}: {column} of {who} is "{said}", expected 0 or 1')
        if who in found:
            raise ValueError(f"{path.name} has two rows of {who}: expected one for each patient")
        found[who] = int(float(said))
    return found


def _column(path: Path, header: Sequence[str], names: Sequence[str]) -> str:
    found = next((name for name in names if name in header), None)
    if found is None:
        raise ValueError(f"{path.name} has no column {' or '.join(names)}: there are {', '.join(header)}")
    return found


def _centres(
    table: Path, cells: Mapping[str, Cells], places: Sequence[Sequence[str]]
) -> npt.NDArray[np.float64]:
    lacking = ""
    for names in places:
        if set(names) <= cells.keys():
            odd = [n for n in names if cells[n].dtype.kind != "f" or np.isnan(cells[n].astype(float)).any()]
            if not odd:
                return np.stack([cells[column] for column in names], 1).astype(np.float64)
            lacking = f"{table.name}: {odd[0]} is not a number in every row"
    raise ValueError(
        lacking
        or f"{table.name} says not where a lesion is: expected the columns x_mm, y_mm, z_mm; there are "
        f"{', '.join(cells)}"
    )


def _cells(path: Path, column: str, said: list[str]) -> Cells:
    """Numbers with nan, if all that is there are numbers; else words."""
    known = [cell for cell in said if cell.lower() not in MISSING]
    try:
        numbers = [float(cell) for cell in known]
    except ValueError:
        return np.array(["" if cell.lower() in MISSING else cell for cell in said])
    if not np.isfinite(numbers).all():
        raise ValueError(f"{path.name}: {column} has a value that is not finite: expected a number or n/a")
    return np.array([np.nan if cell.lower() in MISSING else float(cell) for cell in said])


def listed(names: Sequence[str], most: int = 8) -> str:
    """Names for a sentence, the first of them where there are many.

    Parameters
    ----------
    names : sequence of str
        Of patients.
    most : int
        How many are named.

    Examples
    --------
    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
