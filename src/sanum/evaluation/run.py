"""The measuring itself: every case by every method, file in, numbers out; what is there is not done again."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from ..composition import Compose
from ..composition import compose as composed
from ..methods.registry import Predictor
from ..reconstruction import Reconstruction, reconstruct
from ..scan import Scan, ScanError, read
from .cases import Case
from .example import example_of, example_path, save_example
from .numbers import OF_ANATOMY, Known, known, likeness, numbers_of
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
    methods: Mapping[str, Predictor],
    folder: Path,
    *,
    compositions: Sequence[Compose] = (),
    on_case: OnCase | None = None,
) -> Outcome:
    """Write the numbers of every case and method into `folder`; those of before stay.

    Parameters
    ----------
    methods : mapping of str to Predictor
        By the name that the tables show.
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
    done, measured, failed = 0, 0, []
    heads = list(_heads(cases))
    for method, predictor in methods.items():
        first = method == next(iter(methods))
        for head in heads:
            known_by = {"method": method, "weights": predictor.weights_sha256[:12]}
            digests = {case.name: case.digest() for case in head}
            alike = [(a, b, _pair(a, b, known_by, digests)) for a, b in combinations(head, 2)]
            alike = [(a, b, row) for a, b, row in alike if not pairs.has(row)]
            anatomies: dict[str, Scan] = {}
            for case in head:
                wanted = _rows(case, known_by, digests[case.name], compositions)
                missing = {kind: row for kind, row in wanted.items() if not rows.has(row)}
                if missing or any(case in (a, b) for a, b, _ in alike):
                    measured += 1
                    try:
                        result = reconstruct(case.scan, predictor=predictor)
                    except ScanError as error:
                        failed.append(f"{method}: {error}")
                        rows.put({**row, "failed": str(error)} for row in missing.values())
                    else:
                        anatomies[case.name] = result.anatomy
                        facts = known(case)
                        if first:
                            save_example(example_of(result, facts), example_path(folder, case))
                        rows.put(_measured(case, facts, result, missing))
                done += 1
                if on_case:
                    on_case(done, len(cases) * len(methods), f"{case.data}/{case.name}, {method}")
            shown = [x for x in alike if x[0].name in anatomies and x[1].name in anatomies]
            if shown:
                pairs.put({**row, **likeness(anatomies[a.name], anatomies[b.name])} for a, b, row in shown)
    return Outcome(measured, tuple(failed))


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


def _rows(case: Case, known_by: Row, digest: str, compositions: Sequence[Compose]) -> dict[Compose, Row]:
    """What names the rows of a case, by composition."""
    row = {"data": case.data, "case": case.name, "subject": case.subject, "input": case.contrast}
    row |= {**known_by, "digest": digest}
    kept = compositions if case.truth and case.contrast.lower() == "t1w" else ()
    return {"anatomy": row, **{k: {**row, "method": f"{row['method']}, {k}"} for k in kept}}


def _pair(one: Case, other: Case, known_by: Row, digests: Mapping[str, str]) -> Row:
    return {
        "data": one.data, "case": f"{one.aligned}: {one.contrast} and {other.contrast}",
        "subject": one.subject, "digest": digests[one.name] + digests[other.name], **known_by,
    }  # fmt: skip


def _measured(
    case: Case, facts: Known, result: Reconstruction, missing: Mapping[Compose, Row]
) -> list[dict[str, object]]:
    out: list[dict[str, object]] = []
    for kind, row in missing.items():
        anatomy = composed(kind, result.scan, result.anatomy, result.anomaly, result.brain)
        numbers = numbers_of(case, facts, replace(result, anatomy=anatomy))
        if kind != "anatomy":  # anomaly and uncertainty are the method's, and stand in its own row
            numbers = {n: x for n, x in numbers.items() if n in OF_ANATOMY}
        out.append({**row, **numbers})
    return out
