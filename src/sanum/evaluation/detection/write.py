"""The table of a cross-validation as JSON, CSV and Markdown."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...data.folds import Split
from ...data.pictures import PictureSet
from ...files import parse_json, whole_file
from .job import NUMBERS
from .summary import ALL_POSITIVE, Spread, SummaryRow

HEADINGS = {
    "auc": "AUC",
    "average_precision": "AP",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "recall": "recall",
    "precision": "precision",
    "specificity": "specificity",
    "f1": "F1",
}


@dataclass(frozen=True)
class Wording:
    """What tables and pages say of a protocol.

    Parameters
    ----------
    titles : mapping of str
        Of each part, by how epoch and threshold were chosen, in order.
    tables : tuple of (str, str)
        Parts that the Markdown has.
    learned : str
        From whom was learned, a sentence.
    command : str
        That made it.
    """

    titles: Mapping[tuple[str, str], str]
    tables: tuple[tuple[str, str], ...]
    learned: str
    command: str


DETECTORS = Wording(
    {
        ("labels", "f1"): "Epoch by validation AUC, threshold of largest F1 on validation",
        ("labels", "youden"): "Threshold of largest recall + specificity on validation",
        ("labels", "fpr"): "Threshold that calls a tenth of the normals of validation abnormal",
        (
            "label-free",
            "quantile",
        ): "Label-free: epoch by the validation normals' score, threshold their quantile",
        ("label-free", "conformal"): "Label-free: threshold by split-conformal prediction",
    },
    (("labels", "f1"), ("label-free", "quantile"), ("label-free", "conformal")),
    "No abnormal was learned from.",
    "sanum detect crossval",
)


def runs_in(output: Path, methods: Sequence[str], folds: Sequence[Split]) -> dict[str, list[dict[str, Any]]]:
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
        paths = [output / method / f"{fold.name}_run.json" for fold in folds]
        found[method] = [parse_json(path.read_bytes()) for path in paths if path.is_file()]
    return found


def write_summary_files(
    output: Path,
    rows: Sequence[SummaryRow],
    found: PictureSet,
    folds: Sequence[Split],
    about: Mapping[str, Any],
    wording: Wording = DETECTORS,
) -> list[Path]:
    """Write `crossval.json`, `crossval.csv` and `crossval.md`; returns their paths.

    Parameters
    ----------
    output : Path
        The output folder.
    rows : sequence of SummaryRow
        Of `summary.summarize`.
    found : PictureSet
        The data set.
    folds : sequence of Split
        Of the protocol.
    about : mapping
        Plain values: seed, numbers of folds, whether groups were kept together, configurations.
    wording : Wording
        Of the protocol.
    """
    data = numbers_of_data(found, folds)
    content = {"data": data, **about, "rows": [asdict(row) for row in rows]}
    texts = {
        "crossval.json": json.dumps(_without_nan(content), indent=1) + "\n",
        "crossval.csv": as_csv(rows),
        "crossval.md": as_markdown(rows, data, wording),
    }
    for name, text in texts.items():
        with whole_file(output / name) as partial:
            partial.write_text(text, encoding="utf-8")
    return [output / name for name in texts]


def numbers_of_data(found: PictureSet, folds: Sequence[Split]) -> dict[str, Any]:
    """How many images, groups and runs there are, as plain values.

    Parameters
    ----------
    found : PictureSet
        The data set.
    folds : sequence of Split
        Of the protocol.
    """
    return {
        "images": len(found.entries),
        "normals": int((found.labels == 0).sum()),
        "abnormals": int((found.labels == 1).sum()),
        "groups": len(set(found.groups)),
        "near_duplicates": [list(pair) for pair in found.duplicates],
        "left_out": [list(pair) for pair in found.failed],
        "runs": len(folds),
    }


def as_csv(rows: Sequence[SummaryRow]) -> str:
    """One line a number.

    Parameters
    ----------
    rows : sequence of SummaryRow
        Of `summary.summarize`.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["method", "choice", "rule", "runs", "number", "mean", "sd", "low", "high"])
    for row in rows:
        for name, one in row.numbers.items():
            values = [f"{value:.6g}" for value in (one.mean, one.sd, one.low, one.high)]
            writer.writerow([row.method, row.choice, row.rule, row.runs, name, *values])
    return stream.getvalue()


def as_markdown(rows: Sequence[SummaryRow], data: Mapping[str, Any], wording: Wording = DETECTORS) -> str:
    """Tables by the way in which epoch and threshold were chosen.

    Parameters
    ----------
    rows : sequence of SummaryRow
        Of `summary.summarize`.
    data : mapping
        Numbers of images, groups and runs.
    wording : Wording
        Of the protocol.
    """
    lines = [
        f"{data['images']} images ({data['normals']} normal, {data['abnormals']} abnormal), "
        f"{data['groups']} groups, {data['runs']} runs. Mean over the runs ± standard deviation between them "
        "(they share images, so it is no standard error), and in brackets the 95 % bootstrap interval of the "
        f"mean over images. {wording.learned}",
        "",
    ]
    everything = [row for row in rows if row.method == ALL_POSITIVE]
    for choice, rule in wording.tables:
        part = [row for row in rows if (row.choice, row.rule) == (choice, rule) and row not in everything]
        if not part:
            continue
        head = ["method", "runs", *(HEADINGS[name] for name in NUMBERS)]
        lines += [f"## {wording.titles[choice, rule]}", "", _line(head), _line(["---"] * len(head))]
        lines += [
            _line([row.method, str(row.runs), *(_cell(row.numbers[name]) for name in NUMBERS)])
            for row in (*part, *everything)
        ]
        lines.append("")
    return "\n".join(lines)


def _cell(one: Spread) -> str:
    return f"{one.mean:.3f} ± {one.sd:.3f} [{one.low:.3f}, {one.high:.3f}]"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _without_nan(value: Any) -> Any:
    """JSON has no nan: None."""
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and value != value else value
