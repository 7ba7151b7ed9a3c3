"""What was asked and what was reached on real scans; means by contrast, with the range of the patients."""

from collections.abc import Mapping, Sequence

import numpy as np

from real_anatomy import Row
from sanum.metrics.statistics import mean_over_subjects

CaseRows = Sequence[Mapping[str, str]]
DICE = {  # the least Dice at 0.5, by start of the case's name and its contrast
    ("sub-ms1", "FLAIR"): 0.60,
    ("sub-ms1", "T2w"): 0.45,
    ("sub-ms1", "T1w"): 0.40,
    ("sub-glioma1", "FLAIR"): 0.80,
    ("sub-glioma1", "T2w"): 0.65,
    ("sub-glioma1", "T1w"): 0.60,
    ("sub-glioma2", "FLAIR"): 0.80,
    ("sub-glioma2", "T2w"): 0.65,
    ("sub-glioma2", "T1w"): 0.60,
    ("sub-stroke2", "T2w"): 0.65,
    ("sub-old1", "FLAIR"): 0.50,
    ("sub-old2", "FLAIR"): 0.50,
}
MOST_ML = {"T1w": 0.5, "PD": 2.0, "T2w": 2.0, "FLAIR": 2.0, "CT": 2.0}  # called in a healthy scan
MOST_OLD_ML, LEAST_ALIKE_DB, LEAST_GREY_WHITE, COVERED = 5.0, 22.0, 0.22, (0.7, 0.9)
KINDS = {"dice": "Dice at 0.5", "dice_validated": "validated threshold", "dice_oracle": "oracle"}


def targets(rows: CaseRows, pairs: CaseRows, anatomy: Sequence[Row]) -> list[Row]:
    """Every number that was asked of a real scan, with what was measured.

    Parameters
    ----------
    rows, pairs : sequence of rows
        Of `HealthyAnatomy`, complete.
    anatomy : sequence of Row
        See `real_anatomy`.
    """
    own = [r for r in rows if r["method"] == "una" and not r["failed"]]
    out: list[Row] = []

    def ask(what: str, value: float, least: float | None, most: float | None) -> None:
        reached = (least is None or value >= least) and (most is None or value <= most)
        words = " to ".join(f"{x:g}" for x in (least, most) if x is not None)
        asked = words if least is not None and most is not None else f"{'≥' if most is None else '≤'} {words}"
        out.append({"what": what, "asked": asked, "measured": value, "reached": "yes" if reached else "no"})

    for r in own:
        least = DICE.get((r["subject"], r["input"]))
        if least is not None and r["dice"]:
            ask(f"Dice of {r['case']}", float(r["dice"]), least, None)
    for r in own:
        if r["data"] == "old" and r["input"] == "T1w":
            ask(f"called beside the lesions of {r['case']}, mL", float(r["false_ml"]), None, MOST_OLD_ML)
    healthy = [r for r in own if r["healthy_ml"]]
    for contrast in dict.fromkeys(r["input"] for r in healthy):
        largest = max(float(r["healthy_ml"]) for r in healthy if r["input"] == contrast)
        ask(f"largest call in a healthy {contrast}, mL", largest, None, MOST_ML[contrast])
    for r in pairs:
        ask(f"in the brain, {r['case']}, dB", float(r["brain_psnr"]), LEAST_ALIKE_DB, None)
    for contrast in dict.fromkeys(str(r["input"]) for r in anatomy):
        told = [r for r in anatomy if r["input"] == contrast and np.isfinite(float(r["grey_white"]))]
        if told:
            lowest = min(told, key=lambda r: float(r["grey_white"]))
            what = f"lowest grey/white contrast from {contrast} ({lowest['case']}, by {lowest['tissue']})"
            ask(what, float(lowest["grey_white"]), LEAST_GREY_WHITE, None)
        covered = [float(r["coverage_80"]) for r in anatomy if r["input"] == contrast and "coverage_80" in r]
        if covered:
            what = f"mean coverage of the 80 % interval from {contrast}"
            ask(what, float(np.mean(covered)), *COVERED)
    return out


