"""Segmenting a file as a batch sees it (`cohort.job.Job`): labels, probabilities, surfaces and a picture."""

import gzip
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import nibabel as nib
import numpy as np
import numpy.typing as npt

from .... import __version__
from ....scan import Scan
from ....scan.names import printable
from ....space.grid import Grid, apply_affine
from ...api import OutputSpec, Result
from ...common.file_job import HasFile
from ...common.plain_result import PlainResult
from .picture import contours_png, curve_png
from .segmentation import Segmentation
from .segmenter import NisfSegmenter
from .stacks import SliceStack, read_stack
from .surface import fine_grid, gifti, surface_of

FIXED = {
    "labels": OutputSpec("labels", "Label of each voxel.", None, "dseg", ".nii.gz"),
    "probabilities": OutputSpec(
        "probabilities", "Probability of the background and of each structure.", None, "probseg", ".nii.gz"
    ),
    "picture": OutputSpec(
        "picture", "Slices of the scan with the borders of the structures.", None, "contours", ".png"
    ),
}
OF_CYCLES = {
    "curve": OutputSpec("curve", "Volume of each structure over the cycle.", None, "curve", ".png"),
    "volumes": OutputSpec("volumes", "Volume in ml of each structure at each time.", None, "volumes", ".tsv"),
}


@dataclass(frozen=True)
class Asked:
    """What is asked of a segmentation.

    Parameters
    ----------
    spacing_mm : tuple of float
        Of the result's voxels; empty: the scan's own grid.
    slices : tuple of int or None
        That are looked at; None: all.
    beyond_mm : float
        How far the result goes on at both ends of the third axis.
    weights_too : bool
        Fit a copy of the weights with the latent.
    frame : Grid, optional
        That coordinates are of; default the scan's own.
    """

    spacing_mm: tuple[float, ...] = ()
    slices: tuple[int, ...] | None = None
    beyond_mm: float = 0.0
    weights_too: bool = False
    frame: Grid | None = None

    def grid(self, own: Grid) -> Grid:
        """Grid of the result.

        Parameters
        ----------
        own : Grid
            The scan's.
        """
        spacing = np.broadcast_to(self.spacing_mm, 3) if self.spacing_mm else own.spacing_mm
        more = int(np.ceil(self.beyond_mm / spacing[2] - 1e-6))
        ratio = np.asarray(spacing, dtype=np.float64) / own.spacing_mm
        shape = np.maximum(np.round(np.asarray(own.shape) / ratio), 1).astype(int) + np.array(
            [0, 0, 2 * more]
        )
        affine = own.affine @ np.diag([*ratio, 1.0])
        affine[:3, 3] = apply_affine(own.affine, ratio / 2 - 0.5 - np.array([0, 0, more]) * ratio)
        return Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine)


@dataclass(frozen=True, eq=False)
class SegmentJob:
    """A fitted segmenter on every file.

    Parameters
    ----------
    segmenter : NisfSegmenter
        Fitted.
    resources : object
        As of `cohort.job.Job`.
    asked : Asked
        What of.
    """

    segmenter: NisfSegmenter
    resources: Any
    asked: Asked
    name: ClassVar[str] = "segment apply"
    past: ClassVar[str] = "segmented"

    @property
    def outputs(self) -> Mapping[str, OutputSpec]:
        """Labels, probabilities, picture, and the surface of each structure."""
        surfaces = {
            f"surface_{name}": OutputSpec(
                f"surface_{name}", f"Surface of {name}.", name, "surface", ".surf.gii"
            )
            for name in self.segmenter.structures.names
        }
        return {**FIXED, **surfaces}

    @property
    def tables(self) -> Mapping[str, Mapping[str, int | None]]:
        """Volumes of every scan."""
        return {"volumes.tsv": {f"{name}_ml": 3 for name in self.segmenter.structures.names}}

    @property
    def settings(self) -> Mapping[str, Any]:
        """Version, model, and what is asked."""
        frame = self.asked.frame
        return {
            "version": __version__,
            "method": self.segmenter.method,
            "weights_sha256": self.segmenter.weights_sha256,
            "spacing_mm": list(self.asked.spacing_mm),
            "slices": "all" if self.asked.slices is None else list(self.asked.slices),
            "beyond_mm": self.asked.beyond_mm,
            "weights_too": self.asked.weights_too,
            "frame": "own" if frame is None else [list(frame.shape), frame.affine.tolist()],
        }

    def read(self, item: HasFile) -> tuple[str, SliceStack]:
        """Stem and stack of a file.

        Parameters
        ----------
        item : HasFile
            Of the batch.
        """
        return item.stem, read_stack(item.path)

    def compute(self, loaded: tuple[str, SliceStack], on_step: Callable[[str], None]) -> Result:
        """Fit a latent, and ask.

        Parameters
        ----------
        loaded : tuple
            From `read`.
        on_step : function
            Called with the name of each step.
        """
        stem, stack = loaded
        on_step("fitting the latent")
        apart = stack.frames > 1 and not self.segmenter.knows_time
        made = [
            self.segmenter.segment(
                part,
                slices=self.asked.slices,
                frame=self.asked.frame,
                weights_too=self.asked.weights_too or None,
            )
            for part in ([stack.at_time(t) for t in range(stack.frames)] if apart else [stack])
        ]
        on_step("asking for the labels")
        contents, numbers, warnings = contents_of(made, self.asked)
        asked = {name: contents[name] for name in self.outputs}
        return PlainResult.of(self.outputs, stem, asked, numbers, warnings)

    def facts(self, result: Result) -> Mapping[str, Any]:
        """Name of the model's file, steps of the fit, and the device.

        Parameters
        ----------
        result : Result
            From `compute`.
        """
        return {
            "weights": self.segmenter.weights_name,
            "latent_steps": self.segmenter.steps(weights_too=self.asked.weights_too),
            "device": self.segmenter.device,
        }


