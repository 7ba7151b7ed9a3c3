"""Enhanced files, whose frames are the slices."""

import io

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    MPEG4HP41,
    EnhancedMRImageStorage,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from sanum.scan import read

from .slices import AXES, ORIGIN, SLICES, SPACING, VOXELS, dataset, refusal, truth


def item(**tags):
    one = Dataset()
    for tag, value in tags.items():
        setattr(one, tag, value)
    return one


def enhanced(order=range(SLICES), slopes=None, **tags):
    """One file with a frame for each slice."""
    pixels = np.ascontiguousarray(VOXELS.T[list(order)])
    one = dataset(pixels[0], ORIGIN, SOPClassUID=EnhancedMRImageStorage, SeriesDescription="HEAD")
    for tag in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(one, tag)
    one.NumberOfFrames, one.PixelData = len(pixels), pixels.tobytes()
    spacing = item(PixelSpacing=[float(SPACING[1]), float(SPACING[0])])
    shared = item(PixelMeasuresSequence=[spacing])
    shared.PlaneOrientationSequence = [
        item(ImageOrientationPatient=[round(float(x), 8) for x in AXES[:2].ravel()])
    ]
    shared.MRTimingAndRelatedParametersSequence = [item(RepetitionTime=9000.0)]
    shared.MRModifierSequence = [item(InversionTimes=[2500.0])]
    one.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for k in order:
        position = [round(float(x), 6) for x in ORIGIN + k * SPACING[2] * AXES[2]]
        frame = item(PlanePositionSequence=[item(ImagePositionPatient=position)])
        frame.MREchoSequence = [item(EffectiveEchoTime=120.0)]
        if slopes:
            scale = item(RescaleSlope=str(slopes[k]), RescaleIntercept="-5")
            frame.PixelValueTransformationSequence = [scale]
        frames.append(frame)
    one.PerFrameFunctionalGroupsSequence = frames
    for tag, value in tags.items():
        setattr(one, tag, value)
    return one


@pytest.fixture
def saved_as(tmp_path):
    def save_it(one):
        one.save_as(tmp_path / "volume.dcm", enforce_file_format=True)
        return tmp_path / "volume.dcm"

    return save_it


@pytest.mark.parametrize("order", [range(SLICES), (2, 0, 3, 1)])
def test_frames_are_slices_in_any_order(saved_as, order):
    path = saved_as(enhanced(order))
    for source in (path, path.parent):
        scan = read(source)
        np.testing.assert_array_equal(scan.voxels, VOXELS)
        np.testing.assert_allclose(scan.affine, truth(), atol=1e-5)
        assert scan.contrast == "FLAIR"
        assert "TE 120 ms, TR 9000 ms, TI 2500 ms" in scan.warnings[0]


def test_each_frame_has_its_own_rescaling(saved_as):
    scan = read(saved_as(enhanced(slopes=[1, 2, 3, 4])))
    np.testing.assert_allclose(scan.voxels, VOXELS * np.arange(1, 5) - 5.0)


def test_run_length_compression(saved_as):
    one = enhanced()
    one.compress(RLELossless)
    np.testing.assert_array_equal(read(saved_as(one)).voxels, VOXELS)


def test_a_film_has_no_places(saved_as):
    one = enhanced()
    del one.PerFrameFunctionalGroupsSequence
    assert "does not say where each frame lies" in refusal(saved_as(one))


def test_time_points_are_refused(saved_as):
    one = enhanced()
    one.PerFrameFunctionalGroupsSequence[1] = one.PerFrameFunctionalGroupsSequence[0]
    assert "1 slices that lie where another one does" in refusal(saved_as(one))


def packed(one, how="JPEG2000", fault=None):
    """Its frames as Pillow packs them."""
    streams = []
    for pixels in one.pixel_array:
        more = {"irreversible": False, "no_jp2": True} if how == "JPEG2000" else {"quality": 95}
        buffer = io.BytesIO()
        Image.fromarray(pixels.astype(np.uint16 if how == "JPEG2000" else np.uint8)).save(buffer, how, **more)
        streams.append(buffer.getvalue())
    if fault:
        streams = fault(streams)
    one.file_meta.TransferSyntaxUID = JPEG2000Lossless if how == "JPEG2000" else JPEGBaseline8Bit
    one.PixelRepresentation, one.PixelData = 0, encapsulate(streams)
    one["PixelData"].VR, one["PixelData"].is_undefined_length = "OB", True
    return one


def test_frames_of_the_jpeg_family(saved_as):
    """Each frame is decoded by itself, in the other process, and has its own rescaling."""
    scan = read(saved_as(packed(enhanced(slopes=[1, 2, 3, 4]))))
    np.testing.assert_allclose(scan.voxels, VOXELS * np.arange(1, 5) - 5.0)
    small = enhanced(BitsAllocated=8, BitsStored=8, HighBit=7)
    small.PixelData = np.uint8(VOXELS.T % 200).tobytes()
    np.testing.assert_allclose(read(saved_as(packed(small, "JPEG"))).voxels, VOXELS % 200, atol=60)


def test_frames_that_are_damaged(saved_as):
    def cut(streams):
        return [*streams[:2], b"\xff\x4f\xff\x51" * 4, *streams[3:]]

    assert "frame 3 of volume.dcm is compressed as JPEG 2000" in refusal(
        saved_as(packed(enhanced(), fault=cut))
    )
    buffer = io.BytesIO()
    Image.new("L", (4, 3)).save(buffer, "JPEG2000", no_jp2=True)
    small = packed(enhanced(), fault=lambda streams: [*streams[:3], buffer.getvalue()])
    assert "frame 4 of volume.dcm has pixels (3, 4) where its header says (6, 5)" in refusal(saved_as(small))
    few = saved_as(packed(enhanced(), fault=lambda streams: streams[:-1]))
    assert "damaged or missing pixels: copy it again" in refusal(few)


@pytest.mark.parametrize(
    ("syntax", "told"),
    [
        (JPEGLSLossless, "unpack it with gdcmconv --raw of the package libgdcm-tools"),
        (HTJ2KLossless, "install pylibjpeg-openjpeg, which reads it"),
        (MPEG4HP41, "export the series as images, not as a video"),
    ],
)
def test_what_has_no_decoder_says_what_has(saved_as, syntax, told):
    one = packed(enhanced(), fault=lambda streams: [b"\0\0" * 40] * len(streams))
    one.file_meta.TransferSyntaxUID = syntax
    assert told in refusal(saved_as(one))


def test_other_refusals(saved_as):
    assert "claims 9999999 frames" in refusal(saved_as(enhanced(NumberOfFrames=9999999)))
    short = enhanced()
    short.PixelData = short.PixelData[:-10]
    assert "damaged or missing pixels" in refusal(saved_as(short))
    del short.PixelData
    assert "has no pixel data: copy the series again, or export it" in refusal(saved_as(short))