def report(said: Mapping[str, object], asked: Sequence[Row], rows: CaseRows, anatomy: Sequence[Row]) -> str:
    """Markdown of what the tables of `sanum evaluate` do not hold.

    Parameters
    ----------
    said : mapping
        Weights, SHA-256, notes.
    asked : sequence of Row
        See `targets`.
    rows : sequence of rows
        As of `targets`.
    anatomy : sequence of Row
        As of `targets`.
    """
    notes = said["notes"]
    parts = [
        f"# Real scans, {said['weights']} (SHA-256 {str(said['sha256'])[:8]}…)",
        "\n".join(f"* {note}" for note in notes) if isinstance(notes, list) else "",
        "## Asked and reached",
        table(
            ["what", "asked", "measured", "reached"],
            [
                [str(r["what"]), str(r["asked"]), f"{float(r['measured']):.2f}", str(r["reached"])]
                for r in asked
            ],
        ),
        "## Lesions by contrast: mean, and lowest to highest patient",
        "The validated threshold of a patient is that of the other patients; that of old people is the "
        "patients'. The oracle's is each scan's best, and no result.",
        _by_contrast(rows),
        "## Anatomy against the person's own T1w, inside the brain and outside of lesions",
        "Means; in brackets 95 % (bootstrap over people) from five people on, else the lowest to the "
        'highest. Grey/white "by itself" has no T1w to say where the tissue is, and flatters a flat anatomy.',
        _anatomy(anatomy),
    ]
    return "\n\n".join(p for p in parts if p) + "\n\n"


def _by_contrast(rows: CaseRows) -> str:
    lines = []
    known = [r for r in rows if r["dice_oracle"] and not r["failed"]]
    for data, contrast, method in dict.fromkeys((r["data"], r["input"], r["method"]) for r in known):
        own = [r for r in known if (r["data"], r["input"], r["method"]) == (data, contrast, method)]
        people = str(len({r["subject"] for r in own}))
        lines.append([data, contrast, method, people, *(_mean(own, k, 2) for k in KINDS)])
    return table(["data", "input", "method", "people", *KINDS.values()], lines)


def _anatomy(anatomy: Sequence[Row]) -> str:
    columns = {
        **{"brain_psnr": "PSNR, dB", "brain_ssim": "SSIM", "brain_l1": "L1"},
        **{"coverage_50": "within the 50 % bound", "coverage_80": "80 %", "coverage_95": "95 %"},
        **{"grey_white": "grey/white contrast", "mean_uncertainty": "mean uncertainty"},
    }
    lines = []
    keys = ("data", "input", "tissue")
    for key in dict.fromkeys(tuple(str(r[k]) for k in keys) for r in anatomy):
        own = [r for r in anatomy if tuple(str(r[k]) for k in keys) == key]
        people = str(len({r["subject"] for r in own}))
        lines.append([*key, people, *(_mean(own, k, 1 if "psnr" in k else 3) for k in columns)])
    return table(["data", "input", "tissue by", "people", *columns.values()], lines)


def _mean(rows: Sequence[Mapping[str, str | float]], number: str, digits: int) -> str:
    """Mean with its interval, or with the range of the values where there are too few people for one."""
    values = [float(r.get(number) or "nan") for r in rows]
    mean = mean_over_subjects(values, [str(r["subject"]) for r in rows])
    seen = [v for v in values if np.isfinite(v)]
    if mean.low is None and len(seen) > 1:
        return f"{mean.value:.{digits}f} ({min(seen):.{digits}f} to {max(seen):.{digits}f})"
    return mean.text(digits)


def table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Lines as a Markdown table; nothing without lines."""
    if not lines:
        return ""
    both = [heads, ["---"] * len(heads), *lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in both)
