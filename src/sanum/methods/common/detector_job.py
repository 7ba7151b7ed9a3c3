"""Scoring a file as a batch sees it (`cohort.job.Job`): read it, score it, write its map and its overlay."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tifffile

from ... import __version__
from ...report.overlay import overlay_png
from ...scan import Scan
from ...scan import read as read_scan
from ...scan.names import EXTENSIONS
from ...scan.picture import Picture
from ...scan.picture_conform import Square
from ...scan.picture_volumes import volume_of
from ...scan.read_picture import read_pictures, volume_pictures
from ...types import FloatArray
from ..api import OutputSpec, Result
from .file_job import HasFile
from .findings import LARGEST, REFERENCE, Finding
from .plain_result import PlainResult
from .scorer import PictureScorer

OUTPUTS: Mapping[str, OutputSpec] = {
    "map": OutputSpec(
        "map", "Anomaly map on the picture's grid; of several frames a page each.", None, "map", ".tif"
    ),
    "overlay": OutputSpec(
        "overlay", "The map over the picture; of a volume its highest slice.", None, "overlay", ".png"
    ),
}
OF_VOLUMES: Mapping[str, OutputSpec] = {
    **OUTPUTS,
    "map": OutputSpec("map", "Anomaly maps of the slices, on the volume's grid.", None, "map", ".nii.gz"),
}
TABLES: Mapping[str, Mapping[str, int | None]] = {
    "scores.tsv": {
        "score": 8,
        "threshold": 8,
        "abnormal": 0,
        "slice": 0,
        "warnings": None,
        "map": None,
        "overlay": None,
    },
}
HOTTEST = 3.0
"""Times the reference at which an overlay is hottest; it begins at the reference."""


@dataclass(frozen=True)
class ScoredPicture(PlainResult):
    """A result, and how the picture was seen.

    Parameters
    ----------
    name, outputs, numbers, warnings, provenance
        As of `PlainResult`.
    seen : mapping
        Plain values: rows and columns of the picture (of several that of highest score), side of the square,
        first row, first column, rows and columns that it fills of it, intensities that became 0 and 1, and
        the orientation of EXIF that was undone.
    """

    seen: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class ScoreJob:
    """A fitted detector on every file.

    Parameters
    ----------
    detector : PictureScorer
        Fitted.
    resources : object
        As of `cohort.job.Job`.
    """

    detector: PictureScorer
    resources: Any
    name: ClassVar[str] = "detect score"
    past: ClassVar[str] = "scored"
    outputs: ClassVar[Mapping[str, OutputSpec]] = OUTPUTS
    tables: ClassVar[Mapping[str, Mapping[str, int | None]]] = TABLES

    @property
    def settings(self) -> Mapping[str, Any]:
        """Version, model, threshold, and what was asked for beside what the model says."""
        threshold = self.detector.threshold
        return {
            "version": __version__,
            "method": self.detector.method,
            "weights_sha256": self.detector.weights_sha256,
            "rule": "none" if threshold is None else threshold.rule,
            "limit": "none" if threshold is None else repr(threshold.value),
            "asked": " ".join(self.detector.asked) or None,
        }

    def read(self, item: HasFile) -> tuple[str, list[Picture]]:
        """Stem and pictures of a file.

        Parameters
        ----------
        item : HasFile
            Of the batch.
        """
        return item.stem, read_pictures(item.path, self.detector.config.reading)

    def compute(self, loaded: tuple[str, list[Picture]], on_step: Callable[[str], None]) -> Result:
        """Score, map and overlay; the score of several frames is that of the highest.

        Parameters
        ----------
        loaded : tuple
            From `read`.
        on_step : function
            Called with the name of each step.
        """
        stem, pictures = loaded
        return self._result(stem, pictures, lambda found: _tiff([one.on_picture for one in found]), on_step)

    def _result(
        self,
        stem: str,
        pictures: list[Picture],
        mapped: Callable[[list[Finding]], Any],
        on_step: Callable[[str], None],
    ) -> Result:
        on_step("scoring")
        found = list(self.detector.findings(pictures))
        highest = int(np.argmax([one.score for one in found]))
        threshold = self.detector.threshold
        numbers: dict[str, float] = {"score": found[highest].score}
        if threshold is not None:
            numbers["threshold"] = threshold.value
            numbers["abnormal"] = int(found[highest].score >= threshold.value)
        if len(found) > 1:
            numbers["slice"] = pictures[highest].frame or 0
        contents = {
            "map": mapped(found),
            "overlay": overlay_png(_shown(pictures[highest], found[highest]), self._heat(found[highest])),
        }
        said = tuple(dict.fromkeys(_warnings(pictures, found)))
        made = ScoredPicture.of(self.outputs, stem, contents, numbers, said)
        return replace(made, seen=_seen(pictures[highest], found[highest].square))

    def facts(self, result: Result) -> Mapping[str, Any]:
        """Name of the model's file, the device, and how the picture was resized and scaled.

        Parameters
        ----------
        result : Result
            From `compute`.
        """
        seen = {"picture": result.seen} if isinstance(result, ScoredPicture) else {}
        return {"weights": self.detector.weights_name, "device": self.detector.device, **seen}

    def _heat(self, found: Finding) -> FloatArray:
        """Map in [0, 1]: 0 up to what normals reach; by its own maximum where nothing is known of normals."""
        values = found.on_picture
        facts = self.detector.choices[self.detector.choice].facts
        reference = facts.get(REFERENCE)
        low, high = (0.0, float(values.max())) if reference is None else (reference, HOTTEST * reference)
        high = facts.get(LARGEST, high)
        if not high > low:
            return np.zeros_like(values)
        heat: FloatArray = np.clip((values - low) / (high - low), 0, 1)
        return heat


@dataclass(frozen=True, eq=False)
class VolumeScoreJob(ScoreJob):
    """A fitted detector on every slice of every volume.

    Parameters
    ----------
    detector : PictureScorer
        Fitted.
    resources : object
        As of `cohort.job.Job`.
    """

    outputs: ClassVar[Mapping[str, OutputSpec]] = OF_VOLUMES

    def read(self, item: HasFile) -> tuple[str, Scan]:  # type: ignore[override]
        """Stem and volume.

        Parameters
        ----------
        item : HasFile
            Of the batch.
        """
        return item.stem, read_scan(item.path)

    def compute(self, loaded: tuple[str, Scan], on_step: Callable[[str], None]) -> Result:  # type: ignore[override]
        """Score of the highest slice, its overlay, and the maps of all slices as a volume.

        Parameters
        ----------
        loaded : tuple
            From `read`.
        on_step : function
            Called with the name of each step.
        """
        stem, scan = loaded
        how = self.detector.config.reading
        pictures = volume_pictures(scan, scan.path or Path(stem), how.whole)

        def mapped(found: list[Finding]) -> Scan:
            maps = {p.frame or 0: f.on_picture for p, f in zip(pictures, found, strict=True)}
            return volume_of(maps, scan, how.axis)

        return self._result(stem, pictures, mapped, on_step)


@dataclass(frozen=True, eq=False)
class ClassifyJob(ScoreJob):
    """A fitted classifier on every file.

    Parameters
    ----------
    detector, resources
        As of `ScoreJob`.
    """

    name: ClassVar[str] = "classify score"
    past: ClassVar[str] = "classified"


@dataclass(frozen=True, eq=False)
class ClassifyVolumeJob(VolumeScoreJob):
    """A fitted classifier on every slice of every volume.

    Parameters
    ----------
    detector, resources
        As of `ScoreJob`.
    """

    name: ClassVar[str] = "classify score"
    past: ClassVar[str] = "classified"


JOBS: Mapping[str, tuple[type[ScoreJob], type[ScoreJob]]] = {
    "detect": (ScoreJob, VolumeScoreJob),
    "classify": (ClassifyJob, ClassifyVolumeJob),
}
"""Of pictures and of volumes, by group of commands."""


def is_volume(path: Path) -> bool:
    """Whether a file's name is that of a volume with slices.

    Parameters
    ----------
    path : Path
        Of the file.
    """
    return path.name.lower().endswith(EXTENSIONS)


def _seen(picture: Picture, square: Square) -> dict[str, Any]:
    place = square.placement
    return {
        "shape": list(place.shape),
        "square": len(square.valid),
        "box": list(place.box),
        "black": place.black,
        "white": place.white,
        "orientation": picture.orientation,
    }


def _shown(picture: Picture, found: Finding) -> FloatArray:
    """The picture in [0, 1], one channel or three."""
    place = found.square.placement
    black, white = picture.window or picture.range
    if white <= black:
        black, white = place.black, place.black + 1
    unit = np.clip((picture.pixels - np.float32(black)) / np.float32(white - black), 0, 1)
    shown: FloatArray = unit if len(unit) == 3 else unit.mean(0)
    return shown


def _tiff(maps: list[FloatArray]) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, np.stack(maps) if len(maps) > 1 else maps[0], photometric="minisblack")
    return stream.getvalue()


def _warnings(pictures: list[Picture], found: list[Finding]) -> list[str]:
    told = [warning for picture in pictures for warning in picture.warnings]
    if any(one.square.is_constant for one in found) and not told:
        told.append("it shows nothing: all pixels have one value")
    return told
