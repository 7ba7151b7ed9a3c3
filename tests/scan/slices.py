"""DICOM series made slice by slice, and their true geometry."""

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from sanum.scan import ScanError, read

COLUMNS, ROWS, SLICES = 5, 6, 4
SPACING = np.array([1.0, 2.0, 3.0])  # along a row, along a column, from slice to slice
TURN = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
AXES = np.stack([TURN[:, 0], TURN[:, 1], np.cross(TURN[:, 0], TURN[:, 1])])
ORIGIN = np.array([-30.0, 40.0, 12.5])


VOXELS = np.random.default_rng(0).integers(0, 900, (COLUMNS, ROWS, SLICES)).astype(np.int16)


def dataset(pixels, position, series="1.2.3", axes=AXES, **tags):
    """One MR slice, rows × columns."""
    one = Dataset()
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    one.SOPClassUID = MRImageStorage
    one.SOPInstanceUID = generate_uid()
    one.SeriesInstanceUID = series
    one.PatientID = "nobody"
    one.Modality = "MR"
    one.SeriesDescription = "AX T2 FLAIR"
    one.Rows, one.Columns = pixels.shape[:2]
    one.SamplesPerPixel = 1
    one.PhotometricInterpretation = "MONOCHROME2"
    one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 16, 15, 1
    one.PixelSpacing = [float(SPACING[1]), float(SPACING[0])]
    one.ImagePositionPatient = [float(f"{x:.6f}") for x in position]
    one.ImageOrientationPatient = [float(f"{x:.8f}") for x in axes[:2].ravel()]
    one.PixelData = pixels.tobytes()
    for tag, value in tags.items():
        if value is None:
            delattr(one, tag)
        else:
            setattr(one, tag, value)
    one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID
    one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
    return one


def slices(voxels, step=None, **tags):
    """Datasets of a series; `step` is the way from slice to slice, LPS mm."""
    step = AXES[2] * SPACING[2] if step is None else step
    return [
        dataset(np.ascontiguousarray(voxels[:, :, k].T), ORIGIN + k * step, **tags)
        for k in range(voxels.shape[2])
    ]


def save(folder, datasets, prefix="image"):
    """Write in shuffled order and without extensions, so that no name gives the order."""
    folder.mkdir(parents=True, exist_ok=True)
    order = np.random.default_rng(3).permutation(len(datasets))
    for name, k in enumerate(order):
        datasets[k].save_as(folder / f"{prefix}{name}", enforce_file_format=True)
    return folder


def truth(step=None):
    """RAS affine, written down from the standard's equation (PS3.3 C.7.6.2.1-1)."""
    affine = np.eye(4)
    affine[:3, 0] = AXES[0] * SPACING[0]
    affine[:3, 1] = AXES[1] * SPACING[1]
    affine[:3, 2] = AXES[2] * SPACING[2] if step is None else step
    affine[:3, 3] = ORIGIN
    return np.diag([-1.0, -1, 1, 1]) @ affine


def refusal(folder, **options):
    with pytest.raises(ScanError) as caught:
        read(folder, **options)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)
