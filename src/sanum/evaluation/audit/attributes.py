"""Attributes of people as groups: words as they are, numbers in bands."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ...data.attributes import Attribute, finite_number
from ...metrics.groups import Codes
from ...metrics.ranking import Scores
from .table import ScoreTable, is_known, some

_SEXES = {"male": "m", "man": "m", "female": "f", "woman": "f"}

MOST_GROUPS = 12
FEWEST_NUMBERS = 7
"""Different numbers from which on a column is cut into bands, where no cuts are given."""


@dataclass(frozen=True, eq=False)
class Grouping:
    """People by an attribute.

    Parameters
    ----------
    name : str
        Of the attribute.
    groups : tuple of str
        Their names, in order.
    codes : (N,) int
        Group of each score; −1: not known.
    """

    name: str
    groups: tuple[str, ...]
    codes: Codes


def grouping(table: ScoreTable, asked: Attribute, notes: list[str]) -> Grouping:
    """Groups of an attribute; who has none is named in the notes.

    Parameters
    ----------
    table : ScoreTable
        Of everybody.
    asked : Attribute
        The attribute.
    notes : list of str
        Gets sentences.

    Raises
    ------
    ValueError
        No such column, numbers expected, one group alone, or too many groups.
    """
    words = words_of(table, asked.name)
    for several in _spellings(asked.name, _cells(table, asked.name)).values():
        if len(several) > 1:
            notes.append(f"Of {asked.name}, {some(several)} are taken for one group, {several[0]}.")
    if unknown := sorted({s for s, w in zip(table.subjects, words, strict=True) if not is_known(w)}):
        notes.append(f"Of unknown {asked.name}, and left out there: {len(unknown)} ({some(unknown)}).")
    numbers = [finite_number(word) for word in words if is_known(word)]
    different = {x for x in numbers if x is not None}
    if asked.cuts or (None not in numbers and len(different) >= FEWEST_NUMBERS):
        values = numbers_of(table, asked.name)
        thirds = np.unique(np.nanquantile(values[table.labels == 0], [1 / 3, 2 / 3]))
        cuts = asked.cuts or tuple(float(f"{cut:.3g}") for cut in thirds)
        codes = np.where(np.isnan(values), -1, np.digitize(values, cuts))
        names = _bands(cuts)
    else:
        names = sorted({word for word in words if is_known(word)})
        codes = np.array([names.index(word) if is_known(word) else -1 for word in words])
    if len(names) > MOST_GROUPS:
        raise ValueError(f"{asked.name} has {len(names)} values, such as {some(names[:2])}: too many groups")
    there = [n for n in range(len(names)) if (codes == n).any()]
    if len(there) < 2:
        raise ValueError(f"{asked.name} has one group alone ({some([names[n] for n in there])})")
    back = np.full(len(names) + 1, -1)
    back[there] = range(len(there))
    return Grouping(asked.name, tuple(names[n] for n in there), back[codes])


def words_of(table: ScoreTable, name: str) -> list[str]:
    """Cells of a column about people, one for each score; what is spelled in several ways is so in one.

    Parameters
    ----------
    table : ScoreTable
        Of everybody.
    name : str
        In lower case.

    Raises
    ------
    ValueError
        No such column, or it is the score, the label or the subject.
    """
    cells = _cells(table, name)
    usual = _spellings(name, cells)
    return [usual[spelling_key(name, word)][0] if is_known(word) else word for word in cells]


def spelling_key(name: str, word: str) -> str:
    """What words that mean the same have in common: M, m and, of sex, male.

    Parameters
    ----------
    name : str
        Of the column.
    word : str
        A cell.
    """
    key = word.strip().casefold()
    return _SEXES.get(key, key) if name in ("sex", "gender") else key


def _spellings(name: str, cells: Sequence[str]) -> dict[str, list[str]]:
    """All spellings by what they mean, the most usual one first."""
    found: dict[str, list[str]] = {}
    for word, _ in Counter(sorted(word for word in cells if is_known(word))).most_common():
        found.setdefault(spelling_key(name, word), []).append(word)
    return found


def _cells(table: ScoreTable, name: str) -> list[str]:
    if name in table.own:
        raise ValueError(f"{name} is the score, the label or the subject: an attribute says who people are")
    if not any(name in person for person in table.people.values()):
        there = sorted({key for person in table.people.values() for key in person} - table.own)
        raise ValueError(f"no table says the {name} of people: there is {some(there) or 'nothing'}")
    return [table.people[one].get(name, "") for one in table.subjects]


def numbers_of(table: ScoreTable, name: str) -> Scores:
    """A column about people as numbers; nan: not known.

    Parameters
    ----------
    table : ScoreTable
        Of everybody.
    name : str
        In lower case.
    """
    found = []
    for subject, word in zip(table.subjects, words_of(table, name), strict=True):
        number = finite_number(word) if is_known(word) else math.nan
        if number is None:
            raise ValueError(f'{name} is a number, got "{word}" of {subject}')
        found.append(number)
    return np.array(found, np.float64)


def covariates(table: ScoreTable, names: Sequence[str]) -> Scores:
    """Columns (N, c) to adjust for: numbers as they are, words as one column for each but the first.

    Parameters
    ----------
    table : ScoreTable
        Of everybody.
    names : sequence of str
        In lower case.

    Raises
    ------
    ValueError
        One value everywhere.
    """
    columns: list[Scores] = []
    for name in names:
        words = words_of(table, name)
        known = [word for word in words if is_known(word)]
        if all(finite_number(word) is not None for word in known):
            columns.append(numbers_of(table, name))
            continue
        for value in sorted(set(known))[1:]:
            columns.append(np.array([float(w == value) if is_known(w) else math.nan for w in words]))
    if not columns:
        raise ValueError(f"{', '.join(names)} has one value alone: there is nothing to adjust for")
    return np.column_stack(columns)


def _bands(cuts: Sequence[float]) -> list[str]:
    inner = [f"{low:g} to {high:g}" for low, high in pairwise(cuts)]
    return [f"below {cuts[0]:g}", *inner, f"{cuts[-1]:g} and more"]
