"""The page of a cross-validation: tables, figures of every method, galleries of what was called what."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ... import __version__
from ...data.folds import Split
from ...files import parse_json, whole_file
from ...methods.common.findings import LABELS
from ...methods.common.likeness import FID, KID, MADE
from ...report.blocks import (
    GalleryRow,
    PageBlock,
    PageFacts,
    PageGallery,
    PageHeading,
    PagePicture,
    PageSection,
    PageTable,
    PageWords,
    blocks_page,
    drawing,
)
from ...report.detection_figures import RunCurves, figures_of_runs
from .gallery import ENDS, KINDS
from .job import NUMBERS
from .summary import ALL_POSITIVE, SummaryRow
from .write import DETECTORS, HEADINGS, Wording

SHOWN = 8
"""Images of a gallery, of all runs."""

SHEETS = 2
"""Runs whose generator, and whose smallest and largest scores, are shown."""

WHAT_IT_IS = (
    "Mean over the runs ± standard deviation between them (they share images, so it is no standard error), "
    "and the 95 % bootstrap interval of the mean over images. "
)
CAPTION = (
    "Scores of the test sets of all runs, each of a training of its own; dashed: the thresholds, chosen "
    "on validation. F1 and ROC: a thin line a run. Loss and AUC on validation: a line a run; dots: the "
    "states that were taken."
)
LIKENESS = (
    f"FID and KID of {MADE} generated images against the normals that were learned from, and of the normals "
    "of validation against the same. Features are those of EfficientNet-Lite0, not of Inception: these "
    "numbers are comparable among themselves alone. FID of so few images is mostly the bias of small "
    "samples; KID has none."
)


OTHERS = (
    "AUC of the same states, scored otherwise; mean over the runs ± standard deviation between them. Nothing "
    "was chosen by these numbers. Each is a setting of fit and of score; choosing by the test AUC would leak."
)


def crossval_page(
    rows: Sequence[SummaryRow],
    runs: Mapping[str, Sequence[Mapping[str, Any]]],
    galleries: Mapping[str, Sequence[Mapping[str, Any]]],
    data: Mapping[str, Any],
    wording: Wording = DETECTORS,
) -> str:
    """A complete HTML document.

    Parameters
    ----------
    rows : sequence of SummaryRow
        Of `summary.summarize`.
    runs : mapping of sequences
        What `measure.measure_folds` gave for each fold that was done, by method.
    galleries : mapping of sequences
        Of `gallery.gallery_of`, by method.
    data : mapping
        Numbers of images, groups and runs, as in `crossval.json`, and if known its "protocol".
    wording : Wording
        Of the protocol.
    """
    sections = [
        PageSection("Data", [PageFacts(_facts(data))]),
        PageSection("Numbers", _tables(rows, wording)),
    ]
    for method, of_method in runs.items():
        if of_method:
            curves = [_curves(method, of_method), *_others(of_method)]
            sections.append(PageSection(f"{method}: curves", curves))
            of_images = galleries.get(method, ())
            if any("generated" in one for one in of_images):
                sections.append(PageSection(f"{method}: generator", _generator(of_method, of_images)))
            shown = [*_ends(of_images), *_galleries(of_images)]
            sections.append(PageSection(f"{method}: images", shown))
    return blocks_page("Cross-validation", wording.command, sections, _notes(data, runs))


def write_page(output: Path, html: str) -> Path:
    """Write `crossval.html`; returns its path.

    Parameters
    ----------
    output : Path
        The output folder.
    html : str
        Of `crossval_page`.
    """
    with whole_file(output / "crossval.html") as partial:
        partial.write_text(html, encoding="utf-8")
    return output / "crossval.html"


def galleries_in(
    output: Path, methods: Sequence[str], folds: Sequence[Split]
) -> dict[str, list[dict[str, Any]]]:
    """What was written of each run that is done, by method.

    Parameters
    ----------
    output : Path
        The output folder.
    methods : sequence of str
        Their folders in it.
    folds : sequence of Split
        Of the protocol.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for method in methods:
        paths = [output / method / f"{fold.name}_gallery.json" for fold in folds]
        found[method] = [parse_json(path.read_bytes()) for path in paths if path.is_file()]
    return found


