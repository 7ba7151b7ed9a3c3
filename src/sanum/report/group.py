"""Pages about more than one scan: of a subject, and of a cohort. Self-contained, as the report is."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from .figures import to_png
from .page import SORT_SCRIPT, UNKNOWN, render_page

MEASURES = {
    "brain_ml": "Brain, mL",
    "anomaly_ml": "Anomaly, mL",
    "mean_uncertainty": "Mean uncertainty (white matter is 1)",
}
INK, QUIET, MARK, LINE = "#1d4f91", "#55616e", "#b45309", "#dde3e9"

STYLES = ("templates/tables.css",)


@dataclass(frozen=True)
class ScanRow:
    """One scan of a cohort, as a page shows it.

    Parameters
    ----------
    name : str
        What the reader knows it by.
    subject : str
        Label with "sub-".
    page, report : str
        Links to the subject's page, and to the scan's report, from the page; report may be empty.
    contrast : str or None
        As read, or guessed.
    numbers : dict of str to float
        By the names of `MEASURES`; nan: not known.
    picture : bytes
        JPEG; empty: there is none.
    warnings : tuple of str
        Of the results, and of the picture.
    more : dict of str to str
        Columns of the participants' table.
    outlier : dict of str to float
        Robust z of those measures in which the scan is an outlier.
    """

    name: str
    subject: str
    page: str
    report: str
    contrast: str | None
    numbers: Mapping[str, float]
    picture: bytes
    warnings: tuple[str, ...] = ()
    more: Mapping[str, str] = field(default_factory=dict)
    outlier: Mapping[str, float] = field(default_factory=dict)


def render_subject(subject: str, rows: Sequence[ScanRow]) -> str:
    """HTML page of one subject: a wide picture and the numbers of each scan, and links to the reports.

    Parameters
    ----------
    subject : str
        Label with "sub-".
    rows : sequence of ScanRow
        Its scans.
    """
    return render_page(
        "subject.html",
        subject,
        f"sanum · {_count(len(rows), 'scan')}",
        styles=STYLES,
        rows=rows,
        measures=MEASURES,
        number=_number,
        size=_size,
        how=_WIDE,
    )


def render_group(
    title: str, rows: Sequence[ScanRow], notes: Sequence[str], rule: str, unjudged: Sequence[str] = ()
) -> str:
    """HTML page of a cohort: outliers, distributions, a picture of every scan, and all numbers.

    Parameters
    ----------
    title : str
        Of the page.
    rows : sequence of ScanRow
        All scans.
    notes : sequence of str
        Shown in a box on top.
    rule : str
        How outliers were found.
    unjudged : sequence of str
        Measures of a contrast with too few scans to tell an outlier.
    """
    subjects = len({row.subject for row in rows})
    kind = f"sanum · {_count(subjects, 'subject')}, {_count(len(rows), 'scan')}"
    return render_page(
        "group.html",
        title,
        kind,
        styles=STYLES,
        scripts=(SORT_SCRIPT,),
        rows=rows,
        notes=notes,
        rule=rule,
        unjudged=unjudged,
        drawn=to_png(distributions(rows)),
        measures=MEASURES,
        more=list(dict.fromkeys(key for row in rows for key in row.more)),
        number=_number,
        size=_size,
        how=_TILE,
    )


def distributions(rows: Sequence[ScanRow]) -> Figure:
    """Figure with one panel a measure: every scan as a point, by contrast, with medians; outliers are named.

    Parameters
    ----------
    rows : sequence of ScanRow
        All scans.
    """
    contrasts = sorted({row.contrast or "not known" for row in rows})
    figure = Figure(
        figsize=(10.5, 3.2 + 0.12 * len(contrasts)), dpi=137, facecolor="white", layout="constrained"
    )
    for ax, (name, label) in zip(figure.subplots(1, len(MEASURES)), MEASURES.items(), strict=True):
        for place, contrast in enumerate(contrasts):
            here = [row for row in rows if (row.contrast or "not known") == contrast]
            _points(ax, place, here, name)
        ax.set_title(label, fontsize=10, color="#1b2430", loc="left")
        ax.set_xticks(range(len(contrasts)), contrasts, fontsize=8.5, parse_math=False)
        ax.set_xlim(-0.6, len(contrasts) - 0.4)
        ax.margins(y=0.12)
        if name == "anomaly_ml":
            _from_nothing(ax, max((v for row in rows if np.isfinite(v := row.numbers[name])), default=0.0))
        ax.tick_params(colors="#3d4956", labelsize=8.5)
        ax.grid(axis="y", color=LINE, linewidth=0.8)
        ax.set_axisbelow(True)
        for side, spine in ax.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color("#9aa7b4")
    return figure


def _points(ax: Axes, place: int, rows: Sequence[ScanRow], name: str) -> None:
    """One measure of the scans of one contrast, around `place`, with their median and the outliers' names."""
    values = np.array([row.numbers[name] for row in rows])
    x = place + _spread(len(rows))
    outlying = np.array([name in row.outlier for row in rows])
    ax.scatter(x[~outlying], values[~outlying], s=22, color=INK, alpha=0.65, linewidths=0)
    ax.scatter(x[outlying], values[outlying], s=34, color=MARK, linewidths=0)
    beside: dict[str, Any] = {"xytext": (5, 0), "textcoords": "offset points", "va": "center"}
    for n in np.flatnonzero(outlying).tolist():
        where = (x[n], values[n])
        ax.annotate(rows[n].subject, where, fontsize=8, color=MARK, parse_math=False, **beside)
    if np.isfinite(values).any():
        ax.hlines(np.nanmedian(values), place - 0.3, place + 0.3, color=QUIET, linewidth=1.5, zorder=0)


_PLACES = (
    "Left of each pair: the scan, with the probability of an anomaly in colour and the outline of its mask; "
    "right: the predicted healthy anatomy. Through the largest anomaly, or the middle of the brain."
)
_WIDE = f"{_PLACES} Axial, coronal, sagittal. Radiological convention."
_TILE = f"{_PLACES} Radiological convention. Pictures lead to the subjects' pages."


def _from_nothing(ax: Axes, most: float) -> None:
    """Axis of volumes: from 0, linear up to 1 mL and logarithmic above; points at 0 are whole."""
    ax.set_yscale("symlog", linthresh=1.0)
    ax.yaxis.set_major_formatter("{x:g}")
    ax.set_ylim(0, max(1.0, 1.5 * most))
    for points in ax.collections:
        points.set_clip_on(False)


def _spread(count: int) -> npt.NDArray[np.float64]:
    """Places from -0.2 to 0.2 that separate neighbours, by the golden ratio."""
    return np.asarray(0.4 * ((np.arange(count) * 0.618034 + 0.5) % 1 - 0.5), np.float64)


def _number(name: str, value: float) -> str:
    if not np.isfinite(value):
        return UNKNOWN
    return f"{value:.{dict(brain_ml=0, anomaly_ml=1).get(name, 3)}f}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _size(picture: bytes) -> tuple[int, int]:
    """Width and height, so that a page keeps room for what is not decoded yet."""
    return Image.open(io.BytesIO(picture)).size
