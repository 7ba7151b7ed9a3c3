"""Pages about more than one scan: of a subject, and of a cohort. Self-contained, as the report is."""

import base64
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
from .html import UNKNOWN, page, text
from .sorting import SORT

MEASURES = {
    "brain_ml": "Brain, mL",
    "anomaly_ml": "Anomaly, mL",
    "mean_uncertainty": "Mean uncertainty (white matter is 1)",
}
INK, QUIET, MARK, LINE = "#1d4f91", "#55616e", "#b45309", "#dde3e9"

STYLE = """
.scroll { overflow-x: auto; }
.many th, .many td { width: auto; font-size: .85rem; white-space: nowrap; }
.many thead th { border-bottom: 2px solid #9aa7b4; font-weight: 600; }
.many .warned { white-space: normal; min-width: 14rem; }
.many .number { text-align: right; }
.out { color: #8a3d05; font-weight: 700; }
.montage { display: flex; flex-wrap: wrap; gap: 12px; padding: 0; margin: 0; list-style: none; }
.montage + .kind, .scroll + .kind { margin-top: .6rem; }
.montage li { background: #0d1117; border-radius: 4px; padding: 6px; max-width: 100%; }
.montage a, .montage span { display: block; color: #e6edf3; font-size: .8rem; text-decoration: none; }
.montage img, .wide img { display: block; max-width: 100%; height: auto; border-radius: 2px; }
.montage span { contain: inline-size; min-width: 8rem; overflow-wrap: anywhere; }
.montage .flag { color: #ffb86b; }
.wide img { background: #0d1117; }
.light { overflow-x: auto; }
.light img { background: #fff; min-width: 44rem; }
.many th button { all: unset; cursor: pointer; padding: 2px 0; }
.many th button:hover { text-decoration: underline; }
.many th button:focus-visible { outline: 2px solid #1d4f91; outline-offset: 2px; border-radius: 2px; }
.many th[aria-sort] button::after { content: " \\2195"; color: #55616e; }
.many th[aria-sort="ascending"] button::after { content: " \\2191"; color: #1b2430; }
.many th[aria-sort="descending"] button::after { content: " \\2193"; color: #1b2430; }
@media print { .many th button::after { content: none !important; } }
"""


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
    parts = []
    for row in rows:
        facts = [f"{label}: {_number(name, row.numbers[name])}" for name, label in MEASURES.items()]
        facts.insert(0, f"Contrast: {row.contrast or 'not known'}")
        link = f'<p><a href="{text(row.report)}">Full report</a></p>\n' if row.report else ""
        parts.append(
            f"<section>\n<h2><bdi>{text(row.name)}</bdi></h2>\n{_warned(row)}"
            f'<figure class="wide">{_picture(row, "axial, coronal and sagittal planes")}'
            "</figure>\n"
            f"<p>{text(' · '.join(facts))}</p>\n{link}</section>\n"
        )
    how = f'<p class="kind">{text(_WIDE)}</p>\n'
    return page(subject, f"sanum · {_count(len(rows), 'scan')}", "".join(parts) + how, STYLE)


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
    items = "".join(f"<li>{text(note)}</li>\n" for note in notes)
    box = (
        f'<div class="warnings" role="alert">\n<h2>Notes</h2>\n<ul>\n{items}</ul>\n</div>\n' if notes else ""
    )
    data = base64.b64encode(to_png(distributions(rows))).decode("ascii")
    return page(
        title,
        kind,
        f"""{box}<section>
<h2>Outliers</h2>
{_outliers(rows)}
{_unjudged(unjudged)}<p class="kind">{text(rule)} Look at them first; an outlier is no diagnosis.</p>
</section>
<section>
<h2>Distributions</h2>
<figure class="light">
<img alt="Brain volume, anomaly volume and mean uncertainty of every scan, by contrast"
 src="data:image/png;base64,{data}">
<figcaption>One point a scan, by contrast; bars: medians; orange: outliers. The axis of the anomaly is
 linear up to 1 mL and logarithmic above.</figcaption>
</figure>
</section>
<section>
<h2>Every scan</h2>
<ul class="montage">
{"".join(_tile(row) for row in rows)}</ul>
<p class="kind">{text(_TILE)}</p>
</section>
<section>
<h2>Numbers</h2>
<p class="kind">A click on the head of a column sorts by it, another the other way round.</p>
{_table(rows)}
</section>
""",
        STYLE,
        SORT,
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


def _picture(row: ScanRow, what: str) -> str:
    if not row.picture:
        return "<span>no picture</span>"
    data = base64.b64encode(row.picture).decode("ascii")
    alt = f"{row.name}: {what}; scan with anomaly, and healthy anatomy"
    width, height = Image.open(io.BytesIO(row.picture)).size
    return (
        f'<img loading="lazy" decoding="async" width="{width}" height="{height}" alt="{text(alt)}" '
        f'src="data:image/jpeg;base64,{data}">'
    )


def _warned(row: ScanRow) -> str:
    items = "".join(f"<li>{text(warning)}</li>" for warning in row.warnings)
    return f'<div class="warnings"><ul>{items}</ul></div>\n' if items else ""


def _tile(row: ScanRow) -> str:
    flags = [MEASURES[name].split(",")[0].split(" (")[0].lower() for name in row.outlier]
    flag = f'<span class="flag">outlier: {text(", ".join(flags))}</span>' if flags else ""
    return (
        f'<li><a href="{text(row.page)}">{_picture(row, "axial plane")}'
        f"<span>{text(row.name)}</span>{flag}</a></li>\n"
    )


def _outliers(rows: Sequence[ScanRow]) -> str:
    lines = "".join(
        f'<tr><td><a href="{text(row.page)}">{text(row.name)}</a></td><td>{text(MEASURES[name])}</td>'
        f'<td class="number">{_number(name, row.numbers[name])}</td><td class="number">{z:+.1f}</td></tr>\n'
        for row in rows
        for name, z in row.outlier.items()
    )
    if not lines:
        return "<p>None.</p>"
    head = '<th>Scan</th><th>Measure</th><th class="number">Value</th><th class="number">Robust z</th>'
    return (
        f'<div class="scroll"><table class="many"><thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{lines}</tbody></table></div>"
    )


def _unjudged(names: Sequence[str]) -> str:
    return f"<p>Not judged, for want of scans: {text(', '.join(names))}.</p>\n" if names else ""


def _table(rows: Sequence[ScanRow]) -> str:
    more = list(dict.fromkeys(key for row in rows for key in row.more))
    head = ["<th>Scan</th>", *(f"<th>{text(key)}</th>" for key in more), "<th>Contrast</th>"]
    head += [f'<th class="number">{text(label.split(" (")[0])}</th>' for label in MEASURES.values()]
    lines = []
    for row in rows:
        name = text(row.name)
        cells = [f'<td><a href="{text(row.report)}">{name}</a></td>' if row.report else f"<td>{name}</td>"]
        cells += [f"<td>{text(row.more.get(key, 'n/a'))}</td>" for key in more]
        cells.append(f"<td>{text(row.contrast or 'n/a')}</td>")
        cells += [
            f'<td class="number{" out" if key in row.outlier else ""}">{_number(key, row.numbers[key])}</td>'
            for key in MEASURES
        ]
        cells.append(f'<td class="warned">{text(" | ".join(row.warnings))}</td>')
        lines.append(f"<tr>{''.join(cells)}</tr>\n")
    return (
        f'<div class="scroll"><table class="many"><thead><tr>{"".join(head)}<th>Warnings</th></tr></thead>\n'
        f"<tbody>\n{''.join(lines)}</tbody></table></div>"
    )