def _notes(data: Mapping[str, Any], runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    notes = [f"left out: {reason}" for _, reason in data["left_out"]]
    notes += [
        f"{method}: {len(done)} of {data['runs']} runs are done"
        for method, done in runs.items()
        if len(done) < data["runs"]
    ]
    return notes


def _facts(data: Mapping[str, Any]) -> dict[str, str]:
    protocol = {"Protocol": _in_words(data["protocol"])} if "protocol" in data else {}
    return {
        "Images": f"{data['images']}: {data['normals']} normal, {data['abnormals']} abnormal",
        "Groups": str(data["groups"]),
        "Pairs that are nearly the same": str(len(data["near_duplicates"])),
        "Runs": str(data["runs"]),
        **protocol,
        "sanum version": __version__,
    }


def _in_words(protocol: Mapping[str, Any]) -> str:
    dealt, kept = f"{protocol.get('folds')} folds with the same share of both classes", "kept on one side"
    if "normal_folds" in protocol:
        dealt = f"{protocol['normal_folds']} folds of normals × {protocol['abnormal_folds']} of abnormals"
    if not protocol["grouped"]:
        kept = "not kept together"
    return f"{dealt}, seed {protocol['seed']}; groups and near-duplicates {kept}"


def _tables(rows: Sequence[SummaryRow], wording: Wording) -> list[PageBlock]:
    """A table for each way of choosing, the best AUC first."""
    heads = ("Method", "Runs", *(HEADINGS[name] for name in NUMBERS))
    blocks: list[PageBlock] = [PageWords(WHAT_IT_IS + wording.learned, quiet=True)]
    everything = [row for row in rows if row.method == ALL_POSITIVE]
    for (choice, rule), title in wording.titles.items():
        part = [r for r in rows if (r.choice, r.rule) == (choice, rule) and r not in everything]
        if part:
            part.sort(key=lambda row: -row.numbers["auc"].mean)
            cells = [_cells(row) for row in (*part, *everything)]
            blocks += [PageHeading(title), PageTable(heads, cells, range(1, len(heads)), tight=True)]
    return blocks


def _cells(row: SummaryRow) -> list[str]:
    spreads = [row.numbers[name] for name in NUMBERS]
    return [
        row.method,
        str(row.runs),
        *(f"{one.mean:.3f} ± {one.sd:.3f}\n[{one.low:.3f}, {one.high:.3f}]" for one in spreads),
    ]


def _curves(method: str, runs: Sequence[Mapping[str, Any]]) -> PagePicture:
    figure = figures_of_runs([_curves_of(run) for run in runs])
    return drawing(figure, f"Scores, F1, ROC and training of {method}", CAPTION)


def _others(runs: Sequence[Mapping[str, Any]]) -> list[PageBlock]:
    """Other ways to a score; runs of older versions have none."""
    told = [run for run in runs if run.get("others")]
    if not told:
        return []
    sets = ("validation", "test")
    own = [{name: run["choices"][_choice_of(run)][name]["auc"] for name in sets} for run in told]
    named = [("the method's, as set", own)]
    for place, row in enumerate(told[0]["others"]):
        named.append((row["score"], [run["others"][place] for run in told]))
    cells = [[name, *(_mean([one[part] for one in rows]) for part in sets)] for name, rows in named]
    heads = ("Score", "AUC on validation", "AUC on test")
    return [PageHeading("Other scores"), PageWords(OTHERS, quiet=True), PageTable(heads, cells, (1, 2))]


def _mean(values: Sequence[float]) -> str:
    return f"{np.mean(values):.3f} ± {np.std(values):.3f}"


def _choice_of(run: Mapping[str, Any]) -> str:
    return LABELS if LABELS in run["choices"] else next(iter(run["choices"]))


def _curves_of(run: Mapping[str, Any]) -> RunCurves:
    """By the protocol's choice: epoch of largest AUC, threshold of largest F1 on validation."""
    name = _choice_of(run)
    choice = run["choices"][name]
    test = [row for row in run["scores"] if row["set"] == "test"]
    kept = run.get("losses", [])
    names = dict.fromkeys(key for row in kept for key in row if key != "step")
    return RunCurves(
        np.array([row[name] for row in test], dtype=np.float64),
        np.array([row["label"] for row in test], dtype=np.int64),
        float(next(iter(choice["rules"].values()))["threshold"]),
        {
            one: ([row["step"] for row in kept if one in row], [row[one] for row in kept if one in row])
            for one in names
        },
        [(row["step"], row["auc"]) for row in run["history"] if "auc" in row],
        choice["facts"].get("step"),
        [(row["step"], row[FID], row[KID]) for row in run["history"] if FID in row],
    )


def _generator(runs: Sequence[Mapping[str, Any]], galleries: Sequence[Mapping[str, Any]]) -> list[PageBlock]:
    """Numbers of every run, pictures of the first."""
    heads = ("Run", "FID", "KID", "FID of normals", "KID of normals")
    cells = [
        [
            run["fold"],
            *(
                _number(_facts_of(run).get(name))
                for name in (FID, KID, *(f"{n}_of_normals" for n in (FID, KID)))
            ),
        ]
        for run in runs
    ]
    shown = [one for one in galleries if "generated" in one][:SHEETS]
    return [
        PageWords(LIKENESS, quiet=True),
        PageTable(heads, cells, range(1, len(heads))),
        *(
            PagePicture(
                base64.b64decode(one["generated"]),
                f"Generated images and normals of {one['fold']}",
                f"{one['fold']}: left, what the generator makes of fixed codes; right, normals.",
                lazy=True,
            )
            for one in shown
        ),
    ]


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.4g}"


