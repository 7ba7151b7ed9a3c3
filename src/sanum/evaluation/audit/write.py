"""An audit as files: audit.json, audit.tsv, audit.md and audit.html."""

import json
import math
import statistics
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ... import __version__
from ...files import whole_file
from .audit import Audit
from .page import audit_page
from .result import RATES, AttributeAudit, GroupRow
from .words import RATE_NAMES, attribute_cells, attribute_heads, group_cells, guarantee, how_to_read

INTERVALS = (*RATES, "delta")
OF_GROUP = (*RATES, "tpr_at_own", "delta", "p", "own_fpr", "own_tpr", "own_threshold", "own_moved")
OF_ATTRIBUTE = (
    "explained",
    "explained_by_chance",
    "p",
    "p_holm",
    "p_mann_whitney",
    "chance",
    "p_gap",
    "p_gap_holm",
)


def write_audit(found: Audit, output: Path) -> list[Path]:
    """Write all files; returns their paths, the page last.

    Parameters
    ----------
    found : Audit
        Of `audit`.
    output : Path
        Folder; made if missing.
    """
    texts = {
        "audit.json": json.dumps(_without_nan(as_plain(found)), indent=1) + "\n",
        "audit.tsv": as_tsv(found),
        "audit.md": as_markdown(found),
        "audit.html": audit_page(found),
    }
    output.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        with whole_file(output / name) as partial:
            partial.write_text(text, encoding="utf-8")
    return [output / name for name in texts]


def as_plain(found: Audit) -> dict[str, Any]:
    """Everything but the single scores, as plain values.

    Parameters
    ----------
    found : Audit
        Of `audit`.
    """
    return {
        "version": __version__,
        "settings": asdict(found.settings),
        "normals": int((found.people.labels == 0).sum()),
        "anomalies": int((found.people.labels == 1).sum()),
        "calibrate": int(found.people.pool.sum()) // 2,
        "notes": list(found.notes),
        "attributes": [_attribute(one) for one in found.attributes],
    }


def _attribute(one: AttributeAudit) -> dict[str, Any]:
    rows = [{name: value for name, value in asdict(row).items() if name != "scores"} for row in one.rows]
    return {**asdict(one), "rows": rows, "finding": one.finding, "gap_finding": one.gap_finding}


def as_tsv(found: Audit) -> str:
    """One line for each group of each attribute; what is of the attribute is in each of its lines.

    Parameters
    ----------
    found : Audit
        Of `audit`.
    """
    heads = ["attribute", "kind", "group", "normals", "anomalies", "enough", "median"]
    heads += list(OF_GROUP) + [f"{name}_{end}" for name in INTERVALS for end in ("low", "high")]
    heads += [
        "finding",
        "gap_finding",
        *(f"gap_{name}" for name in RATES),
        *(f"attribute_{name}" for name in OF_ATTRIBUTE),
    ]
    lines = [heads]
    for one in found.attributes:
        lines += [_line(one, row) for row in one.rows]
    return "".join("\t".join(line) + "\n" for line in lines)


def _line(one: AttributeAudit, row: GroupRow) -> list[str]:
    cells = [_plain(one.name), one.kind, _plain(row.group), str(row.normals), str(row.anomalies)]
    cells += [str(int(row.enough)), _number(statistics.median(row.scores or (math.nan,)))]
    cells += [_number(row.numbers[name]) for name in OF_GROUP]
    cells += [_number(value) for name in INTERVALS for value in row.intervals[name]]
    cells += [one.finding, one.gap_finding, *(_number(one.gaps[name]) for name in RATES)]
    return cells + [_number(getattr(one, name)) for name in OF_ATTRIBUTE]


def as_markdown(found: Audit) -> str:
    """The table of attributes and one for each attribute's groups.

    Parameters
    ----------
    found : Audit
        Of `audit`.
    """
    lines = ["# Audit", "", guarantee(found), "", *(f"* {note}" for note in found.notes), ""]
    lines += _table(attribute_heads(), [attribute_cells(one) for one in found.attributes])
    for one in found.attributes:
        lines += [f"## {one.name}, {one.kind}", ""]
        heads = ["group", "normals", "anomalies", *RATE_NAMES.values()]
        lines += _table(heads, [group_cells(row) for row in one.rows])
    return "\n".join([*lines, *(f"* {sentence}" for sentence in how_to_read(found)), ""])


def _table(heads: list[str], rows: list[list[str]]) -> list[str]:
    every = [heads, ["---"] * len(heads), *rows]
    clean = [[" ".join(cell.replace("|", "/").split()) for cell in row] for row in every]
    return [*(f"| {' | '.join(row)} |" for row in clean), ""]


def _plain(cell: str) -> str:
    return " ".join(cell.split())


def _number(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else "n/a"


def _without_nan(value: Any) -> Any:
    """JSON has neither nan nor infinity: None."""
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
