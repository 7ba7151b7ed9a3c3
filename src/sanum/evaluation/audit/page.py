"""The page of an audit: one HTML file that needs nothing else."""

import numpy as np

from ...report.audit_figures import GroupPoints, audit_figure
from ...report.blocks import (
    PageFacts,
    PagePicture,
    PagePoints,
    PageSection,
    PageTable,
    PageWords,
    blocks_page,
    drawing,
)
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
    rates = PageTable(attribute_heads(), cells, range(3, 8), tight=True)
    sections = [
        PageSection("Data", [PageFacts(_facts(found))]),
        PageSection("What was found", [PageWords(guarantee(found)), rates]),
    ]
    for one in found.attributes:
        title = f"{one.name}, negative control" if one.kind == RANDOM else f"{one.name}, {one.kind}"
        sections.append(PageSection(title, [_figure(found, one), _table(one)]))
    sections.append(PageSection("How to read this", [PagePoints(how_to_read(found))]))
    return blocks_page("Audit of anomaly scores", "sanum audit", sections, found.notes)


def _facts(found: Audit) -> dict[str, str]:
    labels = found.people.labels
    return {
        "Subjects": str(len(set(found.people.subjects))),
        "Scores": f"{len(labels)}: {int((labels == 0).sum())} normal, {int((labels == 1).sum())} abnormal",
        "Attributes": ", ".join(one.name for one in found.groupings),
        "Concluded from": f"{found.settings.least} normals of a group",
        "Seed": str(found.settings.seed),
    }


def _figure(found: Audit, one: AttributeAudit) -> PagePicture:
    points = [
        GroupPoints(row.group, np.array(row.scores), row.enough, row.numbers, row.intervals)
        for row in one.rows
    ]
    alt = f"Scores of normals, false alarms and areas under ROC by {one.name}"
    return drawing(audit_figure(points, one.threshold, found.settings.alpha), alt, CAPTION)


def _table(one: AttributeAudit) -> PageTable:
    heads = ["group", "normals", "anomalies", *RATE_NAMES.values()]
    rows = [group_cells(row) for row in one.rows]
    return PageTable(heads, rows, range(1, len(heads)), tight=True)
