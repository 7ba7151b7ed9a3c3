"""People of every group who are alike in what could explain a difference: matched one to one."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from ...data.attributes import Attribute
from ...metrics.groups import Codes
from ...metrics.ranking import Scores
from .attributes import numbers_of, words_of
from .table import ScoreTable, is_known

CALIPER = 0.2
"""How far numbers of a match may differ, in their standard deviation, where nothing else is asked for."""

_NEVER = 1e6


def distances(table: ScoreTable, asked: Sequence[Attribute]) -> list[Scores]:
    """A column (N,) for each attribute, scaled so that a difference above 1 is no match; nan: not known.

    Parameters
    ----------
    table : ScoreTable
        Of everybody.
    asked : sequence of Attribute
        Numbers, each with its caliper as the only cut, or none; words match if they are the same.

    Raises
    ------
    ValueError
        No such column; a caliper that is not above 0, or one for words; a constant column.
    """
    columns = []
    for one in asked:
        words = [word for word in words_of(table, one.name) if is_known(word)]
        if any(not cut > 0 for cut in one.cuts):
            raise ValueError(f"a difference that is allowed is above 0, as in {one.name}:3")
        try:
            values = numbers_of(table, one.name)
        except ValueError:
            if one.cuts:
                raise ValueError(
                    f"{one.name} is no number, so it is matched as it stands: expected --match {one.name}"
                ) from None
            kinds = sorted(set(words))
            known = [w if is_known(w) else "" for w in words_of(table, one.name)]
            values = 2.0 * np.array([kinds.index(w) if w else np.nan for w in known])
        else:
            if len(set(words)) < 2:
                raise ValueError(f"{one.name} has one value alone: there is nothing to match") from None
            values = values / (one.cuts[0] if one.cuts else CALIPER * float(np.nanstd(values)))
        columns.append(np.asarray(values, np.float64))
    return columns


def matched(columns: Sequence[Scores], codes: Codes, groups: int) -> npt.NDArray[np.bool_]:
    """Who is matched (N,): sets of one of each group, any two of whom are alike.

    Of two groups as many, and among those as near, as can be. Of more, group by group, the smallest first:
    each set gets a partner who is alike all its members so far, or is lost. To find as many as can be is hard
    then, so there may be a few more.

    Parameters
    ----------
    columns : sequence of (N,) float
        Of `distances`.
    codes : (N,) int
        Group of each; −1: in none.
    groups : int
        How many there are.
    """
    values = np.stack(columns, 1)
    members = [np.flatnonzero((codes == g) & np.isfinite(values).all(1)) for g in range(groups)]
    smallest, *others = sorted(members, key=len)
    sets = smallest[:, None]  # (sets, people of each)
    for more in others:
        apart = np.abs(values[sets][:, :, None] - values[more])  # (sets, people, more, columns)
        cost = np.where((apart <= 1 + 1e-9).all((1, 3)), apart.sum((1, 3)), _NEVER)
        rows, partners = linear_sum_assignment(cost)
        alike = cost[rows, partners] < _NEVER
        sets = np.column_stack([sets[rows[alike]], more[partners[alike]]])
    out = np.zeros(len(codes), bool)
    out[sets.ravel()] = True
    return out
