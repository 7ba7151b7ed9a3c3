import gzip

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, RLELossless, generate_uid

from sanum.scan.declared_size import DeclaredSize, declared_size


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.mgz"])
def test_a_file_of_nibabel(tmp_path, name):
    kind = nib.MGHImage if name == "a.mgz" else nib.Nifti1Image
    nib.save(kind(np.zeros((5, 6, 7), np.int16), np.diag([1, 2, 0.5, 1])), tmp_path / name)
    assert declared_size(tmp_path / name) == DeclaredSize(210, 2, 1.0)


def test_scaled_integers_become_floats_and_one_volume_counts(tmp_path):
    image = nib.Nifti1Image(np.zeros((5, 6, 7, 3), np.int16), np.eye(4))
    image.header.set_slope_inter(0.5, 1)
    nib.save(image, tmp_path / "a.nii")
    assert declared_size(tmp_path / "a.nii") == DeclaredSize(210, 4, 1.0)
    nib.save(nib.Nifti1Image(np.zeros((5, 6, 7), np.float64), np.eye(4)), tmp_path / "b.nii")
    assert declared_size(tmp_path / "b.nii").voxel_bytes == 4


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha", "a.mhd"])
def test_a_file_of_itk(tmp_path, name):
    image = sitk.GetImageFromArray(np.zeros((7, 6, 5), np.int16))
    image.SetSpacing((1.0, 2.0, 0.25))
    sitk.WriteImage(image, str(tmp_path / name))
    size = declared_size(tmp_path / name)
    assert (size.voxels, size.voxel_mm3) == (210, pytest.approx(0.5))


def test_a_bomb_claims_without_taking_memory(tmp_path):
    header = nib.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape((32767, 32767, 32767))
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(header.binaryblock + bytes(4)))
    assert declared_size(tmp_path / "a.nii.gz").voxels == 32767**3


def test_of_a_folder_the_files_count_and_of_what_is_broken_nothing(tmp_path):
    (tmp_path / "series").mkdir()
    for n in range(3):
        (tmp_path / "series" / f"{n}").write_bytes(bytes(1000))
    assert declared_size(tmp_path / "series").voxels == 1500
    (tmp_path / "b.nii.gz").write_bytes(b"what")
    (tmp_path / "c.nrrd").write_bytes(b"NRRD0004\nsizes: a b c\n\n")
    assert declared_size(tmp_path / "b.nii.gz") == declared_size(tmp_path / "c.nrrd") == DeclaredSize()
    assert declared_size(tmp_path / "not-there.nii") == DeclaredSize()


def test_what_reading_refuses_claims_nothing_here(tmp_path):
    for name in ("a.mgz", "a.mgh", "a.nii.gz", "a.mha"):
        (tmp_path / name).write_bytes(
            gzip.compress(b"hello " * 200) if name.endswith("z") else b"hello " * 200
        )
        assert declared_size(tmp_path / name) == DeclaredSize()


def test_compressed_dicom_counts_by_its_rows_and_columns(tmp_path):
    """A flat slice of 64 × 48 is a few hundred bytes in RLE; its file says nothing of its size in memory."""
    for n in range(3):
        one = Dataset()
        one.file_meta = FileMetaDataset()
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID = MRImageStorage
        one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID = generate_uid()
        one.Rows, one.Columns, one.SamplesPerPixel = 64, 48, 1
        one.PhotometricInterpretation = "MONOCHROME2"
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 16, 15, 0
        one.PixelData = bytes(64 * 48 * 2)
        one.save_as(tmp_path / f"{n}.dcm", enforce_file_format=True)
    stored = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert declared_size(tmp_path).voxels == stored // 2
    for path in list(tmp_path.iterdir()):
        one = dcmread(path)
        one.compress(RLELossless)
        one.save_as(path)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < stored / 3
    assert declared_size(tmp_path).voxels == 3 * 64 * 48
