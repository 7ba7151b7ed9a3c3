"""The table of the largest lesions on a page."""

import math
from collections.abc import Sequence
from html import escape
from typing import Protocol

SHOWN = 10


class ListedLesion(Protocol):
    """One lesion, as `healthy.lesions.LesionRow` has it; NaN and "": not known."""

    @property
    def id(self) -> int:
        """From the largest on."""

    @property
    def volume_ml(self) -> float:
        """Volume, mL."""

    @property
    def centre_mm(self) -> tuple[float, float, float]:
        """In the scan's world."""

    @property
    def mni_mm(self) -> tuple[float, float, float]:
        """In MNI space."""

    @property
    def side(self) -> str:
        """Left, right or both."""

    @property
    def lobe(self) -> str:
        """By the atlas."""

    @property
    def tissue(self) -> str:
        """By the atlas."""

    @property
    def contrast(self) -> float:
        """Against white matter, which is 0."""


def lesion_section(lesions: Sequence[ListedLesion], count: int) -> str:
    """HTML of the largest lesions; columns of which nothing is known are left out.

    Parameters
    ----------
    lesions : sequence of ListedLesion
        The largest first.
    count : int
        How many there are, listed or not.
    """
    if not lesions:
        return ""
    rows = [_cells(one) for one in lesions[:SHOWN]]
    known = [name for name in rows[0] if any(row[name] for row in rows)]
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in known)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(row[name])}</td>" for name in known) + "</tr>\n" for row in rows
    )
    title = f"The largest {len(rows)} of {count} marked parts" if count > len(rows) else "Marked parts"
    return f"""<section>
<h2>{title}</h2>
<table class="lesions">
<thead><tr>{head}</tr></thead>
<tbody>
{body}</tbody>
</table>
</section>
"""


def _cells(one: ListedLesion) -> dict[str, str]:
    return {
        "No.": str(one.id),
        "Volume, mL": f"{one.volume_ml:.3f}",
        "Side": one.side,
        "Lobe": one.lobe,
        "Tissue": one.tissue,
        "Centre, mm (right, front, up)": _place(one.centre_mm),
        "In MNI space, mm": _place(one.mni_mm),
        "Brighter than white matter by": f"{one.contrast:.0%}" if math.isfinite(one.contrast) else "",
    }


def _place(point_mm: tuple[float, float, float]) -> str:
    return ", ".join(f"{x:.0f}" for x in point_mm) if all(map(math.isfinite, point_mm)) else ""
