"""What a notebook shows of a result: the pictures of the report, its numbers and its warnings."""

import math
from collections.abc import Mapping

from .figures import montage, to_png
from .inputs import ReportInputs
from .page import UNKNOWN, fragment
from .places import brain_centre_mm, largest_component_centre_mm

LABELS = {
    "anomaly_ml": ("Anomaly", "{:.1f} mL"),
    "lesions": ("Marked parts", "{:.0f}"),
    "brain_ml": ("Brain", "{:.0f} mL"),
    "mean_uncertainty": ("Mean uncertainty", "{:.3f} (white matter is 1)"),
    "quality": ("Quality", "{:.2f} of 1"),
}


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
    return fragment(
        "card.html",
        name=inputs.name,
        facts=[f"Contrast: {inputs.decided}", *(_fact(*item) for item in numbers.items())],
        warnings=list(dict.fromkeys(inputs.warnings)),
        alt=f"Planes through the {inputs.title[0].lower()}{inputs.title[1:]} of {inputs.name}",
        picture=to_png(montage(inputs, point)),
    )


def _fact(name: str, value: float) -> str:
    label, form = LABELS.get(name, (name, "{:.4g}"))
    return f"{label}: {form.format(value) if math.isfinite(value) else UNKNOWN}"
