"""Patients in training: a real scan with a real lesion supervises what is healthy in it (UNA's d = 1).

The anatomy behind the lesion is not known. So the target there is the T1w itself, and the loss leaves the
lesion out. Images are stripped and aligned to the T1w.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

from ..scan.bids import find
from ..scan.conform import scale_intensity
from ..space.grid import Grid, covering, middle_of
from ..space.mirror import find_mirror, mirror
from ..space.register import register_affine
from ..space.resample import resample
from ..types import FloatArray, Mask
from .anatomy import mni_brain
from .bias import correct_bias
from .corrupt import CorruptionParams, Level, apply_corruption, draw_corruption, field_of_view
from .generator import Sample
from .geometry import (
    AlignmentError,
    GeometryParams,
    alignment,
    draw_alignment_error,
    draw_geometry,
    mirror_in_model,
    pose_map,
)
from .head import to_atlas
from .kernels import UNMOVED, pose
from .labels import read_canonical

LEAST_WHITE = 100  # voxels of sure white matter that its intensity is read from


@dataclass(frozen=True, eq=False)
class Patient:
    """One patient's scans on an RAS grid.

    Parameters
    ----------
    name : str
        Subject's label, as sub-ms1.
    grid : Grid
        Of all arrays.
    images : dict
        Suffix (T1w, FLAIR, …) → (X, Y, Z) float32, stripped, intensities as they came.
    t1w : (X, Y, Z) float32
        Bias-corrected, white matter at 1, with the lesion in it.
    brain : (X, Y, Z) bool
        Where the stripped T1w shows something.
    lesion : (X, Y, Z) float32
        In [0, 1].
    mirror, to_mni : (4, 4) float64
        As of an `Anatomy`.
    """

    name: str
    grid: Grid
    images: dict[str, FloatArray]
    t1w: FloatArray
    brain: Mask
    lesion: FloatArray
    mirror: npt.NDArray[np.float64]
    to_mni: npt.NDArray[np.float64]

    @cached_property
    def centre_mm(self) -> npt.NDArray[np.float64]:
        """World position of the middle of the brain."""
        return middle_of(self.brain, self.grid.affine)


@dataclass(frozen=True)
class PatientParams:
    """Everything random about one sample of a patient.

    Parameters
    ----------
    suffix : str
        Which of the patient's images.
    geometry : GeometryParams
        Pose.
    corruption : CorruptionParams
        Acquisition.
    misaligned : AlignmentError
        Error of the registration to the atlas.
    """

    suffix: str
    geometry: GeometryParams
    corruption: CorruptionParams
    misaligned: AlignmentError


def patients_in(root: Path, *, leave_out: Iterable[str] = (), spacing_mm: float = 2.0) -> list[Patient]:
    """Patients under a BIDS `root` that have a stripped T1w and a lesion mask, but for those of `leave_out`.

    A stripped T1w is a `*desc-brain_T1w.nii.gz`; its mask a `*_mask.nii.gz` or `*_dseg.nii.gz` beside it, and
    other `*desc-brain_*.nii.gz` of its grid are further inputs.

    Parameters
    ----------
    root : Path
        BIDS folder.
    leave_out : iterable of str
        Subjects that are left out, as sub-ms1.
    spacing_mm : float
        As of `prepare_patient`.
    """
    kept = [f for f in sorted(root.glob("sub-*")) if f.name not in set(leave_out)]
    found = [
        (t1w, m)
        for f in kept
        for t1w in find(f, folders=("**",), suffix="T1w", desc="brain", extensions=(".nii.gz",))
        for m in _masks(t1w)
    ]
    return [prepare_patient(t1w, mask, spacing_mm=spacing_mm) for t1w, mask in found]


def prepare_patient(t1w: Path, mask: Path, *, spacing_mm: float = 2.0) -> Patient:
    """Patient of a stripped T1w and a lesion mask, on voxels of `spacing_mm` if its own are much finer.

    Parameters
    ----------
    t1w : Path
        Stripped T1w; `*desc-brain_*` beside it are further images.
    mask : Path
        Lesion mask on its grid.
    spacing_mm : float
        Edge of the voxels in mm, if the patient's own are much finer.

    Raises
    ------
    ValueError
        Different grids; no lesion in the mask; no white matter where the brain's should be.
    """
    files = {
        f.name.removesuffix(".nii.gz").rsplit("_", 1)[1]: f
        for f in sorted(t1w.parent.glob(f"{t1w.name.removesuffix('T1w.nii.gz')}*.nii.gz"))
    }
    (own, affine), (sick, its_affine) = read_canonical(t1w), read_canonical(mask)
    if own.shape != sick.shape or not np.allclose(affine, its_affine, atol=1e-2):
        raise ValueError(f"{t1w.name} and {mask.name} are on different grids; resample one to the other")
    if not (sick > 0).any():
        raise ValueError(f"{mask} holds no lesion: expected a mask with ones in it")
    full = Grid(own.shape, affine)
    grid = covering(full, spacing_mm) if float(full.spacing_mm.max()) * 1.5 <= spacing_mm else full

    def here(voxels: npt.NDArray[Any]) -> FloatArray:
        there = voxels if grid is full else resample(voxels, full, grid)
        out: FloatArray = np.maximum(there, 0).astype(np.float32)
        return out

    volumes = {suffix: read_canonical(f) for suffix, f in files.items()}
    images = {s: here(v) for s, (v, a) in volumes.items() if v.shape == own.shape and np.allclose(a, affine)}
    brain, lesion = here(own > 0) > 0.5, np.minimum(here(sick > 0), 1)
    corrected = correct_bias(images["T1w"], grid, brain) * brain
    template, template_grid = mni_brain()
    to_mni = register_affine(corrected, grid, template, template_grid)
    white = _white(to_mni, grid) & brain & (lesion == 0)
    if white.sum() < LEAST_WHITE:
        raise ValueError(f"{t1w.name} shows no white matter where a brain has it; is it a stripped T1w?")
    return Patient(
        t1w.name.split("_")[0],
        grid,
        images,
        np.clip(corrected / float(np.median(corrected[white])), 0, 3).astype(np.float32),
        brain,
        lesion,
        find_mirror(corrected, grid),
        to_mni,
    )


def draw_patient(rng: np.random.Generator, patient: Patient, *, spacing_mm: float) -> PatientParams:
    """Parameters of a sample: one of the patient's images, in a pose, acquired once more.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    patient : Patient
        That the sample is made of.
    spacing_mm : float
        Voxels of the finest acquisition, in mm.
    """
    suffixes = sorted(patient.images)
    level: Level = ("mild", "medium", "severe")[int(rng.choice(3, p=[0.6, 0.3, 0.1]))]
    return PatientParams(
        suffix=suffixes[int(rng.integers(len(suffixes)))],
        geometry=draw_geometry(rng),
        corruption=draw_corruption(rng, level, spacing_mm),
        misaligned=draw_alignment_error(rng),
    )


def apply_patient(patient: Patient, params: PatientParams, *, box: Grid) -> Sample:
    """Sample of these parameters; deterministic. Labels are 0: a patient has no parcellation.

    Parameters
    ----------
    patient : Patient
        That the sample is made of.
    params : PatientParams
        Of `draw_patient`.
    box : Grid
        As of `apply_sample`.
    """
    spacing = float(box.spacing_mm[0])
    volumes = np.stack(
        [patient.images[params.suffix], patient.t1w, patient.brain.astype(np.float32), patient.lesion],
        axis=-1,
    )
    matrix, knots = pose_map(params.geometry, box, patient.grid, patient.centre_mm)
    out = np.empty((4, *box.shape), np.float32)
    labels = np.empty(box.shape, np.int16)
    pose(volumes, np.zeros(patient.grid.shape, np.int16), matrix, knots, UNMOVED, out, labels)
    image, t1w, soft, sick = out
    in_view = field_of_view(box.shape, params.corruption, spacing)
    top = max(float(np.percentile(patient.images[params.suffix][patient.brain], 99)), 1e-6)
    visible = (soft > 0.5).astype(np.float32)  # noise beyond the brain would not be stripped
    scaled = scale_intensity(apply_corruption(image / top, params.corruption, spacing) * visible * in_view)
    across = mirror_in_model(params.geometry, patient.mirror, patient.centre_mm)
    brain = (soft > 0.5) & in_view
    lesion = (sick > 0.5) & brain
    return Sample(
        image=np.stack([scaled, mirror(scaled, box, across)]),
        healthy_input=None,
        t1w=(t1w * brain).astype(np.float32),
        p=sick * brain,
        lesion=lesion,
        brain=brain,
        mirrored=mirror(lesion.astype(np.float32), box, across) > 0.5,
        labels=labels,
        to_atlas=alignment(params.misaligned) @ to_atlas(patient, params.geometry),
        views=np.empty((0, *box.shape), np.float32),
        sick=None,
    )


def _masks(t1w: Path) -> list[Path]:
    """Lesion masks beside a T1w, of its space: at most one."""
    stem = t1w.name.removesuffix("desc-brain_T1w.nii.gz")
    found = [f for end in ("mask", "dseg") for f in sorted(t1w.parent.glob(f"{stem}desc-*_{end}.nii.gz"))]
    return [f for f in found if "desc-brain" not in f.name][:1]


def _white(to_mni: npt.NDArray[np.float64], grid: Grid) -> Mask:
    """Where the ICBM152 average says white matter is for sure."""
    from nilearn.datasets import load_mni152_wm_template

    image = nib.as_closest_canonical(load_mni152_wm_template(resolution=2))
    share = np.asarray(image.dataobj, dtype=np.float32)
    return resample(share, Grid(image.shape, image.affine), Grid(grid.shape, to_mni @ grid.affine)) > 0.9
