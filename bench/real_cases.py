"""The real scans of the data folder of which something is known, as cases of `sanum evaluate`.

`patients` are for development: what is fitted to them is fitted to the others of them. `old` people are
measured only.
"""

from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np

from sanum.evaluation import Case, find_cases, worth_measuring
from sanum.scan import read
from sanum.space.grid import Grid
from sanum.space.resample import resample

HEALTHY = {  # data set: path, subject, contrast
    "normal": [("normal/normal-2_desc-brain_T1w.mgz", "normal-2", "T1w")],
    "heads-1mm": [
        ("heads-1mm/head-1_T1w.nii.gz", "head-1", "T1w"),
        ("heads-1mm/head-2_desc-defaced_T1w.nii.gz", "head-2", "T1w"),
        ("heads-1mm/head-3_T1w.nii.gz", "head-3", "T1w"),
        ("heads-1mm/head-4_desc-brain_T1w.nii.gz", "head-4", "T1w"),
    ],
    "dicom": [("dicom/pd-axial", "pd-axial", "PD")],
    "ct": [  # averages of many people
        ("ct/atlas_desc-brain_ct.nii.gz", "ct-atlas", "CT"),
        ("ct/template-older_desc-brain_ct.nii.gz", "ct-template-older", "CT"),
    ],
}


def real_cases(data: Path, work: Path) -> list[Case]:
    """Patients with a lesion mask or aligned contrasts, old people, healthy ones; those first that say most.

    Parameters
    ----------
    data : Path
        The data folder.
    work : Path
        Gets the masks that must be brought to another grid.
    """
    patients = worth_measuring(find_cases(data / "patients"))
    held_out = find_cases(data / "ixi", healthy=True, held_out=True)
    return [*patients, *_old(data, work), *_healthy(data), *held_out, *_ct_head(data)]


def _old(data: Path, work: Path) -> Iterator[Case]:
    """FLAIR with its lesions, and T1w with the same brought to its grid, for what is called beside them."""
    for anat in sorted(data.glob("old/sub-*/anat")):
        name = anat.parent.name
        mask = anat / f"{name}_space-FLAIR_desc-lesion_dseg.nii.gz"
        for contrast in ("FLAIR", "T1w"):
            scan = anat / f"{name}_{contrast}.nii.gz"
            lesion = (
                mask if contrast == "FLAIR" else _on(mask, scan, work / f"{name}_desc-lesion_mask.nii.gz")
            )
            stem = f"{name}_{contrast}"
            yield Case("old", stem, name, contrast, stem, scan, lesion=lesion)


def _on(mask: Path, scan: Path, out: Path) -> Path:
    """The mask on the grid of another scan of the same person, in one world."""
    there = read(scan)
    image = nib.load(mask)
    lesion = (np.asarray(image.dataobj) > 0).astype(np.float32)
    moved = resample(lesion, Grid(lesion.shape, image.affine), there.grid) > 0.5
    out.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(moved.astype(np.uint8), there.affine), out)
    return out


def _healthy(data: Path) -> Iterator[Case]:
    for group, scans in HEALTHY.items():
        for path, subject, contrast in scans:
            yield Case(group, subject, subject, contrast, subject, data / path, healthy=True)


def _ct_head(data: Path) -> Iterator[Case]:
    """A head CT that reads as an infarct; where it is nobody drew, so only how much is called is known."""
    yield Case("ct-head", "ct-head", "ct-head", "CT", "ct-head", data / "dicom" / "ct-head")
