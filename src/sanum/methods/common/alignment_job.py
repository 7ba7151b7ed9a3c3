"""Laying each of many scans onto one, as a batch sees it (`cohort.job.Job`)."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ... import __version__
from ...report.alignment import alignment_png
from ...scan import Scan
from ...scan import read as read_scan
from ...scan.hounsfield import contrast_by_values
from ...space.similarity import DISTANCES
from ..api import OutputSpec, Result
from .alignment import Aligned, align, resampled
from .alignment_search import Guide, Init
from .file_job import FileJob, HasFile
from .plain_result import PlainResult

OUTPUTS: Mapping[str, OutputSpec] = {
    "image": OutputSpec("image", "The moving scan on the fixed one's grid.", "registered", "image"),
    "itk": OutputSpec(
        "itk",
        "Transform for ITK, ANTs and SimpleITK: points of the fixed scan to the moving one, LPS, mm.",
        None,
        "transform",
        ".tfm",
    ),
    "matrix": OutputSpec(
        "matrix",
        "The same, as four rows of four numbers in RAS, mm.",
        None,
        "transform",
        ".txt",
    ),
    "picture": OutputSpec("picture", "Checkerboard, and edges over the fixed scan.", None, "check", ".png"),
}
TABLES: Mapping[str, Mapping[str, int | None]] = {
    "registrations.tsv": {"sure": 2, "similarity": 4, "before": 4, "moved_mm": 1, "warnings": None},
}


@dataclass(frozen=True, eq=False)
class RegisterJob(FileJob):
    """Every scan onto the fixed one.

    Parameters
    ----------
    fixed : Scan
        As `opened` gives it.
    rigid : bool
        Turn and shift alone.
    init : "both", "header" or "centre"
        As of `align`.
    guide : Guide or None
        As of `align`; its weights are one of the settings.
    resources : object
        As of `cohort.job.Job`.
    similarity : str
        What is descended: a key of `space.similarity.DISTANCES`.
    """

    fixed: Scan
    rigid: bool
    init: Init
    guide: Guide | None
    resources: Any
    similarity: str = "mi"
    name: ClassVar[str] = "register"
    past: ClassVar[str] = "registered"
    outputs: ClassVar[Mapping[str, OutputSpec]] = OUTPUTS
    tables: ClassVar[Mapping[str, Mapping[str, int | None]]] = TABLES

    @cached_property
    def _fixed_sha256(self) -> str:
        digest = hashlib.sha256(np.ascontiguousarray(self.fixed.voxels).tobytes())
        digest.update(np.asarray(self.fixed.affine, np.float64).tobytes())
        return digest.hexdigest()

    @property
    def settings(self) -> Mapping[str, Any]:
        """Version, fixed scan and choices."""
        return {
            "version": __version__,
            "fixed": str(self.fixed.path),
            "fixed_sha256": self._fixed_sha256,
            "rigid": self.rigid,
            "init": self.init,
            "descended": self.similarity,
            "guide": getattr(self.guide, "weights_sha256", None),
        }

    def read(self, item: HasFile) -> tuple[str, Scan]:
        """Stem and scan.

        Parameters
        ----------
        item : HasFile
            Of the batch.
        """
        return item.stem, opened(item.path)

    def compute(self, loaded: tuple[str, Scan], on_step: Callable[[str], None]) -> Result:
        """Image, transform and picture.

        Parameters
        ----------
        loaded : tuple
            From `read`.
        on_step : function
            Called with the name of each step.
        """
        stem, moving = loaded
        found = align(
            self.fixed,
            moving,
            rigid=self.rigid,
            init=self.init,
            distance=DISTANCES[self.similarity](),
            guide=self.guide,
            on_step=on_step,
        )
        on_step("resampling")
        image = resampled(moving, self.fixed, found.world)
        contents = {
            "image": image,
            "itk": itk_text(found.world),
            "matrix": matrix_text(found.world),
            "picture": alignment_png(self.fixed, image),
        }
        said = (*moving.warnings, *found.warnings)
        return PlainResult.of(OUTPUTS, stem, contents, _numbers(found), said)


def opened(path: Path) -> Scan:
    """A scan, whose contrast is that of its values: a CT is seen through a window.

    Parameters
    ----------
    path : Path
        Of the scan.
    """
    return contrast_by_values(read_scan(path))


def itk_text(world: npt.NDArray[np.float64]) -> str:
    """An ITK transform file of a world map: as `sitk.ReadTransform` and `antsApplyTransforms -t` read it.

    Parameters
    ----------
    world : (4, 4) float64
        Fixed mm → moving mm, RAS. The file has LPS.
    """
    flip = np.diag([-1.0, -1.0, 1.0, 1.0])
    lps = flip @ world @ flip
    numbers = " ".join(f"{x:.12g}" for x in (*lps[:3, :3].ravel(), *lps[:3, 3]))
    return (
        "#Insight Transform File V1.0\n#Transform 0\nTransform: AffineTransform_double_3_3\n"
        f"Parameters: {numbers}\nFixedParameters: 0 0 0\n"
    )


def matrix_text(world: npt.NDArray[np.float64]) -> str:
    """Four rows of four numbers, as `numpy.loadtxt` reads them, below a line that says the direction.

    Parameters
    ----------
    world : (4, 4) float64
        Fixed mm → moving mm, RAS.
    """
    rows = "\n".join(" ".join(f"{x:.12g}" for x in row) for row in world)
    return f"# a point of the fixed scan to the same point of the moving scan; world mm, RAS\n{rows}\n"


def _numbers(found: Aligned) -> dict[str, float]:
    return {
        "sure": found.sure,
        "similarity": found.similarity,
        "before": found.before,
        "moved_mm": found.moved_mm,
    }
