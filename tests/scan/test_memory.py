"""Reading holds the voxels in memory once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from sanum.scan import read

SHAPE = (256, 256, 128)

GROWTH = """
import json, sys
from pathlib import Path
from sanum.scan import read

def memory(line):
    return next(int(row.split()[1]) << 10 for row in Path("/proc/self/status").open() if line in row)

first, *paths = sys.argv[1:]
read(first)  # loads the code of every reader
read(first.replace(".nii.gz", ".mha"))
grown = []
for path in paths:
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    scan = read(path, volume=1 if "series" in path else None)
    grown.append((memory("VmHWM") - before) / scan.voxels.nbytes)
    del scan
print(json.dumps(grown))
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Files of 17 to 34 MB of voxels, most of them packed, by name; "small" for itself."""
    folder = tmp_path_factory.mktemp("large")
    ramp = np.arange(SHAPE[2]) * 4
    voxels = np.add.outer(np.add.outer(np.arange(256) % 97, np.arange(256) % 89), ramp).astype(np.int16)
    voxels[:40] = -1000
    single = voxels.astype(np.float32) / 7
    holes = single.copy()
    holes[:3] = np.nan
    swapped, scaled = nib.Nifti1Header(endianness=">"), nib.Nifti1Header()
    for header in (swapped, scaled):
        header.set_data_dtype(np.int16)
    scaled.set_slope_inter(0.25, -3)
    images = {
        "int16.nii": nib.Nifti1Image(voxels, np.eye(4)),
        "int16.nii.gz": nib.Nifti1Image(voxels, np.eye(4)),
        "sub-1_CT.nii.gz": nib.Nifti1Image(voxels, np.eye(4)),
        "single.nii.gz": nib.Nifti1Image(single, np.eye(4)),
        "double.nii.gz": nib.Nifti1Image(voxels / 7, np.eye(4)),
        "holes.nii.gz": nib.Nifti1Image(holes, np.eye(4)),
        "swapped.nii.gz": nib.Nifti1Image(voxels, np.eye(4), swapped),
        "scaled.nii.gz": nib.Nifti1Image(single, np.eye(4), scaled),
        "series.nii.gz": nib.Nifti1Image(np.stack([voxels] * 3, -1), np.eye(4)),
        "int16.mgz": nib.MGHImage(voxels, np.eye(4)),
    }
    for name, image in images.items():
        nib.save(image, folder / name)
    nib.save(nib.Nifti1Image(voxels[30:50, :20, :20], np.eye(4)), folder / "small.nii.gz")
    sitk.WriteImage(sitk.GetImageFromArray(voxels[30:50, :20, :20].T), str(folder / "small.mha"))
    for ending in (".nrrd", ".mha"):
        for packed in (False, True):
            name = f"{'packed' if packed else 'plain'}{ending}"
            sitk.WriteImage(sitk.GetImageFromArray(voxels.T), str(folder / name), packed)
    return folder


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
def test_reading_takes_the_voxels_once(files):
    """At its peak, where it was twice. Voxels that are not finite add a mask of one byte for each."""
    paths = sorted(p for p in files.iterdir() if p.stem.split(".")[0] != "small")
    words = [sys.executable, "-W", "ignore", "-c", GROWTH, files / "small.nii.gz", *paths]
    at_once_back = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "100000"}  # to the system, what is freed
    ran = subprocess.run(list(map(str, words)), capture_output=True, text=True, env=at_once_back)
    assert ran.returncode == 0, ran.stderr
    grown = {path.name: growth for path, growth in zip(paths, json.loads(ran.stdout), strict=True)}
    assert len(grown) == 14
    assert {name: growth for name, growth in grown.items() if growth > 1.3} == {}
    assert min(grown.values()) > 0.9  # or nothing was measured


def test_itk_s_memory_lasts_as_long_as_its_voxels(files):
    """A reader's image is gone; what others wrote to memory since has not changed the voxels."""
    voxels = read(files / "plain.mha").voxels[::2]
    others = [np.full(SHAPE, 7, np.int16) for _ in range(3)]
    truth = nib.load(files / "int16.nii").get_fdata()[::2]
    np.testing.assert_array_equal(voxels, truth)
    del others
