"""Cells and sentences of an audit, for its page and its Markdown."""

import math

from ...metrics.conformal import fewest_normals
from .audit import RANDOM, Audit
from .result import TOO_FEW, AttributeAudit, GroupRow

RATE_NAMES = {
    "fpr": "called abnormal, %",
    "delta": "shift (Cliff's δ)",
    "tpr": "anomalies found, %",
    "auc_across": "AUC, all anomalies",
    "auc_within": "AUC, own anomalies",
    "tpr_at_own": "found at own α, %",
    "own_fpr": "own threshold: called, %",
    "own_tpr": "own threshold: found, %",
    "own_moved": "own threshold: moved, SD",
}
"""Columns of the table of groups."""

_IN_PERCENT = ("fpr", "tpr", "tpr_at_own", "own_fpr", "own_tpr")
DASH = "–"


def attribute_heads() -> list[str]:
    """Columns of the table of attributes."""
    return [
        "attribute",
        "scores",
        "finding",
        "gap of false alarms, %",
        "gap by lot, %",
        "η²",
        "p",
        "p (rank)",
    ]


def attribute_cells(one: AttributeAudit) -> list[str]:
    """A line of the table of attributes.

    Parameters
    ----------
    one : AttributeAudit
        Of an attribute.
    """
    low, high = one.gap_intervals["fpr"]
    p, p_gap = (one.p, one.p_gap) if math.isnan(one.p_holm) else (one.p_holm, one.p_gap_holm)
    explained = f"{number(one.explained, 3)}\nby lot {number(one.explained_by_chance, 3)}"
    return [
        one.name,
        "negative control: by lot" if one.kind == RANDOM else one.kind,
        one.finding if one.finding == TOO_FEW else f"{one.finding},\n{one.gap_finding}",
        f"{number(100 * one.gaps['fpr'], 1)}\n{interval(100 * low, 100 * high, 1)}",
        f"up to {number(100 * one.chance, 1)}\np = {small(p_gap)}" if one.finding != TOO_FEW else DASH,
        explained if one.finding != TOO_FEW else DASH,
        small(p),
        small(one.p_mann_whitney),
    ]


def group_cells(row: GroupRow) -> list[str]:
    """A line of the table of groups.

    Parameters
    ----------
    row : GroupRow
        Of a group.
    """
    cells = [row.group if row.enough else f"{row.group}\n{TOO_FEW}", str(row.normals), str(row.anomalies)]
    for name in RATE_NAMES:
        factor, digits = (100.0, 1) if name in _IN_PERCENT else (1.0, 2)
        value = row.numbers[name]
        cell = number(factor * value, digits)
        if name in row.intervals and math.isfinite(value):
            low, high = row.intervals[name]
            cell += f"\n{interval(factor * low, factor * high, digits)}"
        cells.append(cell)
    return cells


def guarantee(found: Audit) -> str:
    """What the threshold promises, and what it did.

    Parameters
    ----------
    found : Audit
        Of `audit`.
    """
    alpha, whose = found.settings.alpha, "all normals"
    if found.settings.reference:
        name, value = found.settings.reference
        whose = f"the normals of {name} {value}"
    one = found.attributes[0]
    return (
        f"The threshold is that of split conformal prediction from {whose}: "
        f"{int(found.people.pool.sum()) // 2} calibrate, the others are called, and this is done for "
        f"{found.settings.splits} random halves. "
        f"It promises that at most {100 * alpha:g} % of new people like them are called abnormal; "
        f"{number(100 * one.realised, 1)} % were. The median threshold is {number(one.threshold, 6)}."
    )


def how_to_read(found: Audit) -> list[str]:
    """Sentences for who reads such a table for the first time.

    Parameters
    ----------
    found : Audit
        Of `audit`.
    """
    alpha = f"{100 * found.settings.alpha:g} %"
    return [
        f"An unbiased score calls {alpha} of the normals abnormal in every group.",
        "A gap between groups is never below 0. Compare it with the gap by lot: the 95th percentile of what "
        "random groups of the same sizes give. There may be a gap without a shift, where scores scatter "
        "more.",
        "The negative control is one such random attribute, measured like the others: one in twenty is "
        '"found" by chance.',
        "η² is the share of the variance of normals' scores that the attribute explains. p is its "
        "permutation test, corrected for the number of attributes (Holm). p (rank) is the Mann-Whitney test "
        "of each group against the others, the smallest, corrected for the groups.",
        "AUC with all anomalies compares groups: their normals differ, the anomalies are the same. AUC with "
        "own anomalies also holds how hard the group's disease is to see.",
        f"An own threshold promises {alpha} within the group. Its price is in the columns beside it: what is "
        "found of the anomalies, and how far the threshold moved, in standard deviations of normals' scores. "
        f"It needs {2 * fewest_normals(found.settings.alpha)} normals of the group.",
        '"Not found" is no proof of none: the interval of the gap says what these numbers allow.',
        "Brackets: 95 % intervals, by bootstrap over subjects.",
    ]


def number(value: float, digits: int) -> str:
    """A number, or a dash; digits are decimals, or from 4 on significant ones.

    Parameters
    ----------
    value : float
        May be nan.
    digits : int
        How many.
    """
    if not math.isfinite(value):
        return DASH
    return f"{value:.{digits}g}" if digits > 3 else f"{value:.{digits}f}"


def interval(low: float, high: float, digits: int) -> str:
    """An interval in brackets, or nothing.

    Parameters
    ----------
    low, high : float
        May be nan.
    digits : int
        Decimals.
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"[{low:.{digits}f}, {high:.{digits}f}]"


def small(p: float) -> str:
    """A p value.

    Parameters
    ----------
    p : float
        May be nan.
    """
    if not math.isfinite(p):
        return DASH
    return f"{p:.3f}" if p >= 0.001 else f"{p:.1g}"
