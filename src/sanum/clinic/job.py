"""The main job with DICOM objects: `sanum reconstruct --dicom`, as a batch sees it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from importlib import import_module
from typing import Any, ClassVar

from pydicom.dataset import Dataset

from ..extras import needs_extra
from ..healthy.job import TABLES, HasPath, ReconstructJob
from ..healthy.memory import PredictorResources
from ..healthy.outputs import OUTPUTS
from ..healthy.result import Reconstruction
from ..methods.api import LateOutput, Output, OutputSpec, Result
from ..methods.common.saving import FolderContent
from ..scan import Scan
from ..scan.dicom_planes import SourcePlanes, read_planes
from .objects import EXTRA, DicomOptions, objects_of, save_objects
from .reference import reference_of

DICOM = OutputSpec(
    name="dicom",
    meaning="DICOM objects on the planes of the source: segmentation, maps, healthy T1w, report",
    desc=None,
    suffix="dicom",
    extension="",
)
"""A folder of files."""


@dataclass(frozen=True)
class DicomSource:
    """A scan and the planes that it was read from.

    Parameters
    ----------
    scan : Scan
        Of the series.
    planes : SourcePlanes
        Of the series.
    """

    scan: Scan
    planes: SourcePlanes


@dataclass(frozen=True, eq=False)
class DicomReconstruction(Reconstruction):
    """A result of a DICOM series, with objects for an archive as one more output.

    Parameters
    ----------
    planes : SourcePlanes
        Of the series.
    dicom : DicomOptions
        Choices of the objects.
    """

    planes: SourcePlanes | None = None
    dicom: DicomOptions | None = None

    @classmethod
    def of(cls, result: Reconstruction, planes: SourcePlanes, dicom: DicomOptions) -> "DicomReconstruction":
        """The result with objects.

        Parameters
        ----------
        result : Reconstruction
            Without.
        planes : SourcePlanes
            Of its series.
        dicom : DicomOptions
            Choices of the objects.
        """
        known = {field.name: getattr(result, field.name) for field in fields(Reconstruction)}
        return cls(**known, planes=planes, dicom=dicom)

    @property
    def outputs(self) -> dict[str, Output]:
        """Those of any result, and the folder of objects."""
        return {"dicom": LateOutput(DICOM, self._content), **super().outputs}

    def _content(self) -> FolderContent:
        return FolderContent(lambda folder: save_objects(self.objects(), folder))

    def objects(self) -> Iterator[tuple[str, Dataset]]:
        """File name and content of each object."""
        assert self.planes is not None
        return objects_of(self, self.planes, self.dicom)


@dataclass(frozen=True, eq=False)
class DicomJob:
    """`reconstruct` for DICOM series, with objects for an archive.

    Parameters
    ----------
    main : ReconstructJob
        The main job.
    dicom : DicomOptions
        Choices of the objects.
    """

    main: ReconstructJob
    dicom: DicomOptions = field(default_factory=DicomOptions)
    name: ClassVar[str] = ReconstructJob.name
    past: ClassVar[str] = ReconstructJob.past
    outputs: ClassVar[Mapping[str, OutputSpec]] = {"dicom": DICOM, **OUTPUTS}
    tables: ClassVar[Mapping[str, Mapping[str, int | None]]] = TABLES

    def __post_init__(self) -> None:
        with needs_extra("--dicom", EXTRA):
            import_module("highdicom")  # before the work, rather than after it

    @property
    def settings(self) -> Mapping[str, Any]:
        """Those of the main job, and which frames there are."""
        frames = "not empty" if self.dicom.omit_empty_frames else "all"
        return {**self.main.settings, "dicom_frames": frames}

    @property
    def resources(self) -> PredictorResources:
        """Those of the main job."""
        return self.main.resources

    def read(self, item: HasPath) -> DicomSource:
        """The series of an item, and its planes.

        Parameters
        ----------
        item : HasPath
            An item of the batch.
        """
        series = self.main.reading.get("series")
        planes = read_planes(item.path, series=None if series is None else str(series))
        reference_of(planes)  # says now what would be wrong with it in the end
        return DicomSource(self.main.read(item), planes)

    def compute(self, loaded: DicomSource, on_step: Callable[[str], None]) -> DicomReconstruction:
        """Its reconstruction.

        Parameters
        ----------
        loaded : DicomSource
            From `read`.
        on_step : function
            Called with the name of each step.
        """
        result = self.main.compute(loaded.scan, on_step)
        return DicomReconstruction.of(result, loaded.planes, self.dicom)

    def facts(self, result: Result) -> Mapping[str, Any]:
        """As of the main job.

        Parameters
        ----------
        result : Reconstruction
            From `compute`.
        """
        return self.main.facts(result)
