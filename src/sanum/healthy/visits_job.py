"""Lesions of two visits as a batch sees them: the table of this visit's, and what has become of each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..methods.api import Output, OutputSpec, Result
from ..methods.common.alignment import Aligned, Guide, align
from ..methods.common.plain_result import PlainResult
from ..metrics.lesion_changes import STATES
from ..scan import Scan
from ..scan.names import stem_of
from .lesions import dictionary_of, rows_of, table_of
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
        mask, found = self.counted.found(self.earlier.mask, self.earlier.path, self.earlier.scan)
        aligned = self._aligned(on_step)
        world = np.eye(4) if aligned is None else aligned.world
        measured = self.measured(loaded, on_step)
        on_step("comparing the visits")
        before = Visit(found, mask.grid, rows_of(found, mask.grid))
        rows = compared(before, Visit(measured.found, measured.mask.grid, measured.rows), world)
        contents = {
            **measured.contents,
            "changes": table_of(rows, CHANGE_COLUMNS),
            "change_columns": dictionary_of(CHANGE_COLUMNS),
        }
        outputs = {key: Output(OF_VISITS[key], content) for key, content in contents.items()}
        numbers = measured.numbers | {state: sum(row.state == state for row in rows) for state in STATES}
        if aligned is not None:
            numbers |= {"sure": aligned.sure, "moved_mm": aligned.moved_mm}
        said = () if aligned is None else warnings_of(aligned)
        return PlainResult(stem_of(loaded[0]), outputs, numbers, (*said, *measured.warnings))

    def _aligned(self, on_step: Callable[[str], None]) -> Aligned | None:
        """How the previous scan lies on this one; None: in the same world."""
        if self.earlier.scan is None or self.scan is None:
            return None
        return align(self.earlier.scan, self.scan, rigid=True, guide=self.guide, on_step=on_step)


def warnings_of(aligned: Aligned) -> tuple[str, ...]:
    """What is to be said of how two visits were laid onto each other.

    Parameters
    ----------
    aligned : Aligned
        Rigid, previous visit → this one.
    """
    return tuple(f"the two visits may not be of one head: {warning}" for warning in aligned.warnings)
