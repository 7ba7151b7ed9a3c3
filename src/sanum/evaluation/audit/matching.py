"""People of every group who are alike in what could explain a difference: matched one to one."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from ...metrics.groups import Codes
from ...metrics.ranking import Scores
from .attributes import Attribute, numbers_of, words_of
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
    """Who is matched (N,): one of each group for each of the smallest, as many and as near as can be.

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
    anchor = min(range(groups), key=lambda g: len(members[g]))
    partners = {int(n): [int(n)] for n in members[anchor]}
    for g in range(groups):
        if g == anchor or not len(members[anchor]):
            continue
        apart = np.abs(values[members[anchor]][:, None] - values[members[g]][None])
        cost = np.where((apart <= 1 + 1e-9).all(2), apart.sum(2), _NEVER)
        for row, column in zip(*linear_sum_assignment(cost), strict=True):
            if cost[row, column] < _NEVER:
                partners[int(members[anchor][row])].append(int(members[g][column]))
    out = np.zeros(len(codes), bool)
    out[[n for those in partners.values() if len(those) == groups for n in those]] = True
    return out
