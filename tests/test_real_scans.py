"""File to result on real scans of every kind, with the shipped network. Skipped where the data is not."""

from functools import cache

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

import sanum
from sanum.healthy.grids import foreground_mask
from sanum.methods import registry

THICK = "between them the results are interpolated"
SCANS = {  # what is special → path and what the warnings say
    "T2w, skull on, a large stroke": ("patients/sub-stroke2/anat/sub-stroke2_T2w.nii.gz", ()),
    "FLAIR of 5.5 mm slices, a glioma": ("patients/sub-glioma1/anat/sub-glioma1_FLAIR.nii.gz", (THICK,)),
    "FLAIR as scanned, MS": ("patients/sub-ms2/ses-1/anat/sub-ms2_ses-1_FLAIR.nii.gz", (THICK,)),
    "T1w, stripped, a stroke": ("patients/sub-stroke1/anat/sub-stroke1_desc-brain_T1w.nii.gz", ()),
    "healthy, stripped, MGZ": ("normal/normal-2_desc-brain_T1w.mgz", ()),
    "CT in Hounsfield units": ("ct/template-older_desc-brain_ct.nii.gz", ()),
    "CT that is not": ("ct/head_desc-8bit_ct.nii.gz", ("are not Hounsfield units",)),
    "DICOM, PDw, 19 slices": ("dicom/pd-axial", (THICK,)),
    "DICOM, head CT of two slice distances": (
        "dicom/ct-head",
        ("are not evenly spaced (4 mm 13 times, 7 mm 13 times", "the gantry was tilted", THICK),
    ),
    "held-out subject, 2 mm": ("ixi/sub-608/anat/sub-608_T1w.nii.gz", ()),
}


@pytest.fixture(scope="module")
def predictor():
    return registry.load()


@pytest.fixture(scope="module")
def reconstruct(shared_data, predictor):
    """The result of a kind of scan, computed once."""
    return cache(lambda kind: sanum.reconstruct(shared_data / SCANS[kind][0], predictor=predictor))


@pytest.mark.full
@pytest.mark.parametrize("kind", SCANS)
def test_a_real_scan(shared_data, reconstruct, kind):
    place, told = SCANS[kind]
    path = shared_data / place
    result = reconstruct(kind)

    grid = sanum.read(path)
    for image in result.images.values():
        assert image.voxels.shape == grid.voxels.shape
        np.testing.assert_array_equal(image.affine, grid.affine)
    if path.is_file():
        on_disk = nib.load(path)
        np.testing.assert_allclose(result.anatomy.affine, on_disk.affine, atol=1e-5)

    brain, anatomy = np.asarray(result.brain.voxels) > 0, np.asarray(result.anatomy.voxels)
    # the CT template, drawn with its dura, fills 1,916 mL itself
    assert 950 < brain.sum() * grid.grid.voxel_volume_ml < 2000
    assert not brain[~foreground_mask(grid)].any()
    assert ndimage.label(brain)[1] == 1
    assert 0.85 < np.percentile(anatomy[brain], 85) < 1.15  # white matter near 1
    assert np.percentile(anatomy[brain], 3) < 0.6  # ventricles and sulci
    assert np.asarray(result.anomaly_mask.voxels).sum() < 0.3 * brain.sum()
    for words in told:
        assert any(words in w for w in result.warnings)
    assert len(result.warnings) == len(told)


@pytest.mark.full
def test_it_finds_a_real_stroke_and_leaves_the_healthy_alone(reconstruct):
    sick, well = reconstruct("T1w, stripped, a stroke"), reconstruct("held-out subject, 2 mm")
    there, not_there = (
        float(r.anomaly_mask.voxels.sum()) * r.scan.grid.voxel_volume_ml for r in (sick, well)
    )
    assert there > 10
    assert not_there < 1
    seen = np.argwhere(np.asarray(sick.anomaly_mask.voxels)).mean(0)
    assert (sick.scan.affine @ [*seen, 1])[0] < 0  # the left hemisphere, says its source


NO_HEADS = (
    *(f"torso/image_{n}.nii.gz" for n in (1, 20)),
    *(f"spine/{name}.nii.gz" for name in ("10_DzZ_T1", "12_F02_T2", "example_ct")),
    "spine/aorta_report__ct_cropped.nii.gz",
    "spine/spine_report__totalseg.nii.gz",
    "torso/label_1.nii.gz",
    "labels/label-01_dseg.nii.gz",
)


@pytest.mark.full
@pytest.mark.parametrize("place", NO_HEADS)
def test_what_shows_no_head_is_refused(shared_data, predictor, place):
    with pytest.raises(sanum.ScanError, match=r"no head found|no brain found|looks like a mask"):
        sanum.reconstruct(shared_data / place, predictor=predictor)


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("spacing_mm", [5, 10])
def test_hearts_are_refused(shared_data, predictor, spacing_mm):
    """Short-axis slices; their distance was not stored, and is between these two."""
    for path in sorted((shared_data / "heart" / "acdc").glob("*.npz"))[::25]:
        voxels = np.load(path)["ed"].transpose(2, 1, 0).astype(np.float32)
        with pytest.raises(sanum.ScanError, match=r"no head found|no brain found"):
            sanum.reconstruct(sanum.Scan(voxels, np.diag([1.5, 1.5, spacing_mm, 1])), predictor=predictor)


@pytest.fixture(scope="module")
def upright(icbm152_2mm, predictor):
    return sanum.reconstruct(icbm152_2mm, predictor=predictor, fast=True)


@pytest.mark.full
def test_a_head_on_its_side_gives_what_it_gives_upright(icbm152_2mm, predictor, upright):
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("yz", (90, -90), degrees=True).as_matrix()
    turn[:3, 3] = (30, 5, -12)
    lying = sanum.Scan(icbm152_2mm.voxels, turn @ icbm152_2mm.affine, "T1w")
    found = sanum.reconstruct(lying, predictor=predictor, fast=True)
    a, b = (np.asarray(r.brain.voxels) > 0 for r in (upright, found))
    assert 2 * (a & b).sum() / (a.sum() + b.sum()) > 0.995
    assert np.abs(upright.anatomy.voxels - found.anatomy.voxels)[a & b].mean() < 0.01
    assert found.warnings[0].startswith("the head does not lie as the header says: its top points")
