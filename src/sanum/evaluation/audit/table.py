"""Tables of scores and of people, anybody's: read, joined by subject, one score for each.

Whatever contradicts itself is refused; whoever is not known is left out, and named.
"""

import csv
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...files import read_small
from ...metrics.ranking import Labels, Scores
from ...scan.names import printable

SCORES = ("score", "anomaly_ml")
"""Columns that are taken for the score: of `sanum detect score`, of `sanum reconstruct`."""

SUBJECTS = ("participant_id", "subject", "subject_id")
PATHS = ("path", "input", "image", "file", "results")
LABEL = "label"
UNKNOWN = ("", "n/a", "na", "nan", "none", "unknown")
_MOST_BYTES = 200_000_000
_SHOWN = 6

Row = Mapping[str, str]


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """One score for each subject and label.

    Parameters
    ----------
    subjects : tuple of str
        Labels without "sub-".
    scores : (N,) float
        The higher, the more abnormal: the mean, of a subject with several scans.
    labels : (N,) int
        0 normal, 1 abnormal.
    people : mapping of str to mapping of str
        What is known of each subject, by lower-case name of the column.
    notes : tuple of str
        What a reader must know, one sentence each.
    own : frozenset of str
        Columns that are no attributes: the score, the label, the subject.
    """

    subjects: tuple[str, ...]
    scores: Scores
    labels: Labels
    people: Mapping[str, Row]
    notes: tuple[str, ...]
    own: frozenset[str] = frozenset()


def read_scores(
    results: Path,
    participants: Path | None,
    *,
    score: str | None = None,
    label: str | None = None,
    subject: str | None = None,
) -> ScoreTable:
    """Scores of a table, joined with what is known of the people.

    Parameters
    ----------
    results : Path
        Table of scores: columns separated by tabs, commas or semicolons.
    participants : Path or None
        participants.tsv; None: what the table of scores says itself.
    score : str, optional
        Column of the score; default the first of `SCORES`.
    label : str, optional
        Column of 0 (normal) and 1 (abnormal), in either table; default "label" where there is one; else
        all are normal.
    subject : str, optional
        Column of the subject; default the first of `SUBJECTS`, else "sub-…" in the path.

    Raises
    ------
    ValueError
        Something is missing, or contradicts itself; who is named.
    """
    rows = _rows(results)
    named = _subjects(results, rows, subject)
    column = _column(results, rows, score, SCORES, "score")
    notes: list[str] = []
    known = _people(rows, named, participants, notes)
    labels, there = _labels(results, rows, named, known, label)
    if not there:
        notes.append("No column says who is abnormal: all are taken for normal.")
    values = _numbers(results, rows, named, column, notes)
    rows_of: dict[tuple[str, int], dict[str, float]] = defaultdict(dict)
    twice = []
    for n, value in values.items():
        key, name = (named[n], labels[n]), _name_of(rows[n]) or str(n)
        if rows_of[key].get(name, value) != value:
            raise ValueError(f"{printable(results)} has two scores of {printable(name)}")
        if name in rows_of[key]:
            twice.append(name)
        rows_of[key][name] = value
        if _name_of(rows[n]) and name in rows_of.get((named[n], 1 - labels[n]), ()):
            raise ValueError(f"{printable(results)} calls {printable(name)} normal and abnormal")
    if twice:
        notes.append(f"Lines that are there twice count once: {some(twice)}.")
    if many := sorted({one for (one, _), scans in rows_of.items() if len(scans) > 1}):
        notes.append(f"Subjects with several scans: {len(many)}; the mean of their scores counts.")
    keys = sorted(rows_of)
    scores = np.array([np.mean(list(rows_of[key].values())) for key in keys], np.float64)
    of = np.array([one for _, one in keys], np.int64)
    _require_different(results, scores, of, notes)
    own = frozenset({column, (label or LABEL).strip().lower(), (subject or SUBJECTS[0]).strip().lower()})
    return ScoreTable(tuple(one for one, _ in keys), scores, of, known, tuple(notes), own)


def some(names: Iterable[str]) -> str:
    """The first names, and how many there are beside them.

    Parameters
    ----------
    names : iterable of str
        Any.
    """
    every = list(dict.fromkeys(printable(name) for name in names))
    more = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return ", ".join(every[:_SHOWN]) + more


def is_known(word: str) -> bool:
    """Whether a cell says something.

    Parameters
    ----------
    word : str
        As it stands in a table.
    """
    return word.strip().lower() not in UNKNOWN


def _rows(path: Path) -> list[Row]:
    """Lines by lower-case names of the columns."""
    try:
        text = read_small(path, _MOST_BYTES).decode("utf-8-sig").splitlines()
        comma = max("\t,;", key=text[0].count) if text else ","
        if comma == "\t":
            lines = list(csv.DictReader(text, delimiter=comma, quoting=csv.QUOTE_NONE))
        else:
            lines = list(csv.DictReader(text, delimiter=comma))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{printable(path)} is no table of text: {error}") from error
    if not lines:
        raise ValueError(f"{printable(path)} has no lines: expected a table with a head")
    return [
        {k.strip().lower(): (v or "").strip() for k, v in line.items() if isinstance(k, str)}
        for line in lines
    ]


def _column(path: Path, rows: Sequence[Row], asked: str | None, usual: Sequence[str], what: str) -> str:
    """The column that was asked for, or one of the usual names."""
    there = rows[0].keys()
    for name in (asked.strip().lower(),) if asked else usual:
        if name in there:
            return name
    wanted = printable(asked) if asked else " or ".join(usual)
    raise ValueError(
        f"{printable(path)} has no column {wanted} for the {what}: name one of {some(there)} with --{what}"
    )


