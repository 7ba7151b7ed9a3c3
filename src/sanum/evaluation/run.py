"""Every case measured with every method; numbers that exist already are not measured again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Generic

from ..scan import ScanError
from .store import Store, cases_of, example_path, pairs_of, save_example
from .task import CaseRow, CaseT, EvaluatedMethod, EvaluationCase, MethodT, Task

OnCase = Callable[[int, int, str], None]


@dataclass(frozen=True)
class EvaluationSummary:
    """What a run did.

    Parameters
    ----------
    measured : int
        Cases tried in this run, once for each method; the rest was there.
    failed : tuple of str
        Cases that a method could not do, and why.
    """

    measured: int
    failed: tuple[str, ...]


def measure(
    task: Task[CaseT, MethodT],
    cases: Sequence[CaseT],
    methods: Mapping[str, MethodT],
    folder: Path,
    *,
    on_case: OnCase | None = None,
) -> EvaluationSummary:
    """Write the numbers of every case and method into `folder`; existing ones stay.

    Parameters
    ----------
    task : Task
        What is measured, such as `tasks.anatomy.HealthyAnatomy()`.
    cases : sequence of cases
        Of the task's own kind.
    methods : mapping of str to methods
        By the name that the tables show; the examples are of the first.
    folder : Path
        Made if it is not there.
    on_case : function, optional
        Called with how many of how many are done, and which.

    Raises
    ------
    ValueError
        Two cases of one name; `folder` holds numbers of another kind.
    ScanError
        `folder` cannot be written to.
    """
    names = [(c.data, c.name) for c in cases]
    if twice := next((n for n in names if names.count(n) > 1), None):
        raise ValueError(f"{'/'.join(twice)} is there twice: give the data sets different names")
    rows, pairs = cases_of(task, folder), pairs_of(task, folder)
    groups, done = list(task.groups(cases)), 0
    measured: list[str] = []
    failed: list[str] = []
    for name, method in methods.items():
        examples = folder if name == next(iter(methods)) else None
        for cases_of_group in groups:
            group = _Group(task, cases_of_group, _Named(name, method), rows, pairs)
            for case in group.in_order():
                if group.needs(case):
                    measured.append(case.name)
                    failed += group.measure(case, examples)
                done += 1
                if on_case:
                    on_case(done, len(cases) * len(methods), f"{case.data}/{case.name}, {name}")
            group.compare()
    return EvaluationSummary(len(measured), tuple(failed))


@dataclass(frozen=True)
class _Named(Generic[MethodT]):
    """A method, and the name that the tables show."""

    name: str
    method: MethodT


class _Group(Generic[CaseT, MethodT]):
    """Cases that are compared with each other, by one method."""

    def __init__(
        self,
        task: Task[CaseT, MethodT],
        cases: Sequence[CaseT],
        method: _Named[MethodT],
        rows: Store,
        pairs: Store,
    ) -> None:
        self.task, self.cases, self.name, self.method = task, list(cases), method.name, method.method
        self.rows, self.pairs = rows, pairs
        self.digests = {case.name: case.digest() for case in cases}
        self.comparable: dict[str, object] = {}
        both = combinations(cases, 2) if task.compared(method.method) else ()
        self.open_pairs = [(a, b) for a, b in both if not pairs.has(self._pair(a, b))]

    def in_order(self) -> list[CaseT]:
        """The cases; those whose own numbers are missing come first, for the others may wait for them."""
        return sorted(self.cases, key=lambda case: not self._missing(case))

    def needs(self, case: CaseT) -> bool:
        """Whether a case must be done: its own numbers are missing, or those of a pair that is possible."""
        if self._missing(case):
            return True
        partners = [b if a is case else a for a, b in self.open_pairs if case in (a, b)]
        return any(not self._failed(partner) for partner in partners)

    def measure(self, case: CaseT, examples: Path | None) -> list[str]:
        """Do one case; returns why it failed, if it did."""
        missing = self._missing(case)
        try:
            trial = self.task.measure(case, self.method, list(missing), with_example=examples is not None)
        except ScanError as error:
            self.rows.put({**row, "failed": str(error)} for row in missing.values())
            return [f"{self.name}: {error}"]
        self.comparable[case.name] = trial.comparable
        if examples and trial.example is not None:
            save_example(trial.example, example_path(examples, case.data, case.name))
        if missing:
            self.rows.put({**row, **trial.numbers[variant]} for variant, row in missing.items())
        return []

    def compare(self) -> None:
        """Write the numbers of the pairs of which both cases were done in this run."""
        done = set(self.comparable)
        there = [(a, b) for a, b in self.open_pairs if {a.name, b.name} <= done]
        if there:
            self.pairs.put(
                {**self._pair(a, b), **self.task.compare(self.comparable[a.name], self.comparable[b.name])}
                for a, b in there
            )

    def _missing(self, case: CaseT) -> dict[str, CaseRow]:
        """Rows of a case that are not there yet, without their numbers, by variant."""
        rows = {v: self._row(case, v) for v in self.task.variants(case, self.method)}
        return {variant: row for variant, row in rows.items() if not self.rows.has(row)}

    def _failed(self, case: CaseT) -> bool:
        return any(self.rows.failed(self._row(case, v)) for v in self.task.variants(case, self.method))

    def _row(self, case: EvaluationCase, variant: str) -> CaseRow:
        return {
            "data": case.data,
            "case": case.name,
            "subject": case.subject,
            "input": case.contrast,
            "method": f"{self.name}, {variant}" if variant else self.name,
            "weights": _weights(self.method),
            "digest": self.digests[case.name],
        }

    def _pair(self, one: CaseT, other: CaseT) -> CaseRow:
        return {
            "data": one.data,
            "case": self.task.pair_name(one, other),
            "subject": one.subject,
            "method": self.name,
            "weights": _weights(self.method),
            "digest": self.digests[one.name] + self.digests[other.name],
        }


def _weights(method: EvaluatedMethod) -> str:
    return method.weights_sha256[:12]
