"""The numbers as Markdown and JSON, with published numbers for comparison."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from .. import __version__
from ..metrics.statistics import FEWEST_SUBJECTS, Mean, mean_over_subjects
from .summary import Comparison, Summary, comparisons, summaries
from .task import CaseRow, CaseT, MeansTable, MethodT, Task


def as_json(
    task: Task[CaseT, MethodT], rows: Sequence[CaseRow], pairs: Sequence[CaseRow], reference: str
) -> str:
    """The content of the Markdown as JSON; a missing interval is null.

    Parameters
    ----------
    task : Task
    rows, pairs : sequence of CaseRow
        Numbers of cases, and of pairs of cases.
    reference : str
        Name of the method that the others are tested against.
    """
    layout = task.layout
    content = {
        "version": __version__,
        "interval": f"95 %, BCa bootstrap over subjects; null below {FEWEST_SUBJECTS} subjects",
        "rows": [asdict(s) for s in summaries(task, rows)],
        "tests": [asdict(t) for t in comparisons(task, rows, reference)],
        "more": [asdict(t) for t in task.more(rows)],
        **({layout.pairs.name: pairs} if layout.pairs else {}),
        "published": layout.published,
    }
    return json.dumps(content, indent=2, default=str) + "\n"


def as_markdown(
    task: Task[CaseT, MethodT], rows: Sequence[CaseRow], pairs: Sequence[CaseRow], reference: str
) -> str:
    """Every table for which there are numbers.

    Parameters
    ----------
    task : Task
    rows, pairs : sequence of CaseRow
        Numbers of cases, and of pairs of cases.
    reference : str
        Name of the method that the others are tested against.
    """
    found = summaries(task, rows)
    writer = _Tables(task, found)
    parts = [
        "# Evaluation",
        f"Means over samples, in brackets their 95 % interval (BCa bootstrap over subjects). Of fewer than "
        f"{FEWEST_SUBJECTS} subjects no interval is given, and no test is made. {task.layout.conventions}",
        *(writer.means(table) for table in task.layout.means),
        *(_markdown(t.title, t.text, list(t.heads), [list(x) for x in t.lines]) for t in task.more(rows)),
        writer.largest(),
        writer.pairs(pairs),
        writer.tests(comparisons(task, rows, reference)),
        writer.cases(rows),
        _failed(rows),
    ]
    return "\n\n".join(p for p in parts if p) + "\n"


class _Tables:
    """The tables of one task."""

    def __init__(self, task: Task[CaseT, MethodT], found: Sequence[Summary]) -> None:
        self.layout, self.digits, self.found = task.layout, task.digits, found

    def means(self, table: MeansTable) -> str:
        """A table of means, with what is published above each input's own lines."""
        measured = [s for s in self.found if any(c in s.means for c in table.columns)]
        if not measured:
            return ""
        columns = {c: t for c, t in table.columns.items() if any(c in s.means for s in measured)}
        lines: list[list[str]] = []
        last = None
        for s in measured:
            if table.published_with and s.contrast != last:
                if table.published_with in s.means:
                    lines += self._published(s.contrast, columns)
                last = s.contrast
            cells = (self._mean(s.means.get(c), c) for c in columns)
            lines.append([s.data, self._title(s.contrast), s.method, _count(s, columns), *cells])
        return _markdown(table.title, table.text, ["data", "input", "method", "n", *columns.values()], lines)

    def largest(self) -> str:
        """The table of the mean and the largest value of one number."""
        table = self.layout.largest
        if table is None:
            return ""
        lines = [
            [
                *(s.data, self._title(s.contrast), s.method, _count(s, [table.number])),
                self._mean(s.means[table.number], table.number),
                f"{s.largest:.2f}",
            ]
            for s in self.found
            if table.number in s.means
        ]
        return _markdown(table.title, "", ["data", "input", "method", "n", *table.heads], lines)

    def pairs(self, pairs: Sequence[CaseRow]) -> str:
        """The table of pairs of cases, and the means over them."""
        table = self.layout.pairs
        if table is None:
            return ""
        lines = [
            [r["data"], r["case"], r["method"], *(self._number(float(r[k]), k) for k in table.columns)]
            for r in pairs
        ]
        for data, method in dict.fromkeys((r["data"], r["method"]) for r in pairs):
            own = [r for r in pairs if (r["data"], r["method"]) == (data, method)]
            subjects = [r["subject"] for r in own]
            means = [mean_over_subjects([float(r[k]) for r in own], subjects) for k in table.columns]
            name = f"mean of {means[0].samples} pairs, {_subjects(means[0].subjects)}"
            lines.append([data, name, method, *map(self._mean, means, table.columns)])
        heads = ["data", table.cases_head, "method", *table.columns.values()]
        return _markdown(table.title, table.text, heads, lines)

    def tests(self, found: Sequence[Comparison]) -> str:
        """The table of tests between methods."""
        lines = [
            [
                *(t.data, self._title(t.contrast), t.number, f"{t.one} − {t.other}"),
                *(self._mean(t.difference, t.number), _p(t.p), _p(t.adjusted)),
            ]
            for t in found
        ]
        text = (
            "Wilcoxon's signed-rank test on the subjects' mean differences, on samples that both methods "
            "have; Holm's correction over the methods compared."
        )
        heads = ["data", "input", "number", "difference", "mean", "p", "p (Holm)"]
        return _markdown("Between methods", text, heads, lines)

    def cases(self, rows: Sequence[CaseRow]) -> str:
        """The table with one line for each case, where subjects are too few for statistics."""
        table = self.layout.cases
        if table is None:
            return ""
        few = {(s.data, s.contrast, s.method) for s in self.found if s.subjects < FEWEST_SUBJECTS}
        lines = [
            [
                *(r["data"], r["case"], r["method"]),
                *(self._number(float(r[k]) if r[k] else None, k) for k in table.columns),
            ]
            for r in rows
            if (r["data"], r["input"], r["method"]) in few and r[table.requires] and not r["failed"]
        ]
        text = f"Cases of which there are fewer than {FEWEST_SUBJECTS} subjects: examples and no statistics."
        return _markdown("Case by case", text, ["data", "case", "method", *table.columns.values()], lines)

    def _published(self, contrast: str, columns: Iterable[str]) -> list[list[str]]:
        return [
            [
                *("(paper)", self._title(contrast), name, self.layout.published_samples),
                *(self._number(values.get(c), c) for c in columns),
            ]
            for name, values in self.layout.published.get(contrast, {}).items()
        ]

    def _title(self, contrast: str) -> str:
        return self.layout.input_title(contrast)

    def _mean(self, mean: Mean | None, number: str) -> str:
        return "–" if mean is None else mean.text(self.digits(number))

    def _number(self, value: float | None, number: str) -> str:
        if value is None or not math.isfinite(value):
            return "–"
        return f"{value:.{self.digits(number)}f}"


