"""Lesions of two visits as a batch sees them: the table of this visit's, and what has become of each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..methods.api import OutputSpec, Result
from ..methods.common.alignment import Aligned, align
from ..methods.common.alignment_search import Guide
from ..methods.common.plain_result import PlainResult
from ..metrics.lesion_changes import STATES
from ..scan import Scan
from ..scan.names import stem_of
from .lesions import dictionary_of, everything_in, rows_of, table_of
from .lesions_job import OUTPUTS, TABLES, LesionsJob, digest
from .visits import CHANGE_COLUMNS, Visit, compared

OF_VISITS: Mapping[str, OutputSpec] = {
    **OUTPUTS,
    "changes": OutputSpec("changes", "What has become of each lesion, one row each", None, "changes", ".tsv"),
    "change_columns": OutputSpec(
        "change_columns", "What the columns of that table are", None, "changes", ".json"
    ),
}
TABLES_OF_VISITS: Mapping[str, Mapping[str, int | None]] = {
    "lesion_load.tsv": {**TABLES["lesion_load.tsv"], **dict.fromkeys(STATES, 0)},
}


STRETCHED = 0.015
"""More stretch between two visits than this is warned of."""


@dataclass(frozen=True, eq=False)
class Laid:
    """Two visits laid onto each other.

    Parameters
    ----------
    rigid : Aligned
        Previous visit → this one.
    stretch : float
        By how much an affine map would stretch or squeeze one of them, along the axis where it does most.
    warnings : tuple of str
        Why they may be of two heads.
    """

    rigid: Aligned
    stretch: float
    warnings: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Earlier:
    """The previous visit.

    Parameters
    ----------
    mask : Scan
        Its lesions.
    path : Path
        Of the mask.
    scan : Scan or None
        On whose grid the mask lies; None: it lies in the world of this visit's already.
    """

    mask: Scan
    path: Path
    scan: Scan | None


@dataclass(frozen=True, eq=False)
class VisitsJob(LesionsJob):
    """The lesions of this visit's mask, and their changes.

    Parameters
    ----------
    counted, scan, predictor, resources
        As of `LesionsJob`.
    earlier : Earlier
        The previous visit.
    guide : Guide or None
        As of `align`.
    """

    earlier: Earlier
    guide: Guide | None
    outputs: ClassVar[Mapping[str, OutputSpec]] = OF_VISITS
    tables: ClassVar[Mapping[str, Mapping[str, int | None]]] = TABLES_OF_VISITS

    @property
    def settings(self) -> Mapping[str, Any]:
        """Those of `LesionsJob`, and the previous visit."""
        scan = self.earlier.scan
        return {
            **super().settings,
            "previous_sha256": digest(self.earlier.mask),
            "previous_scan_sha256": None if scan is None else digest(scan),
        }

    def compute(self, loaded: tuple[Path, Scan], on_step: Callable[[str], None]) -> Result:
        """Both tables.

        Parameters
        ----------
        loaded : tuple
            From `read`.
        on_step : function
            Called with the name of each step.
        """
        mask, _ = self.counted.found(self.earlier.mask, self.earlier.path, self.earlier.scan)
        found_again = self._laid(on_step)
        world = np.eye(4) if found_again is None else found_again.rigid.world
        measured = self.measured(loaded, on_step)
        on_step("comparing the visits")
        before, now = self._visit(mask), self._visit(measured.mask)
        rows = compared(before, now, world, least_ml=self.counted.min_ml)
        contents = {
            **measured.contents,
            "changes": table_of(rows, CHANGE_COLUMNS),
            "change_columns": dictionary_of(CHANGE_COLUMNS),
        }
        stem = stem_of(loaded[0])
        numbers = measured.numbers | {state: sum(row.state == state for row in rows) for state in STATES}
        if found_again is None:
            return PlainResult.of(OF_VISITS, stem, contents, numbers, measured.warnings)
        rigid = found_again.rigid
        numbers |= {"sure": rigid.sure, "moved_mm": rigid.moved_mm, "stretch": found_again.stretch}
        said = (*found_again.warnings, *measured.warnings)
        return PlainResult.of(OF_VISITS, stem, contents, numbers, said)

    def _visit(self, mask: Scan) -> Visit:
        """All lesions of a mask: what is too small for a table at one visit may not be at the other."""
        found = everything_in(mask, threshold=self.counted.threshold)
        return Visit(found, mask.grid, rows_of(found, mask.grid))

    def _laid(self, on_step: Callable[[str], None]) -> Laid | None:
        """How the previous scan lies on this one; None: in the same world."""
        if self.earlier.scan is None or self.scan is None:
            return None
        return laid(self.earlier.scan, self.scan, self.guide, on_step)


def laid(
    before: Scan, now: Scan, guide: Guide | None, on_step: Callable[[str], None] = lambda _: None
) -> Laid:
    """Two visits of one head laid onto each other, and whether they are of one.

    A rigid map is looked for, and beside it an affine one: a head that has only moved is not stretched. On
    two visits of one patient the affine map stretched by 0.4 % at most, between two heads by 2.7 % and more
    (seven pairs), where the rigid search was as sure four times.

    Parameters
    ----------
    before, now : Scan
        The previous visit and this one.
    guide : Guide or None
        As of `align`.
    on_step : function
        Called with the name of each step.
    """
    rigid = align(before, now, rigid=True, guide=guide, on_step=on_step)
    on_step("trying whether they are one head")
    affine = align(before, now, guide=guide)
    sizes = np.linalg.svd(affine.world[:3, :3], compute_uv=False)
    stretch = float(np.exp(np.abs(np.log(sizes)).max()) - 1)
    why = list(rigid.warnings)
    if stretch > STRETCHED:
        why.insert(0, f"to fit, one would be stretched by {stretch:.1%}; a head keeps its size")
    return Laid(rigid, stretch, tuple(f"the two visits may be of two different heads: {one}" for one in why))
