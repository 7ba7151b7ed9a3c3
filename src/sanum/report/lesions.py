"""The table of the marked parts on a page."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

PRINTED = 10
"""Rows on paper; a screen has all."""


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

    @property
    def normal_sd(self) -> float:
        """Above the mean of healthy people there, in their standard deviations: z."""


@dataclass(frozen=True)
class PartsTable:
    """The marked parts as cells.

    Parameters
    ----------
    title : str
        Above it.
    heads : sequence of str
        Of the columns of which anything is known.
    rows : sequence of (int, sequence of str)
        The part's number, and its cells.
    printed : int
        Rows on paper.
    """

    title: str
    heads: Sequence[str]
    rows: Sequence[tuple[int, Sequence[str]]]
    printed: int = PRINTED


def lesion_table(lesions: Sequence[ListedLesion], count: int) -> PartsTable | None:
    """Cells of all lesions that are listed; columns of which nothing is known are left out. None: no lesion.

    Parameters
    ----------
    lesions : sequence of ListedLesion
        The largest first.
    count : int
        How many there are, listed or not.
    """
    if not lesions:
        return None
    rows = [_cells(one) for one in lesions]
    known = [name for name in rows[0] if any(row[name] for row in rows)]
    return PartsTable(
        _title(len(rows), count),
        known,
        [(one.id, [row[name] for name in known]) for one, row in zip(lesions, rows, strict=True)],
    )


def _title(listed: int, count: int) -> str:
    """With the number of rows: most of them are below the edge of what is seen at once."""
    if count > listed:
        return f"The largest {listed} of {count} marked parts"
    return "1 marked part" if listed == 1 else f"{listed} marked parts"


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
        "z against healthy people": f"{one.normal_sd:+.1f}" if math.isfinite(one.normal_sd) else "",
    }


def _place(point_mm: tuple[float, float, float]) -> str:
    return ", ".join(f"{x:.0f}" for x in point_mm) if all(map(math.isfinite, point_mm)) else ""
