"""Tables beside the means: lesions by size, what is called in healthy scans, and in whose."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from ....metrics.sizes import SIZES
from ....metrics.statistics import mean_over_subjects
from ...summary import groups_of
from ...task import CaseRow, PlainTable

Group = Callable[[CaseRow], str]
AGES = (40, 60, 70)
"""Bounds of the groups of age, in years; a bound belongs to the older group."""
UNKNOWN = "not known"


def size_table(rows: Sequence[CaseRow], title_of: Callable[[str], str]) -> PlainTable:
    """Lesions of each size: how many are found, how much of them, and what is called that is none.

    Parameters
    ----------
    rows : sequence of CaseRow
        Numbers of cases.
    title_of : function
        Title of an input.
    """
    lines = []
    for (data, contrast, method), group in groups_of(rows).items():
        for n, size in enumerate(SIZES):
            told = [r for r in group if r[f"true_{n}"]]
            true, met = (sum(int(float(r[f"{k}_{n}"])) for r in told) for k in ("true", "detected"))
            if not true and not any(float(r[f"false_{n}"]) for r in told):
                continue
            cells = [_mean(told, f"{k}_{n}", 2) for k in ("recall", "dice")]
            wrong = [_mean(told, f"{k}_{n}", d) for k, d in (("false", 1), ("false_ml", 2))]
            found = f"{met} of {true}" if true else "–"
            lines.append([data, title_of(contrast), method, size, found, *cells, *wrong])
    return PlainTable(
        "Lesions by size",
        "Connected parts (26 neighbours) of the true lesion, by their own volume, at the threshold of the "
        "results. Found: a tenth of the voxels is called. Recall: share of the voxels called; Dice: with the "
        "called parts that meet such a lesion; both are means over scans that have such lesions. False: "
        "called parts of this size of which less than a tenth is true, mean over all scans with a lesion.",
        ("data", "input", "method", "size", "found", "recall", "Dice", "false parts", "false, mL"),
        lines,
    )


def people_table(rows: Sequence[CaseRow], title_of: Callable[[str], str]) -> PlainTable:
    """What is called in healthy scans by contrast, and within it by age, sex and site, over all data sets.

    Parameters
    ----------
    rows : sequence of CaseRow
        Numbers of cases.
    title_of : function
        Title of an input.
    """
    by: Mapping[str, Group] = {
        "all": lambda _: "",
        "age": age_group,
        "sex": lambda r: r["sex"] or UNKNOWN,
        "site": lambda r: r["site"] or UNKNOWN,
    }
    healthy = [r for r in rows if r["healthy_ml"] and not r["failed"]]
    lines = []
    for contrast, method in dict.fromkeys((title_of(r["input"]), r["method"]) for r in healthy):
        own = [r for r in healthy if (title_of(r["input"]), r["method"]) == (contrast, method)]
        for kind, group_of in by.items():
            names = sorted({group_of(r) for r in own}, key=lambda x: (x == UNKNOWN, _order(x)))
            if kind != "all" and names == [UNKNOWN]:
                continue
            for name in names:
                group = [r for r in own if group_of(r) == name]
                largest = max(float(r["healthy_ml"]) for r in group)
                people = len({r["subject"] for r in group})
                cells = [
                    _mean(group, "healthy_ml", 2),
                    f"{largest:.2f}",
                    _mean(group, "anomalous_percent", 2),
                ]
                lines.append([contrast, method, kind, name or "all", f"{len(group)} of {people}", *cells])
    return PlainTable(
        "Healthy scans: what is called anomaly, by age, sex and site",
        "All data sets together; a healthy scan has no anomaly, so all of it is false. Age, sex and site are "
        "those of `participants.tsv`.",
        (
            "input",
            "method",
            "by",
            "group",
            "scans of people",
            "mean, mL",
            "largest, mL",
            "mean, % of the brain",
        ),
        lines,
    )


def age_group(row: CaseRow) -> str:
    """Group of age of a row.

    Parameters
    ----------
    row : CaseRow
        With its age, which may be empty.

    Examples
    --------
    >>> [age_group({"age": age}) for age in ("39.9", "40", "65", "89", "")]
    ['below 40', '40 to 59', '60 to 69', '70 and more', 'not known']
    """
    if not row["age"]:
        return UNKNOWN
    age = float(row["age"])
    if age < AGES[0]:
        return f"below {AGES[0]}"
    if age >= AGES[-1]:
        return f"{AGES[-1]} and more"
    low, high = next((a, b) for a, b in pairwise(AGES) if a <= age < b)
    return f"{low} to {high - 1}"


def _order(name: str) -> tuple[bool, str]:
    """So that "below 40" comes first."""
    return not name.startswith("below"), name


def _mean(rows: Sequence[CaseRow], number: str, digits: int) -> str:
    values = [float(r[number] or "nan") for r in rows]
    return mean_over_subjects(values, [r["subject"] for r in rows]).text(digits)
