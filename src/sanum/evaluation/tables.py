"""The numbers as Markdown and JSON, in the layout of the paper's tables, its figures beside ours."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from .. import __version__
from ..metrics.statistics import FEWEST_SUBJECTS, Mean, mean_over_subjects
from .numbers import COVERAGES, HEAD_MM
from .published import DIFFERENCE_DICE, RECONSTRUCTION
from .store import Row
from .summary import ON_OTHERS, Comparison, Summary, comparisons, summaries

TITLES = {"t1w": "T1w", "t2w": "T2w", "flair": "FLAIR", "pd": "PD", "pdw": "PD", "dwi": "DWI", "ct": "CT"}
_PARTS = {"f": "F", "h": "H", "d": "D"}
_ERRORS = {
    f"{m}_{p}": f"{title} {part}"
    for m, title in (("l1", "L1"), ("psnr", "PSNR"), ("ssim", "SSIM"))
    for p, part in _PARTS.items()
}
_DETECTION = {
    "dice": "Dice", "dice_soft": "soft Dice", "dice_oracle": "oracle Dice", "lesion_f1": "lesion F1",
    "average_precision": "average precision", "ece": "ECE",
}  # fmt: skip
_DIFFERENCE = {
    ON_OTHERS: "Dice", "difference_dice_soft": "soft Dice", "difference_dice_oracle": "oracle Dice",
}  # fmt: skip
_SURE = {
    **{f"coverage_{100 * q:.0f}": f"within the {100 * q:.0f} % bound, share" for q in COVERAGES},
    "dice_brain": "Dice brain",
}
_VOLUME = " × ".join(f"{mm:.0f}" for mm in HEAD_MM)


def as_json(rows: Sequence[Row], pairs: Sequence[Row], reference: str) -> str:
    """All that the Markdown says, for machines; an interval that is not given is null."""
    told = {
        "version": __version__,
        "interval": f"95 %, BCa bootstrap over subjects; null below {FEWEST_SUBJECTS} subjects",
        "rows": [asdict(s) for s in summaries(rows)],
        "tests": [asdict(t) for t in comparisons(rows, reference)],
        "same_patient": pairs,
        "published": RECONSTRUCTION,
    }
    return json.dumps(told, indent=2, default=str) + "\n"


def as_markdown(rows: Sequence[Row], pairs: Sequence[Row], reference: str) -> str:
    """Every table for which there are numbers."""
    found = summaries(rows)
    parts = [
        "# Evaluation",
        f"Means over samples, in brackets their 95 % interval (BCa bootstrap over subjects). Of fewer than "
        f"{FEWEST_SUBJECTS} subjects no interval is given, and no test is made. F whole, H healthy part, "
        "D diseased part. White matter is 1; PSNR in dB with peak 1.",
        _table(
            "Reconstruction, averaged over the whole volume (as the paper)",
            f"The volume is a head's, {_VOLUME} mm; the error of a part counts as 0 elsewhere. Rows "
            "\"(paper)\" are the paper's own, on its own data.",
            found, _ERRORS, published=True,
        ),
        _table(
            "Reconstruction, inside the brain alone",
            "Averages over the brain's voxels: all, those without lesion, those of the lesion.",
            found, {f"brain_{k}": v for k, v in _ERRORS.items()},
        ),
        _table(
            "Anomaly probability",
            "Dice at the threshold of the results, fixed beforehand; soft Dice without one; the **oracle** "
            "takes each scan's best threshold, which nobody knows. Lesion F1: parts of 26 neighbours, met "
            "where a tenth of their voxels is. ECE: expected calibration error in the brain, 15 bins.",
            found, _DETECTION,
        ),
        _table(
            "Difference map |input − reconstruction|",
            "Input matched by a gain and an offset over the predicted brain; divided by the 99.5th "
            "percentile there. Dice at the threshold that is best on the other subjects. The paper, "
            "simulated lesions, T1w: "
            + "; ".join(f"{k} {v}" for k, v in DIFFERENCE_DICE.items()) + ".",
            found, _DIFFERENCE,
        ),
        _table("Uncertainty and brain mask", "", found, _SURE),
        _healthy(found),
        _pairs(pairs),
        _comparisons(comparisons(rows, reference)),
        _one_by_one(rows, found),
        _failed(rows),
    ]  # fmt: skip
    return "\n\n".join(p for p in parts if p) + "\n"


def _table(
    title: str, text: str, found: Sequence[Summary], columns: dict[str, str], *, published: bool = False
) -> str:
    shown = [s for s in found if any(c in s.means for c in columns)]
    if not shown:
        return ""
    columns = {c: t for c, t in columns.items() if any(c in s.means for s in shown)}
    lines, last = [], None
    for s in shown:
        if published and s.contrast != last:
            lines += [
                [
                    "(paper)",
                    _title(s.contrast),
                    name,
                    "1000 samples",
                    *(_number(v.get(c), c) for c in columns),
                ]
                for name, v in RECONSTRUCTION.get(s.contrast, {}).items()
                if "l1_d" in s.means  # the paper's have a lesion
            ]
            last = s.contrast
        cells = (_mean(s.means.get(c), c) for c in columns)
        lines.append([s.data, _title(s.contrast), s.method, _count(s, columns), *cells])
    return _markdown(title, text, ["data", "input", "method", "n", *columns.values()], lines)


def _healthy(found: Sequence[Summary]) -> str:
    lines = [
        [s.data, _title(s.contrast), s.method, _count(s, ["anomalous_percent"]),
         _mean(s.means["anomalous_percent"], "anomalous_percent"), f"{s.largest:.2f}"]
        for s in found if "anomalous_percent" in s.means
    ]  # fmt: skip
    heads = ["data", "input", "method", "n", "mean, % of the brain", "largest, %"]
    return _markdown("Healthy scans: share of the brain called anomalous", "", heads, lines)


def _pairs(pairs: Sequence[Row]) -> str:
    lines = [
        [r["data"], r["case"], r["method"], *(_number(float(r[k]), k) for k in ("psnr", "brain_psnr", "l1"))]
        for r in pairs
    ]
    for data, method in dict.fromkeys((r["data"], r["method"]) for r in pairs):
        mine = [r for r in pairs if (r["data"], r["method"]) == (data, method)]
        subjects = [r["subject"] for r in mine]
        means = [
            mean_over_subjects([float(r[k]) for r in mine], subjects) for k in ("psnr", "brain_psnr", "l1")
        ]
        name = f"mean of {means[0].samples} pairs, {_subjects(means[0].subjects)}"
        lines.append([data, name, method, *map(_mean, means, ("psnr", "brain_psnr", "l1"))])
    text = f"How alike the anatomies from aligned scans of one head are, over {_VOLUME} mm and in the brain."
    heads = ["data", "scans", "method", "PSNR", "PSNR in the brain", "L1"]
    return _markdown("One patient, several contrasts", text, heads, lines)


def _comparisons(found: Sequence[Comparison]) -> str:
    lines = [
        [t.data, _title(t.contrast), t.number, f"{t.one} − {t.other}", _mean(t.difference, t.number),
         _p(t.p), _p(t.adjusted)]
        for t in found
    ]  # fmt: skip
    text = (
        "Wilcoxon's signed-rank test on the subjects' mean differences, on samples that both methods have; "
        "Holm's correction over the methods compared."
    )
    heads = ["data", "input", "number", "difference", "mean", "p", "p (Holm)"]
    return _markdown("Between methods", text, heads, lines)


def _one_by_one(rows: Sequence[Row], found: Sequence[Summary]) -> str:
    few = {(s.data, s.contrast, s.method) for s in found if s.subjects < FEWEST_SUBJECTS}
    lines = [
        [r["data"], r["case"], r["method"], *(f"{float(r[k]):.1f}" for k in ("true_ml", "found_ml")),
         *(_number(float(r[k]) if r[k] else None, k) for k in ("dice", "average_precision", "lesion_f1"))]
        for r in rows
        if (r["data"], r["input"], r["method"]) in few and r["true_ml"] and not r["failed"]
    ]  # fmt: skip
    text = f"Cases of which there are fewer than {FEWEST_SUBJECTS} subjects: examples and no statistics."
    heads = ["data", "case", "method", "true, mL", "found, mL", "Dice", "average precision", "lesion F1"]
    return _markdown("Case by case", text, heads, lines)


def _failed(rows: Sequence[Row]) -> str:
    lines = [[r["data"], r["case"], r["method"], r["failed"]] for r in rows if r["failed"]]
    return _markdown("Not reconstructed (in no mean)", "", ["data", "case", "method", "why"], lines)


def _markdown(title: str, text: str, heads: list[str], lines: list[list[str]]) -> str:
    if not lines:
        return ""
    table = [heads, ["---"] * len(heads), *lines]
    told = "\n".join(f"| {' | '.join(c.replace('|', '/') for c in line)} |" for line in table)
    return "\n\n".join(x for x in (f"## {title}", text, told) if x)


def _title(contrast: str) -> str:
    return TITLES.get(contrast.lower(), contrast)


def _subjects(n: int) -> str:
    return f"{n} subjects" if n != 1 else "1 subject"


def _count(s: Summary, columns: Iterable[str]) -> str:
    """Of how many samples and subjects there is any of these numbers."""
    means = [s.means[c] for c in columns if c in s.means]
    samples, subjects = max(m.samples for m in means), max(m.subjects for m in means)
    few = "" if subjects >= FEWEST_SUBJECTS else ", no interval"
    failed = f", {s.failed} failed" if s.failed else ""
    return f"{samples} of {_subjects(subjects)}{few}{failed}"


def _mean(mean: Mean | None, number: str) -> str:
    if mean is None:
        return "–"
    told = _number(mean.value, number)
    if mean.low is None:
        return told
    return f"{told} [{_number(mean.low, number)}, {_number(mean.high, number)}]"


def _number(value: float | None, number: str) -> str:
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:.{2 if 'psnr' in number or 'percent' in number else 4 if 'l1' in number else 3}f}"


def _p(p: float | None) -> str:
    return "–" if p is None else f"{p:.3f}" if p >= 0.001 else "< 0.001"
