"""Weights measured on every real scan of the data folder of which something is known, by one command.

Dice on the lesions of patients (at 0.5, at a threshold of the other patients, at each scan's best), of old
people (measured only), beside each witness alone, an intensity threshold and the difference map; what is
called in healthy scans; how alike the anatomies of one person's contrasts are; grey/white contrast; error and
coverage against a person's own T1w; and the numbers that were asked for. Writes `real.json`, `real.md` and
the tables of `sanum evaluate` into OUT/WEIGHTS. Results are kept in OUT/maps, by weights and scan: the same
call goes on where it stopped, and numbers are made anew from them in minutes (`--again`). After a change of
what predicts, `--fresh` predicts again. About 15 s a scan on a core of its own.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from real_anatomy import anatomy_rows
from real_cases import real_cases
from real_report import report, targets
from sanum.evaluation import HealthyAnatomy, measure, write_results
from sanum.evaluation.store import cases_of, pairs_of
from sanum.evaluation.tables import as_markdown
from sanum.evaluation.tasks.anatomy.scores import SCORES
from sanum.files import sha256_of, whole_file
from sanum.methods import registry

PREDICTING = ("healthy", "methods", "nets", "scan", "space")  # rooms


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--weights", type=Path, help="A file of sanum train; default those that ship.")
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/real"))
    parser.add_argument("--only", default="", help="Cases whose data set, name or contrast contains this.")
    parser.add_argument("--again", action="store_true", help="Make all numbers anew from kept results.")
    parser.add_argument("--fresh", action="store_true", help="Predict again, too.")
    options = parser.parse_args()
    method = registry.load("una", weights=options.weights)
    kept, folder = options.output / "maps", options.output / method.weights_sha256[:12]
    if options.fresh:
        remove(kept.glob(f"*{method.weights_sha256[:12]}*"))
    if options.again or options.fresh:
        remove(folder / name for name in ("cases.csv", "pairs.csv", "anatomy.json"))
    cases = real_cases(options.data, options.output / "masks")
    cases = [c for c in cases if options.only in f"{c.data}/{c.name} {c.contrast}"]
    task = HealthyAnatomy(scores=tuple(SCORES), validation="patients", kept=kept)

    def tell(n: int, of: int, what: str) -> None:
        print(f"{n} of {of}: {what}", file=sys.stderr, flush=True)

    failed = measure(task, cases, {"una": method}, folder, on_case=tell).failed
    notes = [*failed, *note_on_code(kept, method.weights_sha256)]
    write_results(task, folder, "una")
    rows = task.complete(list(cases_of(task, folder).rows.values()))
    pairs = list(pairs_of(task, folder).rows.values())
    anatomy = list(anatomy_rows(cases, method, kept))
    said = {"weights": method.weights_name, "sha256": method.weights_sha256, "notes": notes}
    asked = targets(rows, pairs, anatomy)
    write(
        folder / "real.json",
        as_json({**said, "asked": asked, "anatomy": anatomy, "cases": rows, "pairs": pairs}),
    )
    text = report(said, asked, rows, anatomy) + as_markdown(task, rows, pairs, "una").replace(
        "# Eval", "## Eval", 1
    )
    write(folder / "real.md", text)
    print(text)


def note_on_code(kept: Path, weights_sha256: str) -> list[str]:
    """A sentence if the code that predicts has changed since the first result of these weights was kept."""
    package = Path(sys.modules["sanum"].__file__ or "").parent
    now = sha256_of(sorted(p for room in PREDICTING for p in (package / room).rglob("*.py")))[:12]
    path = kept / f"{weights_sha256[:12]}.code"
    if not path.exists():
        write(path, now)
    then = path.read_text()
    if then == now:
        return []
    return [f"kept results were begun by code {then}, and this is code {now}: --fresh predicts again"]


def remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def write(path: Path, text: str) -> None:
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def as_json(content: Mapping[str, object]) -> str:
    return json.dumps(content, indent=1, default=str) + "\n"


if __name__ == "__main__":
    main()
