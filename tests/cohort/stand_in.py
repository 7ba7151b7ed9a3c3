"""Small scans, ten ways to break one, and a stand-in for the network's part that takes no time."""

import gzip
import json
from pathlib import Path

import nibabel as nib
import numpy as np

from sanum.cohort import RunSettings
from sanum.healthy.job import ReconstructJob
from sanum.healthy.outputs import left_out
from sanum.healthy.result import Reconstruction
from sanum.scan import Scan, ScanError, write

CELLS = (12, 14, 10)
NO_REPORT = RunSettings(without=left_out(maps="usual", report=False))
SCANS = (
    "sub-01/ses-a/anat/sub-01_ses-a_T1w.nii.gz",
    "sub-01/ses-b/anat/sub-01_ses-b_run-02_FLAIR.nii.gz",
    "sub-02/anat/sub-02_T1w.nii.gz",
)
DESCRIPTION = {"Name": "Made by a test", "BIDSVersion": "1.10.0", "DatasetType": "raw"}


class Nothing:
    """A method that was loaded."""

    weights_name, weights_sha256, device = "none", "0" * 64, "cpu"
    memory_plan = None


def nothing_job() -> ReconstructJob:
    """The main job without a network; `at_once` does its work, once it takes `reconstruct`'s place."""
    return ReconstructJob(Nothing())


def small_scan(seed: int) -> Scan:
    """Noise of a few kilobytes."""
    voxels = np.random.default_rng(seed).integers(1, 999, CELLS).astype(np.int16)
    return Scan(voxels, np.diag([10.0, 10, 10, 1]))


def raw(root: Path, *scans: str) -> Path:
    """A BIDS data set of small scans."""
    root.mkdir()
    for n, path in enumerate(scans):
        write(small_scan(n), root / path)
    (root / "dataset_description.json").write_text(json.dumps(DESCRIPTION))
    return root


def at_once(scan, *, predictor, space="input", compose="anatomy", on_step=None, **_):
    """In place of `reconstruct`: maps that follow from the voxels in a millisecond."""
    x = np.asarray(scan.voxels, np.float32) / 1000
    if x.max() > 1:
        raise ScanError(f"no head found in {scan.path.name}: too bright")
    images = [x, x**2, (x > 0.7).astype(np.uint8), x / 10, (x > 0.1).astype(np.uint8)]
    provenance = {
        "weights": predictor.weights_name,
        "device": predictor.device,
        "date": "now",
        "seconds": "1",
    }
    return Reconstruction(
        scan, *(Scan(image, scan.affine) for image in images), "T1w", scan.warnings, provenance
    )


def nifti(path, voxels, affine=None):
    nib.save(nib.Nifti1Image(voxels, np.diag([10.0, 10, 10, 1]) if affine is None else affine), path)


NOISE = np.random.default_rng(0).integers(1, 999, CELLS).astype(np.int16)
BROKEN = {
    "is empty": lambda p: p.write_bytes(b""),
    "is damaged, cut short": lambda p: p.write_bytes(p.read_bytes()[:-40]),
    "cannot be read as a NIfTI file": lambda p: p.write_bytes(gzip.compress(b"hello" * 99)),
    "does not exist": lambda p: (p.unlink(), p.symlink_to("nowhere.nii.gz")),
    "is constant": lambda p: nifti(p, np.full(CELLS, 5, np.int16)),
    "no finite voxel": lambda p: nifti(p, np.full(CELLS, np.nan, np.float32)),
    "a single slice": lambda p: nifti(p, NOISE[:, :, :1]),
    "has 2 volumes": lambda p: nifti(p, np.stack([NOISE, NOISE], -1)),
    "voxels of 25 × 25 × 25 mm": lambda p: nifti(p, NOISE, np.diag([25.0, 25, 25, 1])),
    "no head found": lambda p: nifti(p, 9 * NOISE),
}
"""What the sentence says → what is done to the file."""


def make_cohort(folder: Path, count: int, broken: int) -> list[str]:
    """Write sub-XXX/anat/sub-XXX_T1w.nii.gz, every so-and-so-manieth broken; what their sentences say."""
    said = list(BROKEN)[:broken]
    for n in range(count):
        name = f"sub-{n:03d}"
        path = write(small_scan(n), folder / name / "anat" / f"{name}_T1w.nii.gz")
        if n % (count // broken) == 1 and n // (count // broken) < broken:
            BROKEN[said[n // (count // broken)]](path)
    return said
