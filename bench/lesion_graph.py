"""The lesion graph on made-up patients: whether it sees a relational rule that bags of lesions cannot.

    python bench/lesion_graph.py -o OUT [--only NAME] [--patients 300] [--folds 10] [--seed 100]

Each setting takes about two minutes of one thread, and is one file of OUT; those that are there are not made
again. The tables of the method's README are printed from them.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

import sanum
from sanum.data.lesion_graphs import PatientLesions
from sanum.files import whole_file
from sanum.synth.lesion_patients import MadeUpPatient, RelationalRule, draw_lesion_patient

SETTINGS: dict[str, tuple[RelationalRule, tuple[str, ...]]] = {
    "gated, sums of neighbours": (RelationalRule(), ()),
    "ungated, as published": (RelationalRule(), ("model.gated=false",)),
    "means of neighbours, as published": (RelationalRule(), ("graph.normalised=true",)),
    "gated, seed 1": (RelationalRule(), ("seed=1",)),
    "gated, seed 2": (RelationalRule(), ("seed=2",)),
    "ungated, seed 1": (RelationalRule(), ("model.gated=false", "seed=1")),
    "ungated, seed 2": (RelationalRule(), ("model.gated=false", "seed=2")),
    "one pair of type A": (RelationalRule(share=0.0), ()),
    "Gaussian weights": (RelationalRule(), ("graph.kernel=gaussian",)),
}
"""Rule, and what differs from the recipe `ms-lesions`; a seed is that of folds, weights and batches."""


def patients(count: int, seed: int, rule: RelationalRule) -> tuple[list[MadeUpPatient], list[PatientLesions]]:
    """Patients with what is known of them, and as the method sees them."""
    rng = np.random.default_rng(seed)
    drawn = [draw_lesion_patient(rng, rule) for _ in range(count)]
    return drawn, [
        PatientLesions(f"p{n:03}", p.centres_mm, {f"f{k}": x for k, x in enumerate(p.features.T)}, p.active)
        for n, p in enumerate(drawn)
    ]


def precisions(drawn: list[MadeUpPatient], found: Any, fold_of: Any) -> dict[str, list[float]]:
    """By fold: share of informative lesions among the k most important, those kept, and all.

    k is the number of informative lesions; patients in whom all or none are informative do not count.
    """
    rows: dict[int, list[tuple[float, ...]]] = {}
    for patient, one, fold in zip(drawn, found, fold_of, strict=True):
        informs = patient.informative
        if informs.any() and not informs.all():
            top = np.argsort(-one.importance, kind="stable")[: informs.sum()]
            row = informs[top].mean(), informs[one.kept].mean(), informs.mean()
            rows.setdefault(int(fold), []).append(row)
    means = np.array([np.mean(rows[k], axis=0) for k in sorted(rows)])
    return dict(zip(("top", "kept", "chance"), means.T.tolist(), strict=True))


def measure(name: str, count: int, folds: int, seed: int) -> dict[str, Any]:
    """One setting."""
    rule, settings = SETTINGS[name]
    drawn, seen = patients(count, seed, rule)
    start = time.process_time()
    found = sanum.load("ms-lesions").with_settings(*settings).crossval(seen, folds=folds)
    return {
        "name": name,
        "patients": count,
        "seed": seed,
        "seconds": time.process_time() - start,
        "rows": found.rows(),
        "precision": precisions(drawn, found.findings, found.fold_of),
    }


def told(results: list[dict[str, Any]]) -> str:
    """The tables."""
    lines = ["| setting | method | AUC | p |", "|---|---|---|---|"]
    for one in results:
        for row in one["rows"]:
            p = "–" if row["p"] is None else f"{row['p']:.3f}"
            lines.append(f"| {one['name']} | {row['method']} | {row['auc']:.2f} ± {row['sd']:.2f} | {p} |")
    lines += ["", "| setting | k most important | kept | chance | s |", "|---|---|---|---|---|"]
    for one in results:
        cells = [f"{np.mean(x):.2f} ± {np.std(x, ddof=1):.2f}" for x in one["precision"].values()]
        lines.append(f"| {one['name']} | {' | '.join(cells)} | {one['seconds']:.0f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--only", choices=SETTINGS)
    parser.add_argument("--patients", type=int, default=300)
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=100)
    how = parser.parse_args()
    results = []
    for name in [how.only] if how.only else SETTINGS:
        file = how.output / f"{name.replace(' ', '-').replace(',', '')}.json"
        if not file.is_file():
            found = measure(name, how.patients, how.folds, how.seed)
            with whole_file(file) as partial:
                partial.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        results.append(json.loads(file.read_text(encoding="utf-8")))
    print(told(results))


if __name__ == "__main__":
    main()
