"""The measuring itself: every case by every method, file in, numbers out; what is there is not done again."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from ..healthy.compose import Compose
from ..healthy.compose import compose as composed
from ..healthy.reconstruction import reconstruct
from ..healthy.result import Reconstruction
from ..methods.common.anatomy import Predictor
from ..scan import Scan, ScanError, read
from .cases import Case
from .example import example_of, example_path, save_example
from .numbers import OF_ANATOMY, Known, Numbers, known, likeness, numbers_of
from .oracle import Oracle
from .store import COLUMNS, PAIR_COLUMNS, Row, Store

OnCase = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Outcome:
    """What a run did.

    Parameters
    ----------
    measured : int
        Reconstructions tried in this run; the rest was there.
    failed : tuple of str
        Cases that a method could not reconstruct, and why.
    """

    measured: int
    failed: tuple[str, ...]


def measure(
    cases: Sequence[Case],
    methods: Mapping[str, Predictor | Oracle],
    folder: Path,
    *,
    compositions: Sequence[Compose] = (),
    on_case: OnCase | None = None,
) -> Outcome:
    """Write the numbers of every case and method into `folder`; those of before stay.

    Parameters
    ----------
    methods : mapping of str to Predictor or Oracle
        By the name that the tables show. An oracle has numbers where the healthy T1w is known.
    compositions : sequence of str
        Measured too, of T1w with a truth alone, as methods of their own: "una, keep-healthy".
    on_case : function, optional
        Told how many of how many are done, and which.

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
    rows, pairs = Store(folder / "cases.csv", COLUMNS), Store(folder / "pairs.csv", PAIR_COLUMNS)
    heads, told = list(_heads(cases)), 0
    measured: list[str] = []
    failed: list[str] = []
    for method, predictor in methods.items():
        picture = folder if method == next(iter(methods)) else None
        for head in heads:
            one = _Head(head, method, predictor, rows, pairs)
            for case in head:
                if one.lacks(case, compositions):
                    measured.append(case.name)
                    failed += one.measure(case, compositions, picture)
                told += 1
                if on_case:
                    on_case(told, len(cases) * len(methods), f"{case.data}/{case.name}, {method}")
            one.compare()
    return Outcome(len(measured), tuple(failed))


class _Head:
    """Cases of one head in one place, by one method."""

    def __init__(
        self, cases: Sequence[Case], method: str, predictor: Predictor | Oracle, rows: Store, pairs: Store
    ) -> None:
        self.method, self.predictor, self.rows, self.pairs = method, predictor, rows, pairs
        self.digests = {case.name: case.digest() for case in cases}
        self.anatomies: dict[str, Scan] = {}
        self.alike = [
            (a, b)
            for a, b in combinations(cases, 2)
            if not isinstance(predictor, Oracle) and not pairs.has(self._pair(a, b))
        ]  # whose likeness is not there

    def lacks(self, case: Case, compositions: Sequence[Compose]) -> bool:
        """Tell whether some number of a case is not there yet."""
        return bool(self._missing(case, compositions)) or any(case in pair for pair in self.alike)

    def measure(self, case: Case, compositions: Sequence[Compose], picture: Path | None) -> list[str]:
        """Reconstruct and measure one case; returns why it failed, if it did."""
        missing, facts = self._missing(case, compositions), known(case)
        try:
            if isinstance(self.predictor, Oracle):
                result = self.predictor.reconstruct(case, facts)
            else:
                result = reconstruct(case.scan, predictor=self.predictor)
        except ScanError as error:
            self.rows.put({**row, "failed": str(error)} for row in missing.values())
            return [f"{self.method}: {error}"]
        self.anatomies[case.name] = result.anatomy
        if picture:
            save_example(example_of(result, facts), example_path(picture, case.data, case.name))
        for kind, row in missing.items():
            numbers = _numbers(case, facts, result, kind)
            if isinstance(self.predictor, Oracle):  # which looks for no anomaly
                numbers = {n: x for n, x in numbers.items() if n in OF_ANATOMY}
            self.rows.put([{**row, **numbers}])
        return []

    def compare(self) -> None:
        """Measure how alike the anatomies of this run are."""
        there = [(a, b) for a, b in self.alike if {a.name, b.name} <= set(self.anatomies)]
        if there:
            self.pairs.put(
                {**self._pair(a, b), **likeness(self.anatomies[a.name], self.anatomies[b.name])}
                for a, b in there
            )

    def _missing(self, case: Case, compositions: Sequence[Compose]) -> dict[Compose, Row]:
        """What names the rows of a case that are not there yet, by composition."""
        oracle = isinstance(self.predictor, Oracle)
        if oracle and not case.truth:
            return {}
        kept = compositions if case.truth and case.contrast.lower() == "t1w" and not oracle else ()
        names: dict[Compose, str] = {"anatomy": self.method, **{k: f"{self.method}, {k}" for k in kept}}
        rows = {kind: self._row(case, name) for kind, name in names.items()}
        return {kind: row for kind, row in rows.items() if not self.rows.has(row)}

    def _row(self, case: Case, method: str) -> Row:
        return {
            "data": case.data, "case": case.name, "subject": case.subject, "input": case.contrast,
            "method": method, "weights": self._weights, "digest": self.digests[case.name],
        }  # fmt: skip

    def _pair(self, one: Case, other: Case) -> Row:
        return {
            "data": one.data, "case": f"{one.aligned}: {one.contrast} and {other.contrast}",
            "subject": one.subject, "method": self.method, "weights": self._weights,
            "digest": self.digests[one.name] + self.digests[other.name],
        }  # fmt: skip

    @property
    def _weights(self) -> str:
        return self.predictor.weights_sha256[:12]


def worth_measuring(cases: Sequence[Case]) -> list[Case]:
    """Cases of which something is known, or beside which stands another scan of that head in that place."""
    return [c for head in _heads(cases) for c in head if c.healthy or c.truth or c.lesion or len(head) > 1]


def _heads(cases: Sequence[Case]) -> Iterator[list[Case]]:
    """Cases that show one head in one place, together."""
    groups: dict[tuple[str, ...], list[Case]] = {}
    for case in cases:
        groups.setdefault((case.data, case.aligned), []).append(case)
    for group in groups.values():
        while group:
            same = [c for c in group if c is group[0] or _on_one_grid(c, group[0])]
            yield same
            group = [c for c in group if c not in same]


def _on_one_grid(one: Case, other: Case) -> bool:
    try:
        return read(one.scan).grid.same_as(read(other.scan).grid)
    except ScanError:  # told where it is to be reconstructed
        return False


def _numbers(case: Case, facts: Known, result: Reconstruction, kind: Compose) -> Numbers:
    if kind == "anatomy":
        return numbers_of(case, facts, result)
    anatomy = composed(kind, result.scan, result.anatomy, result.anomaly, result.brain)
    numbers = numbers_of(case, facts, replace(result, anatomy=anatomy))
    # anomaly and uncertainty are the method's, and stand in its own row
    return {n: x for n, x in numbers.items() if n in OF_ANATOMY}