def _facts_of(run: Mapping[str, Any]) -> Mapping[str, Any]:
    facts: Mapping[str, Any] = run["choices"][_choice_of(run)]["facts"]
    return facts


def _ends(runs: Sequence[Mapping[str, Any]]) -> list[PageBlock]:
    """Of the first runs, for scores of two trainings are not compared."""
    first = [run for run in runs if run.get("ends")][:SHEETS]
    rows = [
        GalleryRow(
            row["id"], f"{row['kind']}: {row['score']:.4g} in {run['fold']}", base64.b64decode(row["jpeg"])
        )
        for kind in ENDS
        for run in first
        for row in run["ends"]
        if row["kind"] == kind
    ]
    words = "However they were called; maps scaled over the test set."
    title = "Largest and smallest score of each class"
    return [PageGallery(title, words, rows, first[0]["panels"])] if first else []


def _galleries(runs: Sequence[Mapping[str, Any]]) -> list[PageBlock]:
    """Of each kind those farthest from their run's threshold; an image that several runs show once."""
    blocks: list[PageBlock] = []
    for kind in KINDS:
        rows = [(run, row) for run in runs for row in run["rows"] if row["kind"] == kind]
        shown: list[GalleryRow] = []
        seen: set[str] = set()
        for run, row in _in_turn(runs, rows):
            if row["id"] not in seen and len(shown) < SHOWN:
                seen.add(row["id"])
                about = f"{row['score']:.4g} in {run['fold']}"
                shown.append(GalleryRow(row["id"], about, base64.b64decode(row["jpeg"])))
        end = "highest" if kind.endswith("positive") else "lowest"
        words = f"The {end} scores of each run; maps scaled over its test set."
        panels = runs[0]["panels"] if runs else ()
        blocks.append(PageGallery(f"{kind.capitalize()}s", words, shown, panels))
    return blocks


def _in_turn(
    runs: Sequence[Mapping[str, Any]], rows: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]
) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """The first of every run, then the second of every run: scores of two trainings are not compared."""
    of_run = [[pair for pair in rows if pair[0] is run] for run in runs]
    longest = max((len(one) for one in of_run), default=0)
    return [one[n] for n in range(longest) for one in of_run if n < len(one)]
