"""The page of an audit: one HTML file that needs nothing else."""

import numpy as np

from ...report.audit_figures import GroupPoints, audit_figure
from ...report.detection import STYLE, drawing, facts_table, many_table, notes_box, section
from ...report.html import page, text
from ...report.sorting import SORT
from .audit import RANDOM, Audit
from .result import AttributeAudit
from .words import RATE_NAMES, attribute_cells, attribute_heads, group_cells, guarantee, how_to_read

CAPTION = (
    "A point for each person who is normal. Lines: 95 % intervals, by bootstrap over subjects. "
    "In grey: too few to conclude. In brackets: normals."
)


def audit_page(found: Audit) -> str:
    """A complete HTML document.

    Parameters
    ----------
    found : Audit
        Of `audit`.
    """
    cells = [attribute_cells(one) for one in found.attributes]
    body = notes_box(found.notes) + section("Data", facts_table(_facts(found)))
    body += section(
        "What was found",
        f"<p>{text(guarantee(found))}</p>\n" + many_table(attribute_heads(), cells, range(3, 8), tight=True),
    )
    for one in found.attributes:
        title = f"{one.name}, negative control" if one.kind == RANDOM else f"{one.name}, {one.kind}"
        body += section(title, _figure(found, one) + _table(one))
    items = "".join(f"<li>{text(sentence)}</li>\n" for sentence in how_to_read(found))
    body += section("How to read this", f"<ul>\n{items}</ul>\n")
    return page("Audit of anomaly scores", "sanum audit", body, STYLE, SORT)


def _facts(found: Audit) -> dict[str, str]:
    labels = found.people.labels
    return {
        "Subjects": str(len(set(found.people.subjects))),
        "Scores": f"{len(labels)}: {int((labels == 0).sum())} normal, {int((labels == 1).sum())} abnormal",
        "Attributes": ", ".join(one.name for one in found.groupings),
        "Concluded from": f"{found.settings.least} normals of a group",
        "Seed": str(found.settings.seed),
    }


def _figure(found: Audit, one: AttributeAudit) -> str:
    points = [
        GroupPoints(row.group, np.array(row.scores), row.enough, row.numbers, row.intervals)
        for row in one.rows
    ]
    alt = f"Scores of normals, false alarms and areas under ROC by {one.name}"
    return drawing(audit_figure(points, one.threshold, found.settings.alpha), alt, CAPTION)


def _table(one: AttributeAudit) -> str:
    heads = ["group", "normals", "anomalies", *RATE_NAMES.values()]
    rows = [group_cells(row) for row in one.rows]
    return many_table(heads, rows, range(1, len(heads)), tight=True)
