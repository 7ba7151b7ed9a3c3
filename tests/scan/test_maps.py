import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import from_matvec
from nibabel.eulerangles import euler2mat
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from sanum.scan import Scan, ScanError, write
from sanum.scan.maps import in_order_of, read_map, read_map_on
from sanum.space.grid import Grid


def test_an_empty_mask_is_read_as_it_was_written(tmp_path):
    mask = Scan(np.zeros((4, 5, 6), np.uint8), np.diag([2.0, 2, 2, 1]))
    found = read_map(write(mask, tmp_path / "mask.nii.gz"))
    assert found.voxels.dtype == np.uint8
    assert found.grid.same_as(mask.grid)
    assert read_map(tmp_path / "mask.nii.gz", dtype=np.float32).voxels.dtype == np.float32


@pytest.mark.parametrize("content", [b"", b"text"])
def test_what_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "mask.nii.gz"
    path.write_bytes(content)
    with pytest.raises(ScanError, match=r"mask\.nii\.gz cannot be read"):
        read_map(path)


def test_a_damaged_file(tmp_path):
    path = write(Scan(np.ones((9, 9, 9), np.float32), np.eye(4)), tmp_path / "map.nii.gz")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ScanError, match=r"map\.nii\.gz cannot be read"):
        read_map(path)


def test_what_is_not_there(tmp_path):
    with pytest.raises(ScanError, match=r"mask\.nii\.gz does not exist"):
        read_map(tmp_path / "mask.nii.gz")
    (tmp_path / "mask.nii.gz").symlink_to("../.git/annex/objects/x9/25/MD5E-s9--c8.nii.gz")
    with pytest.raises(ScanError, match=r"mask\.nii\.gz is in git-annex, and its content was not fetched"):
        read_map(tmp_path / "mask.nii.gz")


@pytest.mark.parametrize(
    "orientation", [f"{a}{b}{c}" for a in "RL" for b in "AP" for c in "SI"] + ["PIR", "SLA"]
)
def test_a_mask_in_another_order_of_voxels_is_laid_over_its_scan(tmp_path, orientation):
    values = np.random.default_rng(0).integers(0, 2, (5, 6, 7)).astype(np.uint8)
    affine = np.diag([1.0, 2, 3, 1])
    affine[:3, 3] = -40, 30, 7
    image = nib.Nifti1Image(values, affine)
    turn = ornt_transform(io_orientation(affine), axcodes2ornt(orientation))
    nib.save(image.as_reoriented(turn), tmp_path / "mask.nii.gz")
    found = read_map_on(tmp_path / "mask.nii.gz", Grid((5, 6, 7), affine), scan="scan.nii.gz")
    np.testing.assert_array_equal(found.voxels, values)
    np.testing.assert_array_equal(found.affine, affine)


@pytest.mark.parametrize(
    ("shape", "change", "difference"),
    [
        ((5, 6, 8), np.eye(4), "it has 5 × 6 × 8 voxels in place of 5 × 6 × 7"),
        ((5, 6, 7), np.diag([1, 1, 1.5, 1]), "its voxels are 1 × 2 × 4.5 mm in place of 1 × 2 × 3"),
        ((5, 6, 7), from_matvec(np.eye(3), [0, 3, 4]), "its first voxel lies 5 mm away"),
        ((5, 6, 7), from_matvec(euler2mat(np.deg2rad(10))), "its axes are turned by 10°"),
    ],
)
def test_a_mask_elsewhere_is_refused_with_what_differs(shape, change, difference):
    affine = np.diag([1.0, 2, 3, 1])
    mask = Scan(np.zeros(shape, np.uint8), change @ affine)
    with pytest.raises(ScanError) as caught:
        in_order_of(mask, Grid((5, 6, 7), affine), name="mask.nii.gz", scan="scan.nii.gz")
    assert str(caught.value) == (
        f"mask.nii.gz is not on the grid of scan.nii.gz: {difference}; resample it to the scan"
    )


def test_trailing_axes_of_length_1_are_dropped(tmp_path):
    nib.save(nib.Nifti1Image(np.ones((5, 6, 7, 1), np.uint8), np.eye(4)), tmp_path / "mask.nii")
    assert read_map(tmp_path / "mask.nii").grid.shape == (5, 6, 7)
