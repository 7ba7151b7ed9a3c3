"""The report: one HTML file that needs nothing else, to be mailed, archived or printed."""

import base64
import hashlib
import math
from html import escape

from ..types import Points
from .figures import montage, to_png
from .inputs import ReportInputs
from .lesions import lesion_section
from .numbers import KeyNumbers, key_numbers
from .places import brain_centre_mm, largest_component_centre_mm
from .planes import describe_point

DISCLAIMER = "Research use only. Not a medical device."
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""What a browser may load and run: nothing but the page's own pictures and style."""
UNKNOWN = "not available"
_UNKNOWN_CONTRAST = (
    "neither its name nor its header nor its looks say it; if you know, say it with --contrast"
)

CAPTION = (
    "From left to right: the input; {title}; the anomaly probability over the "
    "input, with the outline of the anomaly mask; the uncertainty. Radiological convention: the patient's "
    "right (R) is on the left of the picture."
)

HOW_TO_READ = (
    "The healthy anatomy is predicted, not measured.",
    "The anomaly probability is not a diagnosis, and a low value does not rule out disease.",
    "The uncertainty is the expected absolute error of the predicted T1w, in units where white matter is 1.",
    "Read the maps beside the original scan, and trust them least where the uncertainty is high.",
)

PROVENANCE_LABELS = {
    "version": "sanum version",
    "weights": "Weights",
    "weights_sha256": "Weights, SHA-256",
    "stage": "Stage",
    "second_weights": "Weights of the second stage",
    "second_weights_sha256": "Weights of the second stage, SHA-256",
    "date": "Date",
    "device": "Device",
    "seconds": "Run time (s)",
    "composition": "Composition",
    "witnesses": "Anomaly",
    "mask": "Lesion mask given",
    "input": "Input file",
    "input_sha256": "Input file, SHA-256",
}

STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; background: #f4f6f8; color: #1b2430; line-height: 1.5;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 28px 24px 40px; background: #fff; }
h1 { margin: 0; font-size: 1.6rem; line-height: 1.25; overflow-wrap: anywhere; }
h2 { margin: 2rem 0 .6rem; font-size: 1.1rem; }
.kind { margin: 0 0 .2rem; color: #55616e; font-size: .9rem; letter-spacing: .02em; }
.notice { margin: 1rem 0 0; padding: .6rem .9rem; border: 1px solid #1d4f91; border-left-width: 6px;
  background: #eef4fc; color: #12335e; font-weight: 700; }
.warnings { margin: 1rem 0 0; padding: .7rem .9rem; border: 1px solid #b45309; border-left-width: 6px;
  background: #fff7e6; color: #5b2c02; overflow-wrap: anywhere; }
.warnings h2 { margin: 0; font-size: 1rem; }
.warnings ul { margin: .3rem 0 0; padding-left: 1.2rem; }
table { width: 100%; border-collapse: collapse; font-size: .95rem; }
th, td { padding: .42rem .6rem; border-bottom: 1px solid #dde3e9; text-align: left; vertical-align: top; }
th { width: 34%; font-weight: 500; color: #3d4956; }
td { font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
td small { color: #55616e; }
.figures td { font-weight: 600; }
.figures td small { font-weight: 400; }
.lesions th { width: auto; }
.lesions td { white-space: nowrap; }
.provenance td { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: .82rem; }
figure { margin: 0; }
figure img { display: block; width: 100%; height: auto; background: #0d1117; border-radius: 4px; }
figcaption { margin-top: .4rem; color: #55616e; font-size: .85rem; }
ol { margin: 0; padding-left: 1.3rem; }
footer { margin-top: 2rem; padding-top: .8rem; border-top: 1px solid #dde3e9;
  color: #55616e; font-size: .85rem; }
@media (max-width: 640px) { main { padding: 18px 14px; } th { width: 45%; } }
@media print {
  @page { size: A4; margin: 12mm; }
  body, main { background: #fff; }
  main { max-width: none; padding: 0; }
  html { font-size: 11px; }
  h2 { margin: 1.2rem 0 .4rem; }
  th, td { padding: .25rem .5rem; }
  h2 { break-after: avoid; }
  section, figure, table, .warnings { break-inside: avoid; }
  .notice, .warnings, figure img { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
}
"""


def render(inputs: ReportInputs) -> str:
    """Write the report of one scan as a complete HTML document.

    The document loads nothing from outside: images are data URIs, there are no scripts, and a content
    security policy forbids both. Every text that came with the data is escaped. The same inputs give the same
    text; the date is the one in `inputs.provenance`. Write it to disk as UTF-8.

    Parameters
    ----------
    inputs : ReportInputs
        The content of the page.
    """
    numbers = key_numbers(inputs.anomaly_mask, inputs.brain, inputs.uncertainty)
    anomaly_at = largest_component_centre_mm(inputs.anomaly_mask)
    views = []
    if anomaly_at is not None:
        views.append(_view(inputs, anomaly_at, "Through the largest anomaly", "the largest marked anomaly"))
    centre = brain_centre_mm(inputs.brain)
    views.append(_view(inputs, centre, "Through the centre of the brain", "the centre of the brain"))
    date = inputs.provenance.get("date")
    body = f"""{_warnings(inputs, numbers)}<section>
<h2>Key figures</h2>
{_key_figures(inputs, numbers)}
</section>
{"".join(views)}{lesion_section(inputs.lesions, int(inputs.numbers.get("lesions", 0)))}<section>
<h2>How to read this</h2>
<ol>
{"".join(f"<li>{text(sentence)}</li>{chr(10)}" for sentence in HOW_TO_READ)}</ol>
</section>
<section>
<h2>Provenance</h2>
{_provenance(inputs)}
</section>
"""
    return page(inputs.name, f"sanum report{f' · {date}' if date else ''}", body)


def page(heading: str, kind: str, body: str, style: str = "", script: str = "") -> str:
    """A complete HTML document.

    Parameters
    ----------
    heading, kind : str
        Any text: it is escaped.
    body : str
        HTML.
    style : str
        CSS, beside that of every page.
    script : str
        JavaScript of sanum's own, without anything of the data: the only one that the browser then runs.
    """
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    policy = f"{POLICY}; script-src 'sha256-{digest}'" if script else POLICY
    end = f"<script>{script}</script>\n" if script else ""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{text(heading)} – sanum report</title>
<style>{STYLE}{style}</style>
</head>
<body>
<main>
<header>
<p class="kind">{text(kind)}</p>
<h1><bdi>{text(heading)}</bdi></h1>
<p class="notice">{DISCLAIMER}</p>
</header>
{body}<footer>Made by sanum. {DISCLAIMER}</footer>
</main>
{end}</body>
</html>
"""


def text(value: str) -> str:
    """Text escaped for HTML; control and direction marks and lone surrogates become their codes.

    Parameters
    ----------
    value : str
        Any text.
    """
    printable = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in value)
    return escape(printable, quote=True)


def _view(inputs: ReportInputs, point_mm: Points, title: str, place: str) -> str:
    figure = montage(inputs, point_mm)
    title_inside = "; ".join(title[0].lower() + title[1:] for title in inputs.anatomies)
    data = base64.b64encode(to_png(figure)).decode("ascii")
    alt = (
        f"Axial, coronal and sagittal planes through {place} ({describe_point(point_mm)} of the origin): "
        f"input; {title_inside}; anomaly probability over the input; uncertainty. "
        "Radiological convention, the patient's right is on the left."
    )
    return f"""<section>
<h2>{title}</h2>
<figure>
<img alt="{text(alt)}" src="data:image/png;base64,{data}">
<figcaption>{text(CAPTION.format(title=title_inside))}</figcaption>
</figure>
</section>
"""


def _warnings(inputs: ReportInputs, numbers: KeyNumbers) -> str:
    found = list(dict.fromkeys((*inputs.warnings, *inputs.scan.warnings)))
    if numbers.brain_ml == 0:
        found.append("No brain was found in this scan: the maps and numbers below mean nothing.")
    if not found:
        return ""
    items = "".join(f"<li>{text(' '.join(warning.split()))}</li>\n" for warning in found)
    return f'<div class="warnings" role="alert">\n<h2>Warnings</h2>\n<ul>\n{items}</ul>\n</div>\n'


def _key_figures(inputs: ReportInputs, numbers: KeyNumbers) -> str:
    shape = " × ".join(str(n) for n in inputs.scan.grid.shape)
    spacing = " × ".join(f"{s:.2f}" for s in inputs.scan.grid.spacing_mm)
    none = "" if numbers.anomaly_ml else "no voxel was marked; this does not rule out disease"
    rows = (
        ("Anomaly volume", _volume(numbers.anomaly_ml), none),
        ("Share of the brain marked as anomaly", _share(numbers.anomaly_share), ""),
        ("Brain volume", _volume(numbers.brain_ml), ""),
        (
            "Mean uncertainty in the brain",
            f"{numbers.mean_uncertainty:.3f}" if math.isfinite(numbers.mean_uncertainty) else UNKNOWN,
            "expected absolute error of the T1w; white matter = 1",
        ),
        *_quality(inputs.numbers.get("quality", math.nan)),
        ("Contrast", str(inputs.decided), _UNKNOWN_CONTRAST if inputs.decided.is_open else ""),
        ("Voxel spacing", f"{spacing} mm", ""),
        ("Voxels", shape, ""),
    )
    return _table(rows, "figures")


def _quality(value: float) -> tuple[tuple[str, str, str], ...]:
    how = "1: a scan as the model knows them; 0: the result means nothing"
    return (("Quality of the result", f"{value:.2f}", how),) if math.isfinite(value) else ()


def _volume(ml: float) -> str:
    decimals = 0 if ml >= 100 or ml == 0 else 1 if ml >= 1 else 3
    return f"{ml:.{decimals}f} mL"


def _share(part: float) -> str:
    if not math.isfinite(part):
        return UNKNOWN
    return "below 0.01 %" if 0 < part < 1e-4 else f"{100 * part:.2f} %"


def _provenance(inputs: ReportInputs) -> str:
    rows = tuple((PROVENANCE_LABELS.get(key, key), value, "") for key, value in inputs.provenance.items())
    return _table(rows, "provenance") if rows else "<p>None was recorded.</p>"


def _table(rows: tuple[tuple[str, str, str], ...], kind: str) -> str:
    lines = "".join(
        f'<tr><th scope="row">{text(label)}</th>'
        f"<td><bdi>{text(value)}</bdi>{f' <small>({text(note)})</small>' if note else ''}</td></tr>\n"
        for label, value, note in rows
    )
    return f'<table class="{kind}">\n<tbody>\n{lines}</tbody>\n</table>'
