"""Enhanced files, whose frames are the slices."""

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import EnhancedMRImageStorage, JPEG2000Lossless, RLELossless

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


def test_other_refusals(saved_as):
    one = enhanced()
    one.file_meta.TransferSyntaxUID = JPEG2000Lossless
    one.PixelData = encapsulate([b"\xff\x4f\xff\x51" * 4] * SLICES)
    one["PixelData"].is_undefined_length = True
    assert "is a multi-frame file compressed as JPEG 2000" in refusal(saved_as(one))
    assert "claims 9999999 frames" in refusal(saved_as(enhanced(NumberOfFrames=9999999)))
    short = enhanced()
    short.PixelData = short.PixelData[:-10]
    assert "damaged or missing pixels" in refusal(saved_as(short))
