"""The main job as a batch sees it (`cohort.job.Job`): read a scan, reconstruct it, fill its record."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol

from .. import __version__
from ..files import sha256
from ..methods.api import OutputSpec, Result
from ..methods.common.anatomy import Predictor, Refiner
from ..scan import Scan, read
from ..scan.read import Reading
from .compose import Compose
from .memory import PredictorResources
from .network import second_stage
from .outputs import OUTPUTS
from .reconstruction import Space, reconstruct
from .result import Reconstruction

TABLES: Mapping[str, Mapping[str, int | None]] = {
    "volumes.tsv": {"brain_ml": 1, "anomaly_ml": 2, "lesions": 0},
    "qc.tsv": {
        "contrast": None,
        "contrast_by": None,
        "mean_uncertainty": 4,
        "quality": 2,
        "warnings": None,
        "report": None,
    },
}
"""Tables over all scans: their columns, with the decimals of numbers."""

_DAY = len("2026-01-31")  # what is written is the same at any time of a day; run.json has the times


class HasPath(Protocol):
    """Anything that names a scan's file, such as an item of a batch."""

    @property
    def path(self) -> Path:
        """A file, or the folder of a DICOM series."""


@dataclass(frozen=True, eq=False)
class ReconstructJob:
    """`reconstruct` for every scan of a batch.

    Parameters
    ----------
    predictor : Predictor
        A loaded method.
    space, compose, force, fast
        As in `reconstruct`.
    reading : dict
        Choices of `sanum.read`.
    mask : Path, optional
        The lesion of the only scan.
    """

    predictor: Predictor
    space: Space = "input"
    compose: Compose = "anatomy"
    reading: Reading = field(default_factory=Reading)
    force: bool = False
    mask: Path | None = None
    fast: bool = False
    name: ClassVar[str] = "reconstruct"
    past: ClassVar[str] = "reconstructed"
    outputs: ClassVar[Mapping[str, OutputSpec]] = OUTPUTS
    tables: ClassVar[Mapping[str, Mapping[str, int | None]]] = TABLES

    @property
    def settings(self) -> Mapping[str, Any]:
        """Version, weights of the stages that are used (so of `fast`), and options: None where not chosen."""
        second = self._second
        return {
            "version": __version__,
            "weights_sha256": self.predictor.weights_sha256,
            "second_weights_sha256": second.weights_sha256 if second else None,
            "space": self.space,
            "composition": self.compose,
            "volume": self.reading.get("volume"),
            "contrast_given": self.reading.get("contrast"),  # what was decided is a fact of the result
            "series": self.reading.get("series"),
            "skip_damaged": self.reading.get("skip_damaged") or None,
            "force": self.force or None,
            "mask_sha256": sha256(self.mask) if self.mask else None,
        }

    @property
    def _second(self) -> Refiner | None:
        return None if self.fast else second_stage(self.predictor)

    @property
    def resources(self) -> PredictorResources:
        """Those of both stages."""
        return PredictorResources(self.predictor, self._second)

    def read(self, item: HasPath) -> Scan:
        """The scan of an item.

        Parameters
        ----------
        item : HasPath
            An item of the batch.
        """
        return read(item.path, **self.reading)

    def compute(self, loaded: Scan, on_step: Callable[[str], None]) -> Reconstruction:
        """Its reconstruction, whose provenance has the day and no times.

        Parameters
        ----------
        loaded : Scan
            From `read`.
        on_step : function
            Called with the name of each step.
        """
        result = reconstruct(
            loaded,
            space=self.space,
            compose=self.compose,
            predictor=self.predictor,
            on_step=on_step,
            force=self.force,
            mask=self.mask,
            fast=self.fast,
        )
        timeless = {key: value for key, value in result.provenance.items() if key != "seconds"}
        return replace(result, provenance={**timeless, "date": timeless["date"][:_DAY]})

    def facts(self, result: Result) -> Mapping[str, Any]:
        """Weights, stage, device, contrast and who said what that is, and what the anomaly map comes from.

        Parameters
        ----------
        result : Reconstruction
            From `compute`.
        """
        return {
            "weights": result.provenance["weights"],
            **{k: v for k in ("stage", "second_weights") if (v := result.provenance.get(k)) is not None},
            "device": result.provenance["device"],
            "contrast": getattr(result, "contrast", None),
            "contrast_by": getattr(result, "contrast_by", None),
            "witnesses": result.provenance.get("witnesses"),
        }
