"""The report: one HTML file that needs nothing else, to be mailed, archived or printed."""

import math
from collections.abc import Mapping

from ..types import Points
from .blocks import PagePicture
from .figures import montage, to_jpeg
from .inputs import ReportInputs
from .lesions import lesion_table
from .numbers import KeyNumbers, key_numbers
from .page import UNKNOWN, VIEWER_SCRIPTS, render_page
from .places import brain_centre_mm, largest_component_centre_mm
from .planes import describe_point
from .viewer.content import viewer_content

_UNKNOWN_CONTRAST = (
    "neither its name nor its header nor its looks say it; if you know, say it with --contrast"
)
_NO_BRAIN = "No brain was found in this scan: the maps and numbers below mean nothing."

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
    "space": "Grid of the results",
    "composition": "Composition",
    "witnesses": "Anomaly",
    "mask": "Lesion mask given",
    "input": "Input file",
    "input_sha256": "Input file, SHA-256",
}

Entry = tuple[str, str, str]
"""Label, value and note of a line."""


def render(inputs: ReportInputs) -> str:
    """Write the report of one scan as a complete HTML document.

    It holds a viewer (`report.viewer`) with small volumes, and pictures for paper and for who runs no script.
    The document loads nothing from outside, and a content security policy forbids it. Every text that came
    with the data is escaped. The same inputs give the same text; the date is the one in
    `inputs.provenance`. Write it to disk as UTF-8.

    Parameters
    ----------
    inputs : ReportInputs
        The content of the page.
    """
    numbers = key_numbers(inputs.anomaly_mask, inputs.brain, inputs.uncertainty)
    anomaly_at, centre = largest_component_centre_mm(inputs.anomaly_mask), brain_centre_mm(inputs.brain)
    views = []
    if anomaly_at is not None:
        shown = _picture(inputs, anomaly_at, "the largest marked anomaly")
        views.append(("Through the largest anomaly", shown))
    views.append(("Through the centre of the brain", _picture(inputs, centre, "the centre of the brain")))
    date = inputs.provenance.get("date")
    return render_page(
        "report.html",
        inputs.name,
        f"sanum report{f' · {date}' if date else ''}",
        styles=("viewer/viewer.css",),
        scripts=VIEWER_SCRIPTS,
        warnings=_warnings(inputs, numbers),
        viewer=viewer_content(inputs, centre if anomaly_at is None else anomaly_at),
        anatomies=list(inputs.anatomies),
        lesions=lesion_table(inputs.lesions, int(inputs.numbers.get("lesions", 0))),
        figures=_key_figures(inputs, numbers),
        views=views,
        how_to_read=HOW_TO_READ,
        provenance=_provenance(inputs.provenance),
    )


def _picture(inputs: ReportInputs, point_mm: Points, place: str) -> PagePicture:
    title_inside = "; ".join(title[0].lower() + title[1:] for title in inputs.anatomies)
    alt = (
        f"Axial, coronal and sagittal planes through {place} ({describe_point(point_mm)} of the origin): "
        f"input; {title_inside}; anomaly probability over the input; uncertainty. "
        "Radiological convention, the patient's right is on the left."
    )
    data = to_jpeg(montage(inputs, point_mm))
    return PagePicture(data, alt, CAPTION.format(title=title_inside), light=False)


def _warnings(inputs: ReportInputs, numbers: KeyNumbers) -> list[str]:
    found = list(dict.fromkeys((*inputs.warnings, *inputs.scan.warnings)))
    if numbers.brain_ml == 0:
        found.append(_NO_BRAIN)
    return [" ".join(warning.split()) for warning in found]


def _key_figures(inputs: ReportInputs, numbers: KeyNumbers) -> list[Entry]:
    shape = " × ".join(str(n) for n in inputs.scan.grid.shape)
    spacing = " × ".join(f"{s:.2f}" for s in inputs.scan.grid.spacing_mm)
    none = "" if numbers.anomaly_ml else "no voxel was marked; this does not rule out disease"
    return [
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
    ]


def _quality(value: float) -> list[Entry]:
    how = "1: a scan as the model knows them; 0: the result means nothing"
    return [("Quality of the result", f"{value:.2f}", how)] if math.isfinite(value) else []


def _volume(ml: float) -> str:
    decimals = 0 if ml >= 100 or ml == 0 else 1 if ml >= 1 else 3
    return f"{ml:.{decimals}f} mL"


def _share(part: float) -> str:
    if not math.isfinite(part):
        return UNKNOWN
    return "below 0.01 %" if 0 < part < 1e-4 else f"{100 * part:.2f} %"


def _provenance(found: Mapping[str, str]) -> list[Entry]:
    return [(PROVENANCE_LABELS.get(key, key), value, "") for key, value in found.items()]
