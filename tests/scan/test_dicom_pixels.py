"""What the bits of a pixel mean: no overlays, signs where they are, padding that is dark."""

import io

import numpy as np
import pydicom
import pytest
from pydicom.uid import CTImageStorage, ExplicitVRBigEndian

from sanum.scan import read

from .slices import VOXELS, save, slices


def stored(voxels, **tags):
    return slices(voxels.view(np.int16), **tags)


def test_an_overlay_in_unused_bits_is_no_value(tmp_path):
    marked = VOXELS.astype(np.uint16)
    marked[1:3, 2] |= 0x1000
    marked[3] |= 0xE000
    tags = {"BitsStored": 12, "HighBit": 11, "PixelRepresentation": 0}
    np.testing.assert_array_equal(read(save(tmp_path / "series", stored(marked, **tags))).voxels, VOXELS)


def test_a_sign_of_twelve_bits(tmp_path):
    values = (VOXELS - 400).astype(np.int16)
    packed = values.view(np.uint16) & 0x0FFF
    tags = {"BitsStored": 12, "HighBit": 11, "PixelRepresentation": 1}
    np.testing.assert_array_equal(read(save(tmp_path / "series", stored(packed, **tags))).voxels, values)


def test_values_in_the_upper_bits(tmp_path):
    """As ACR-NEMA wrote them, with an overlay below."""
    packed = (VOXELS.astype(np.uint16) << 4) | 1
    tags = {"BitsStored": 12, "HighBit": 15, "PixelRepresentation": 0}
    np.testing.assert_array_equal(read(save(tmp_path / "series", stored(packed, **tags))).voxels, VOXELS)


def test_padding_whose_sign_was_lost_is_dark(tmp_path):
    """-2000 outside the field of view of a CT, stored as 63536."""
    stored_hu = (VOXELS // 9 + 1024).astype(np.uint16)
    stored_hu[0, :3] = 24
    expected = stored_hu.astype(np.float32) - 1024
    stored_hu[4] = 63536
    expected[4] = expected.min()
    tags = {"Modality": "CT", "SOPClassUID": CTImageStorage, "PixelRepresentation": 0, "RescaleSlope": 1}
    tags |= {"RescaleIntercept": -1024, "PixelPaddingValue": 63536}
    scan = read(save(tmp_path / "series", stored(stored_hu, **tags)))
    np.testing.assert_array_equal(scan.voxels, expected)
    assert scan.contrast == "CT"


@pytest.mark.parametrize("padding", [0, 899])
def test_padding_that_is_not_the_brightest_stays(tmp_path, padding):
    voxels = VOXELS.copy()
    voxels[0, 0, 0] = 900
    scan = read(save(tmp_path / "series", slices(voxels, PixelPaddingValue=padding)))
    np.testing.assert_array_equal(scan.voxels, voxels)


# --- files without preamble and mark


def without_preamble(path, *, implicit):
    one = pydicom.dcmread(path)
    buffer = pydicom.filebase.DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, implicit
    del one.file_meta
    pydicom.filewriter.write_dataset(buffer, one)
    path.write_bytes(buffer.getvalue())


@pytest.mark.parametrize("implicit", [True, False])
def test_files_of_old_archives(tmp_path, implicit):
    folder = save(tmp_path / "series", slices(VOXELS))
    for path in folder.iterdir():
        without_preamble(path, implicit=implicit)
    (folder / "notes.txt").write_text("no DICOM " * 50)
    (folder / "data.bin").write_bytes(b"\x08\x00\x05\x00" + b"\xff" * 300)
    scan = read(folder)
    np.testing.assert_array_equal(scan.voxels, VOXELS)
    assert scan.contrast == "FLAIR"
    assert read(next(folder.glob("image*"))).grid.same_as(scan.grid)


def test_big_endian_pixels(tmp_path):
    folder = save(tmp_path / "series", slices(VOXELS))
    for path in folder.iterdir():
        one = pydicom.dcmread(path)
        one.PixelData = one.pixel_array.astype(">i2").tobytes()
        one["PixelData"].VR = "OW"
        one.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        buffer = io.BytesIO()
        pydicom.dcmwrite(buffer, one, little_endian=False, implicit_vr=False, enforce_file_format=True)
        path.write_bytes(buffer.getvalue())
    np.testing.assert_array_equal(read(folder).voxels, VOXELS)
