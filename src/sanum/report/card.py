"""What a notebook shows of a result: the pictures of the report, its numbers and its warnings."""

import base64
import math
from collections.abc import Mapping

from .figures import montage, to_png
from .html import DISCLAIMER, UNKNOWN, text
from .inputs import ReportInputs
from .places import brain_centre_mm, largest_component_centre_mm

LABELS = {
    "anomaly_ml": ("Anomaly", "{:.1f} mL"),
    "lesions": ("Marked parts", "{:.0f}"),
    "brain_ml": ("Brain", "{:.0f} mL"),
    "mean_uncertainty": ("Mean uncertainty", "{:.3f} (white matter is 1)"),
    "quality": ("Quality", "{:.2f} of 1"),
}
_CARD = "max-width:1000px;font-family:system-ui,sans-serif;line-height:1.5"
_WARNING = "margin:.4em 0;padding:.3em .8em;border-left:5px solid #b45309;background:#fff7e6;color:#5b2c02"


def card(inputs: ReportInputs, numbers: Mapping[str, float]) -> str:
    """HTML for a notebook: planes through the largest anomaly, or the middle of the brain, and the numbers.

    The picture is a data URI, so the notebook keeps it. Every text that came with the data is escaped.

    Parameters
    ----------
    inputs : ReportInputs
        The content.
    numbers : mapping of str to float
        Of the result, by name; those of `LABELS` get a readable label.
    """
    point = largest_component_centre_mm(inputs.anomaly_mask)
    point = brain_centre_mm(inputs.brain) if point is None else point
    data = base64.b64encode(to_png(montage(inputs, point))).decode("ascii")
    facts = [f"Contrast: {inputs.decided}", *(_fact(*item) for item in numbers.items())]
    alt = f"Planes through the {inputs.title[0].lower()}{inputs.title[1:]} of {inputs.name}"
    warnings = "".join(
        f'<div style="{_WARNING}">{text(" ".join(warning.split()))}</div>\n'
        for warning in dict.fromkeys(inputs.warnings)
    )
    return (
        f'<div style="{_CARD}">\n<p><strong><bdi>{text(inputs.name)}</bdi></strong><br>'
        f'{text(" · ".join(facts))}</p>\n{warnings}<img alt="{text(alt)}" style="width:100%;height:auto" '
        f'src="data:image/png;base64,{data}">\n<p><small>{DISCLAIMER}</small></p>\n</div>\n'
    )


def _fact(name: str, value: float) -> str:
    label, form = LABELS.get(name, (name, "{:.4g}"))
    return f"{label}: {form.format(value) if math.isfinite(value) else UNKNOWN}"