def _subjects(path: Path, rows: Sequence[Row], asked: str | None) -> list[str]:
    if asked or any(name in rows[0] for name in SUBJECTS):
        column = _column(path, rows, asked, SUBJECTS, "subject")
        found = [_plain(row[column]) for row in rows]
    else:
        matches = [re.search(r"sub-([0-9A-Za-z]+)", _name_of(row)) for row in rows]
        found = [match[1] if match else "" for match in matches]
    if nobody := [n for n, one in enumerate(found) if not is_known(one)]:
        raise ValueError(
            f"{printable(path)} does not say whose line {nobody[0] + 2} is: expected a column {SUBJECTS[0]}, "
            "a path with sub-…, or --subject"
        )
    return found


def _plain(name: str) -> str:
    return name.strip().removeprefix("sub-")


def _name_of(row: Row) -> str:
    return " ".join(row[name] for name in PATHS if row.get(name))


def _people(
    rows: Sequence[Row], named: Sequence[str], participants: Path | None, notes: list[str]
) -> dict[str, dict[str, str]]:
    """What is known of each subject; participants.tsv comes before the table of scores."""
    found: dict[str, dict[str, str]] = {one: {} for one in named}
    odd: set[str] = set()
    for one, row in zip(named, rows, strict=True):
        for name, word in row.items():
            if not _agrees(found[one], name, word):
                odd.add(name)
    for column in odd:  # a column of scans, and not of people
        for person in found.values():
            person.pop(column, None)
    if participants is None:
        return found
    lines = _rows(participants)
    key = _column(participants, lines, None, SUBJECTS, "subject")
    told: dict[str, dict[str, str]] = defaultdict(dict)
    against: list[str] = []
    for line in lines:
        one = _plain(line[key])
        for name, word in line.items():
            if name != key and not _agrees(told[one], name, word):
                against.append(one)
    if against:
        raise ValueError(f"{printable(participants)} contradicts itself about {some(against)}")
    numbered = _by_number(told)
    missing = []
    for one, person in found.items():
        line = told.get(one) or told.get(numbered.get(_number(one), ""), {})
        if not line:
            missing.append(one)
        person.update(line)
    if len(missing) == len(found):
        raise ValueError(
            f"{printable(participants)} has no line of any subject of the scores, such as {missing[0]}"
        )
    if missing:
        notes.append(f"Not in participants.tsv: {some(missing)} ({len(missing)} of {len(found)} subjects).")
    return found


def _agrees(person: dict[str, str], name: str, word: str) -> bool:
    """Note what is said, and whether it is what was said before."""
    return not is_known(word) or person.setdefault(name, word) == word


def _number(name: str) -> int:
    return int(name) if name.isascii() and name.isdigit() else -1


def _by_number(names: Iterable[str]) -> dict[int, str]:
    """Names that are numbers, by what they count: spreadsheets take the zeros of 007 away."""
    found: dict[int, list[str]] = defaultdict(list)
    for name in names:
        found[_number(name)].append(name)
    return {number: those[0] for number, those in found.items() if number >= 0 and len(those) == 1}


def _labels(
    path: Path, rows: Sequence[Row], named: Sequence[str], known: Mapping[str, Row], asked: str | None
) -> tuple[list[int], bool]:
    """0 or 1 for each line, and whether any column says so."""
    column = (asked or LABEL).strip().lower()
    if column in rows[0]:
        words = [row[column] for row in rows]
    elif any(column in person for person in known.values()):
        words = [known[one].get(column, "") for one in named]
    elif asked:
        raise ValueError(f"neither {printable(path)} nor the people have a column {printable(asked)}")
    else:
        return [0] * len(rows), False
    found = [{"0": 0, "0.0": 0, "1": 1, "1.0": 1}.get(word) for word in words]
    if odd := [(one, word) for one, word, label in zip(named, words, found, strict=True) if label is None]:
        one, word = odd[0]
        raise ValueError(
            f'a label is 0 (normal) or 1 (abnormal), got "{printable(word)}" of {printable(one)}'
        )
    if 0 not in found:
        raise ValueError("all are labelled abnormal: an audit needs normals, whose label is 0")
    return [one for one in found if one is not None], True


def _numbers(
    path: Path, rows: Sequence[Row], named: Sequence[str], column: str, notes: list[str]
) -> dict[int, float]:
    """Score by line; lines without one are left out."""
    found, without = {}, []
    for n, row in enumerate(rows):
        if not is_known(row[column]):
            without.append(named[n])
            continue
        try:
            found[n] = float(row[column])
        except ValueError:
            found[n] = math.nan
        if not math.isfinite(found[n]):
            raise ValueError(f'a score is a number, got "{printable(row[column])}" of {printable(named[n])}')
    if not found:
        raise ValueError(f"no line of {printable(path)} has a score in its column {printable(column)}")
    if without:
        notes.append(f"Without a score, and left out: {some(without)}.")
    return found


def _require_different(path: Path, scores: Scores, labels: Labels, notes: list[str]) -> None:
    """Refuse constant scores, and tell of many equal ones."""
    normal = scores[labels == 0]
    if len(normal) == 0:
        raise ValueError(f"no normal of {printable(path)} has a score")
    values, counts = np.unique(normal, return_counts=True)
    if len(values) == 1 < len(normal):
        raise ValueError(
            f"all {len(normal)} normals of {printable(path)} have the score {values[0]:g}: "
            "there is nothing to audit"
        )
    if (most := int(counts.max())) > max(0.1 * len(normal), 2):
        notes.append(
            f"{most} of {len(normal)} normals have the very score {values[counts.argmax()]:g}: a threshold "
            "cannot part them, so fewer than asked may be called abnormal."
        )