@dataclass(frozen=True, eq=False)
class CycleJob(SegmentJob):
    """A fitted segmenter on every file with times.

    Parameters
    ----------
    segmenter, resources, asked
        As of `SegmentJob`.
    """

    @property
    def outputs(self) -> Mapping[str, OutputSpec]:
        """Those of a stack, and the volumes over the cycle."""
        return {**super().outputs, **OF_CYCLES}


def contents_of(
    made: Sequence[Segmentation], asked: Asked
) -> tuple[dict[str, Any], dict[str, float], tuple[str, ...]]:
    """Content of every output, volumes of the first time, and what a user should know.

    Parameters
    ----------
    made : sequence of Segmentation
        Of a subject: one, or one for each time.
    asked : Asked
        What of it.
    """
    stack, names = made[0].stack, made[0].structures.names
    grid, frames = asked.grid(stack.grid), max(stack.frames, len(made))
    phases = (np.arange(frames) + 0.5) / frames
    moments = [(one, None) for one in made] if stack.frames == 1 else [(made[0], float(p)) for p in phases]
    times = [one.on(grid, phase) for one, phase in moments]
    first = moments[0][1]
    volumes = {
        name: [float((labels == value).sum()) * grid.voxel_volume_ml for labels, _ in times]
        for name, value in zip(names, made[0].structures.values, strict=True)
    }
    own = times[0][1] if grid.same_as(stack.grid) else made[0].on(stack.grid, first)[1]
    unseen = [] if asked.slices is None else [k for k in range(stack.grid.shape[2]) if k not in asked.slices]
    aspect = float(stack.grid.spacing_mm[1] / stack.grid.spacing_mm[0])
    contents: dict[str, Any] = {
        "labels": nifti([labels for labels, _ in times], grid),
        "probabilities": nifti([p for _, p in times], grid),
        "picture": contours_png(stack.voxels[..., 0], own, names, unseen=unseen, aspect=aspect),
        "curve": curve_png(phases, volumes),
        "volumes": _table(phases, volumes),
    }
    fine = fine_grid(grid)
    probabilities = made[0].on(fine, first)[1]
    for k, name in enumerate(names):
        contents[f"surface_{name}"] = gifti(surface_of(probabilities, k + 1, fine), name)
    missing = [name for name in names if not any(volumes[name])]
    told = tuple(f"no voxel is {name}: its surface is empty" for name in missing)
    return contents, {f"{name}_ml": values[0] for name, values in volumes.items()}, told


def nifti(times: list[npt.NDArray[Any]], grid: Grid) -> Any:
    """A scan, or the bytes of a NIfTI file where there are more axes than three: x, y, z, times, classes.

    Parameters
    ----------
    times : list of array
        (X, Y, Z) or (X, Y, Z, classes) of each time.
    grid : Grid
        Of the first three axes.
    """
    if len(times) == 1 and times[0].ndim == 3:
        return Scan(times[0], grid.affine)
    array = times[0] if len(times) == 1 else np.stack(times, axis=3)
    image = nib.Nifti1Image(array, grid.affine)
    image.header.set_xyzt_units("mm")
    return gzip.compress(image.to_bytes(), compresslevel=1, mtime=0)


def _table(phases: npt.NDArray[np.float64], volumes: dict[str, list[float]]) -> str:
    rows = ["\t".join(["phase", *(f"{name}_ml" for name in volumes)])]
    for n, phase in enumerate(phases):
        rows.append("\t".join([f"{phase:.4f}", *(f"{values[n]:.3f}" for values in volumes.values())]))
    return "\n".join(rows) + "\n"


def open_segmenter(model: Path, device: str) -> NisfSegmenter:
    """The segmenter of a file.

    Parameters
    ----------
    model : Path
        That `sanum segment fit` wrote.
    device : str
        A torch device.

    Raises
    ------
    WeightsError
        Missing, damaged, of another method or version.
    """
    from .predict import load

    return load(weights=Path(printable(model)) if not model.exists() else model, device=device)