def _failed(rows: Sequence[CaseRow]) -> str:
    lines = [[r["data"], r["case"], r["method"], r["failed"]] for r in rows if r["failed"]]
    return _markdown("Not done (in no mean)", "", ["data", "case", "method", "why"], lines)


def _markdown(title: str, text: str, heads: list[str], lines: list[list[str]]) -> str:
    if not lines:
        return ""
    table = [heads, ["---"] * len(heads), *lines]
    body = "\n".join(f"| {' | '.join(c.replace('|', '/') for c in line)} |" for line in table)
    return "\n\n".join(x for x in (f"## {title}", text, body) if x)


def _subjects(n: int) -> str:
    return f"{n} subjects" if n != 1 else "1 subject"


def _count(s: Summary, columns: Iterable[str]) -> str:
    """Of how many samples and subjects there is any of these numbers."""
    means = [s.means[c] for c in columns if c in s.means]
    samples, subjects = max(m.samples for m in means), max(m.subjects for m in means)
    few = "" if subjects >= FEWEST_SUBJECTS else ", no interval"
    failed = f", {s.failed} failed" if s.failed else ""
    return f"{samples} of {_subjects(subjects)}{few}{failed}"


def _p(p: float | None) -> str:
    return "–" if p is None else f"{p:.3f}" if p >= 0.001 else "< 0.001"
