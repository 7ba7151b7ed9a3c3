"""What the main job gives: maps on one grid, numbers, warnings, and how it shows and saves itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..methods.api import LateOutput, Output
from ..methods.common.saving import save_result
from ..report.inputs import PREDICTED, ReportInputs
from ..report.numbers import KeyNumbers, key_numbers
from ..scan import Scan
from ..scan.contrast import Decided, DecidedBy
from ..scan.names import stem_of
from ..space.components import Components, components
from .compose import TITLES, is_t1w
from .grids import ScanMaps
from .lesions import LISTED, LesionRow, brightness_of, dictionary_of, rows_of, table_of
from .mask import Lesion, kept_in_report
from .outputs import OUTPUTS, WITNESSES, Wanted, left_out
from .places import Places, with_atlas
from .quality import Quality
from .witness import Parts

REPORT = "report"


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """Results of one scan, all on one grid.

    Parameters
    ----------
    scan : Scan
        The input (resampled if another space was requested).
    anatomy : Scan
        Healthy T1w inside the brain; white matter near 1, outside 0.
    anomaly : Scan
        Probability in [0, 1].
    anomaly_mask, brain : Scan
        Masks (uint8).
    uncertainty : Scan
        Expected absolute error of `anatomy` (Laplace scale), in its units; 0 outside of the brain.
    contrast : str or None
        What the network was told: as read, or guessed.
    warnings : tuple of str
        What a user should know, in the order in which it came up.
    provenance : dict
        Version, weights, device, seconds, date.
    contrast_by : str
        Who said what the contrast is: one of `sanum.scan.contrast.DecidedBy`.
    witnesses : Parts or None
        Of an anomaly, each by itself; None: the network alone was asked.
    predicted : Scan or None
        The anatomy as it was predicted, where `anatomy` is put together with the scan; None: it is `anatomy`.
    lesion : Lesion or None
        The user's mask, if there was one.
    quality : Quality or None
        How far the result can be trusted; None: it was not judged.
    places : Places or None
        What is known of where its voxels lie in the head.
    """

    scan: Scan
    anatomy: Scan
    anomaly: Scan
    anomaly_mask: Scan
    uncertainty: Scan
    brain: Scan
    contrast: str | None
    warnings: tuple[str, ...] = ()
    provenance: dict[str, str] = field(default_factory=dict)
    contrast_by: DecidedBy = "nobody"
    witnesses: Parts | None = None
    predicted: Scan | None = None
    lesion: Lesion | None = None
    quality: Quality | None = None
    places: Places | None = None

    @property
    def name(self) -> str:
        """Stem of the files."""
        return stem_of(self.scan.path) if self.scan.path else "scan"

    @property
    def network(self) -> Scan:
        """Probability of an anomaly that the network gives, alone."""
        return self.anomaly if self.witnesses is None else self.witnesses.network

    @property
    def residual(self) -> Scan:
        """How much brighter the scan is than its healthy anatomy would be, in robust standard deviations."""
        if self.witnesses is None:
            return self.anomaly.with_voxels(np.zeros(self.anomaly.voxels.shape, np.float32))
        return self.witnesses.residual

    @property
    def outputs(self) -> dict[str, Output]:
        """Every output of `healthy.outputs.OUTPUTS` by name; some are made when looked at."""
        late: dict[str, Callable[[], object]] = {
            REPORT: self.report,
            "network": lambda: self.network,
            "residual": lambda: self.residual,
            "lesions": lambda: table_of(self.lesions),
            "lesion_columns": dictionary_of,
        }
        return {
            name: LateOutput(spec, late[name]) if name in late else Output(spec, getattr(self, name))
            for name, spec in OUTPUTS.items()
        }

    @property
    def images(self) -> dict[str, Scan]:
        """The outputs that are images, by name, without those that are written on request."""
        return {
            name: getattr(self, name)
            for name, spec in OUTPUTS.items()
            if spec.extension == ".nii.gz" and name not in WITNESSES
        }

    @property
    def numbers(self) -> dict[str, float]:
        """Volumes of the two masks in mL, how many parts the anomaly has, mean uncertainty, and quality.

        NaN: not known.
        """
        numbers = self._key_numbers
        return {
            "anomaly_ml": numbers.anomaly_ml,
            "lesions": len(self._parts.sizes),
            "brain_ml": numbers.brain_ml,
            "mean_uncertainty": numbers.mean_uncertainty,
            "quality": self.quality.value if self.quality else float("nan"),
        }

    @cached_property
    def _key_numbers(self) -> KeyNumbers:
        return key_numbers(self.anomaly_mask, self.brain, self.uncertainty)

    @cached_property
    def _parts(self) -> Components:
        return components(np.asarray(self.anomaly_mask.voxels) > 0.5)

    @cached_property
    def lesions(self) -> tuple[LesionRow, ...]:
        """The parts of the anomaly mask, the largest first; `healthy.lesions.LISTED` of them at most."""
        if not len(self._parts.sizes):
            return ()
        healthy = self.anatomy if self.predicted is None else self.predicted
        light = brightness_of(self.scan.with_contrast(self.decided), healthy, self.brain, self.anomaly_mask)
        places = with_atlas(self.places or Places())
        return rows_of(self._parts, self.scan.grid, places, light, at_most=LISTED)

    @property
    def decided(self) -> Decided:
        """The contrast and who said so."""
        return Decided(self.contrast, self.contrast_by)

    @property
    def title(self) -> str:
        """What `anatomy` shows, in the words of the report: predicted, or put together with the scan."""
        return TITLES[self.provenance.get("composition", "anatomy")]

    @cached_property
    def others(self) -> dict[str, Scan]:
        """What the report shows of a T1w beside `anatomy`, by title: as predicted, or with its own tissue."""
        if not is_t1w(self.contrast):
            return {}
        if self.predicted is not None:
            return {PREDICTED: self.predicted}
        there = ScanMaps(self.anatomy, self.anomaly, self.anomaly_mask, self.uncertainty, self.brain)
        kept = kept_in_report(self.scan, there, self.lesion)
        return {} if kept is self.anatomy else {TITLES["keep-healthy"]: kept}

    def report(self) -> str:
        """The report as one self-contained HTML page."""
        from ..report.html import render  # matplotlib only where a report is wanted

        return render(ReportInputs.of(self))

    def __repr__(self) -> str:
        numbers = ", ".join(f"{name} {value:.4g}" for name, value in self.numbers.items())
        notes = "".join(f"\n  warning: {warning}" for warning in self.warnings)
        return f"Reconstruction of {self.name} ({self.contrast or 'contrast unknown'}): {numbers}{notes}"

    def _repr_html_(self) -> str:
        """What a notebook shows: pictures, numbers and warnings."""
        from ..report.card import card

        return card(ReportInputs.of(self), self.numbers)

    def save(
        self,
        folder: str | Path,
        *,
        overwrite: bool = False,
        report: bool = True,
        maps: Wanted = "usual",
        record: Mapping[str, Any] | None = None,
        beside: Mapping[str, str] | None = None,
    ) -> list[Path]:
        """Paths of the files: images, the report if wanted, and `record` if given; all whole, or none.

        Parameters
        ----------
        folder : str or Path
            Made if missing.
        overwrite : bool
            Files that are there may be replaced.
        report : bool
            Make and write the report. If not, the report of an earlier result is removed in the end.
        maps : "usual" or "all"
            All: `network` and `residual` too. If not, those of an earlier result are removed in the end.
        record : mapping, optional
            JSON that says that the others are whole; it comes last.
        beside : mapping of str to str, optional
            Text of further files, by file name.

        Raises
        ------
        ScanError
            Something exists and `overwrite` is not set; the folder cannot be written to; the disk is full.
        """
        without = left_out(maps=maps, report=report)
        return save_result(self, folder, overwrite=overwrite, without=without, record=record, beside=beside)
