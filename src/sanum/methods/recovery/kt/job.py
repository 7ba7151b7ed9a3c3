"""Recovering a movie as a batch sees it (`cohort.job.Job`): a 4-D NIfTI, a GIF and a page."""

import gzip
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import nibabel as nib
import numpy as np

from .... import __version__
from ....data.raw import RawMovie, read_raw
from ....files import sha256
from ....metrics.motion import beat_of, fast_movement
from ....report.movie import gif, movie_page, profile_png
from ....scan import ScanError
from ....types import Affine, FloatArray
from ...api import OutputSpec, Result
from ...common.file_job import FileJob, HasFile
from ...common.plain_result import PlainResult
from .network import KtNetwork
from .recipe import NETWORKS
from .recoverer import KtRecoverer

OUTPUTS: Mapping[str, OutputSpec] = {
    "movie": OutputSpec(
        "movie", "Magnitude of every frame; the fourth axis is time.", None, "cine", ".nii.gz"
    ),
    "gif": OutputSpec("gif", "The middle slice, moving.", None, "cine", ".gif"),
    "page": OutputSpec("page", "The movie, what moves, and an x-t profile.", None, "cine", ".html"),
}
TABLES: Mapping[str, Mapping[str, int | None]] = {
    "movies.tsv": {"acceleration": 2, "frames": 0, "frame_ms": 2, "beat_per_min": 0, "warnings": None},
}


@dataclass(frozen=True, eq=False)
class RecoverJob(FileJob):
    """One method on every file.

    Parameters
    ----------
    recoverer : KtRecoverer
        What computes.
    method : str
        One of its methods.
    resources : object
        As of `cohort.job.Job`.
    estimate_maps : bool
        Estimate the coils' maps in place of reading them.
    training : Path, optional
        Raw data of low resolution, in place of what the files have.
    frame_ms : float, optional
        In place of what the files say.
    """

    recoverer: KtRecoverer
    method: str
    resources: Any
    estimate_maps: bool = False
    training: Path | None = None
    frame_ms: float | None = None
    name: ClassVar[str] = "recover"
    past: ClassVar[str] = "recovered"
    outputs: ClassVar[Mapping[str, OutputSpec]] = OUTPUTS
    tables: ClassVar[Mapping[str, Mapping[str, int | None]]] = TABLES

    def check(self) -> None:
        """Raise ScanError if the training, or WeightsError if the weights cannot be used: it is said once."""
        _ = self._network
        if self.training is not None:
            read_raw(self.training)

    @cached_property
    def _training_sha256(self) -> str:
        return "" if self.training is None else sha256(self.training)

    @cached_property
    def _network(self) -> KtNetwork | None:
        return self.recoverer.network(self.method) if self.method in NETWORKS else None

    @property
    def settings(self) -> Mapping[str, Any]:
        """Version, method and choices."""
        return {
            "version": __version__,
            "method": self.method,
            "weights_sha256": self._network.weights_sha256 if self._network else "",
            "estimate_maps": self.estimate_maps,
            "training_sha256": self._training_sha256,
            "frame_ms_given": self.frame_ms,
        }

    def read(self, item: HasFile) -> tuple[str, RawMovie]:
        """Stem and raw data.

        Parameters
        ----------
        item : HasFile
            Of the batch.
        """
        raw = read_raw(item.path)
        if self.frame_ms is not None:
            raw = replace(raw, frame_s=self.frame_ms / 1000)
        if not (math.isfinite(raw.frame_s) and raw.frame_s > 0):
            raise ScanError(f"{item.path.name} does not say how long a frame takes: say it with --frame-ms")
        if self.training is not None:
            other = read_raw(self.training).kspace
            if other.shape[:3] != raw.kspace.shape[:3]:
                raise ScanError(
                    f"the training has {other.shape[:3]} slices, coils and frames, and {item.path.name} "
                    f"{raw.kspace.shape[:3]}: expected the same"
                )
            raw = replace(raw, training=other)
        return item.stem, raw

    def compute(self, loaded: tuple[str, RawMovie], on_step: Callable[[str], None]) -> Result:
        """Movie, GIF and page.

        Parameters
        ----------
        loaded : tuple
            From `read`.
        on_step : function
            Called with the name of each step.
        """
        stem, raw = loaded
        found = self.recoverer.recover(raw, self.method, estimate_maps=self.estimate_maps, on_step=on_step)
        on_step("drawing")
        movie = np.abs(found.movie)
        shown = movie[len(movie) // 2]
        bpm = 60 * beat_in(shown, raw.frame_s)
        frames, lines, wide = shown.shape
        facts = {
            "Method": self.method,
            "Acceleration": f"{found.acceleration:.1f}",
            "Frames": f"{frames} of {1000 * raw.frame_s:.1f} ms",
            "Slices, lines, samples": f"{len(movie)}, {lines}, {wide}",
            "Coils": str(raw.kspace.shape[1]),
            "Coil maps": "estimated (ESPIRiT)" if self.estimate_maps else "of the file",
            "Strongest frequency where it moves": f"{bpm:.0f} per minute"
            if math.isfinite(bpm)
            else "none found",
            "Weights": self._network.weights_name if self._network else "none",
            "sanum version": __version__,
        }
        film = gif(shown, raw.frame_s)
        picture = profile_png(shown, raw.frame_s, fast_movement(shown) if frames > 1 else 0 * shown[0])
        contents = {
            "movie": nifti_of(movie, raw.affine, raw.frame_s),
            "gif": film,
            "page": movie_page(stem, "sanum recover", (picture, film), facts, found.warnings),
        }
        numbers = {
            "acceleration": found.acceleration,
            "frames": frames,
            "frame_ms": 1000 * raw.frame_s,
            "beat_per_min": bpm,
        }
        return PlainResult.of(OUTPUTS, stem, contents, numbers, found.warnings)


def beat_in(movie: FloatArray, frame_s: float) -> float:
    """Strongest frequency, Hz, of the percent of pixels that move fastest; nan if there is none.

    Parameters
    ----------
    movie : (T, Y, X) float32
        Magnitudes.
    frame_s : float
        Seconds from frame to frame.
    """
    if len(movie) < 2:
        return float("nan")
    speed = fast_movement(movie)
    return beat_of(movie[:, speed >= np.quantile(speed, 0.99)], frame_s=frame_s)


def nifti_of(movie: FloatArray, affine: Affine, frame_s: float) -> bytes:
    """A 4-D NIfTI file (x, y, z, t), compressed; its header has the time from frame to frame in seconds.

    Parameters
    ----------
    movie : (Z, T, Y, X) float32
        Magnitudes.
    affine : (4, 4) float64
        Index to mm.
    frame_s : float
        Seconds from frame to frame.
    """
    image = nib.Nifti1Image(np.ascontiguousarray(movie.transpose(3, 2, 0, 1)), affine)
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((*image.header.get_zooms()[:3], frame_s))
    data: bytes = gzip.compress(image.to_bytes(), compresslevel=1, mtime=0)
    return data
