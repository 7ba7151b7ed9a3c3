"""T1w of 1 mm that nobody has parcellated, with labels by intensity, as BIDS: what `una-fine` learns from.

The brain is what `sanum reconstruct` finds. head-2 and head-4 are not made: they are what is measured on.
"""

import argparse
from pathlib import Path

import nibabel as nib
import numpy as np

import sanum
from sanum.space.grid import Grid
from sanum.synth.labels import read_canonical
from sanum.synth.tissue import tissue_labels

HEADS = {"sub-head1": "heads-1mm/head-1_T1w.nii.gz", "sub-head3": "heads-1mm/head-3_T1w.nii.gz"}
LABELLED = {"sub-normal2": ("normal/normal-2_desc-brain_T1w.mgz", "normal/normal-2_dseg.mgz")}


def write(folder: Path, subject: str, t1w: np.ndarray, labels: np.ndarray, affine: np.ndarray) -> None:
    anat, derived = folder / subject / "anat", folder / "derivatives/tissue" / subject / "anat"
    for where in (anat, derived):
        where.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(t1w.astype(np.float32), affine), anat / f"{subject}_T1w.nii.gz")
    nib.save(nib.Nifti1Image(labels.astype(np.int16), affine), derived / f"{subject}_dseg.nii.gz")
    print(
        subject,
        t1w.shape,
        {int(v): int(n) for v, n in zip(*np.unique(labels, return_counts=True), strict=True)},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/heads-1mm"))
    options = parser.parse_args()
    for subject, name in HEADS.items():
        path = options.data / name
        voxels, affine = read_canonical(path)
        brain = nib.as_closest_canonical(
            nib.Nifti1Image(np.asarray((r := sanum.reconstruct(path)).brain.voxels), r.brain.affine)
        )
        mask = np.asarray(brain.dataobj) > 0
        t1w = voxels.astype(np.float32)
        write(options.output, subject, t1w, tissue_labels(t1w, mask, Grid(t1w.shape, affine)), affine)
    for subject, (t1w_path, labels_path) in LABELLED.items():
        (t1w, affine), (labels, _) = (read_canonical(options.data / p) for p in (t1w_path, labels_path))
        write(options.output, subject, t1w, labels, affine)


if __name__ == "__main__":
    main()
