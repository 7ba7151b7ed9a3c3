import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import CTImageStorage, HTJ2KLossless, RLELossless

from sanum.scan import read

from .slices import AXES, ORIGIN, ROWS, SLICES, SPACING, VOXELS, dataset, refusal, save, slices, truth


@pytest.fixture
def voxels():
    return VOXELS.copy()


# --- what comes in comes in right


def test_oblique_series(tmp_path, voxels):
    scan = read(save(tmp_path / "series", slices(voxels)))
    np.testing.assert_array_equal(scan.voxels, voxels)
    np.testing.assert_allclose(scan.affine, truth(), atol=1e-5)
    assert scan.voxels.dtype == np.int16
    assert scan.contrast == "FLAIR"
    assert scan.warnings == ()


def test_agrees_with_simpleitk(tmp_path, voxels):
    folder = save(tmp_path / "series", slices(voxels))
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    sitk.WriteImage(sitk.ReadImage(names), str(tmp_path / "truth.nii.gz"))
    other, scan = read(tmp_path / "truth.nii.gz"), read(folder)
    assert scan.grid.same_as(other.grid)
    np.testing.assert_array_equal(scan.voxels, other.voxels)


def test_slices_against_their_order_of_acquisition(tmp_path, voxels):
    """A series whose numbering runs against the normal is the same volume."""
    datasets = slices(voxels)
    for number, one in enumerate(reversed(datasets)):
        one.InstanceNumber = number + 1
    np.testing.assert_array_equal(read(save(tmp_path / "series", datasets)).voxels, voxels)


def test_other_files_are_left_aside(tmp_path, voxels):
    folder = save(tmp_path / "series", slices(voxels))
    (folder / "readme.txt").write_text("hello")
    (folder / "DICOMDIR").write_bytes(b"not really")
    (folder / "empty.dcm").touch()
    report = dataset(voxels[:, :, 0].T, ORIGIN, series="9.9", Rows=None, Columns=None, PixelData=None)
    report.save_as(folder / "report.dcm", enforce_file_format=True)
    np.testing.assert_array_equal(read(folder).voxels, voxels)


def test_rescale_is_applied(tmp_path, voxels):
    scan = read(save(tmp_path / "series", slices(voxels, RescaleSlope=2.5, RescaleIntercept=-1024)))
    assert scan.voxels.dtype == np.float32
    np.testing.assert_allclose(scan.voxels, voxels * 2.5 - 1024)


def test_each_slice_has_its_own_rescale(tmp_path, voxels):
    datasets = slices(voxels)
    for k, one in enumerate(datasets[1:], 1):
        one.RescaleSlope, one.RescaleIntercept = 1 + k, 0
    scan = read(save(tmp_path / "series", datasets))
    np.testing.assert_allclose(scan.voxels, voxels * np.arange(1, SLICES + 1))


def test_ct_is_known_by_its_modality(tmp_path, voxels):
    tags = {"Modality": "CT", "SOPClassUID": CTImageStorage, "SeriesDescription": None}
    hounsfield = (voxels // 9).astype(np.int16)
    hounsfield[0] = -1000
    hounsfield[0, 0] = -3024
    scan = read(save(tmp_path / "a", slices(hounsfield, **tags)))
    assert (scan.contrast, scan.warnings) == ("CT", ())
    other = read(save(tmp_path / "b", slices(voxels, **tags)))
    assert other.contrast is None
    assert "not Hounsfield units" in other.warnings[0]


def test_contrast_may_come_from_the_folder_or_stay_unknown(tmp_path, voxels):
    assert read(save(tmp_path / "sub-1_T1w", slices(voxels, SeriesDescription=None))).contrast == "T1w"
    assert read(save(tmp_path / "series", slices(voxels, SeriesDescription="HEAD"))).contrast is None


def test_gantry_tilt_is_a_shear(tmp_path, voxels):
    tilt = np.radians(15)
    step = SPACING[2] * (np.cos(tilt) * AXES[2] + np.sin(tilt) * AXES[1])
    scan = read(save(tmp_path / "series", slices(voxels, step=step)))
    np.testing.assert_allclose(scan.affine, truth(step), atol=1e-5)
    np.testing.assert_array_equal(scan.voxels, voxels)
    assert scan.warnings == ("the gantry was tilted by 15.0°: the scan's grid is sheared",)


def test_absurd_tilt_is_refused(tmp_path, voxels):
    step = SPACING[2] * (AXES[2] + 2 * AXES[1])
    assert "tilted by 63°" in refusal(save(tmp_path / "series", slices(voxels, step=step)))


def test_positions_rounded_to_a_tenth_of_a_millimetre_are_even(tmp_path, voxels):
    datasets = slices(voxels)
    for one in datasets:
        one.ImagePositionPatient = [round(float(x), 1) for x in one.ImagePositionPatient]
    scan = read(save(tmp_path / "series", datasets))
    np.testing.assert_allclose(scan.affine, truth(), atol=0.06)


# --- compression


def test_run_length_compression(tmp_path, voxels):
    datasets = slices(voxels)
    for one in datasets:
        one.compress(RLELossless)
    np.testing.assert_array_equal(read(save(tmp_path / "series", datasets)).voxels, voxels)


@pytest.mark.parametrize("compressor", ["JPEG", "JPEG2000"])
def test_lossless_jpeg(tmp_path, voxels, compressor):
    """JPEG lossless, which pydicom leaves to plugins, is decoded by GDCM."""
    voxels = np.tile(voxels, (8, 8, 1))  # the encoder needs more than a few pixels
    datasets = slices(voxels, RescaleSlope=2, RescaleIntercept=-100)
    for one in datasets:
        writer = sitk.ImageFileWriter()
        writer.SetImageIO("GDCMImageIO")
        writer.SetFileName(str(tmp_path / "packed.dcm"))
        writer.SetUseCompression(True)
        writer.SetCompressor(compressor)
        writer.Execute(sitk.GetImageFromArray(one.pixel_array[None]))
        packed = pydicom.dcmread(tmp_path / "packed.dcm")
        one.PixelData, one["PixelData"].is_undefined_length = packed.PixelData, True
        one.file_meta.TransferSyntaxUID = packed.file_meta.TransferSyntaxUID
    assert {one.file_meta.TransferSyntaxUID.is_compressed for one in datasets} == {True}
    scan = read(save(tmp_path / "series", datasets))
    np.testing.assert_allclose(scan.voxels, voxels * 2.0 - 100)


def test_compression_that_nobody_reads_is_named(tmp_path, voxels):
    datasets = slices(voxels)
    for one in datasets:
        one.compress(RLELossless)
        one.file_meta.TransferSyntaxUID = HTJ2KLossless
    message = refusal(save(tmp_path / "series", datasets))
    assert "is compressed as High-Throughput JPEG 2000" in message
    assert "export the series uncompressed" in message


# --- what is refused


def test_no_dicom(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    assert "holds no DICOM images" in refusal(tmp_path)


def test_a_volume_of_a_series(tmp_path, voxels):
    folder = save(tmp_path / "series", slices(voxels))
    np.testing.assert_array_equal(read(folder, volume=0).voxels, voxels)
    assert "has one volume" in refusal(folder, volume=1)


def test_a_single_slice(tmp_path, voxels):
    assert "a single slice" in refusal(save(tmp_path / "series", slices(voxels[:, :, :1])))


def test_a_slice_whose_content_was_not_fetched(tmp_path, voxels):
    folder = save(tmp_path / "series", slices(voxels))
    last = sorted(folder.iterdir())[-1]
    last.unlink()
    last.symlink_to("../.git/annex/objects/x9/25/MD5E-s15--c8d2.dcm/MD5E-s15--c8d2.dcm")
    assert "is in git-annex, and its content was not fetched" in refusal(folder)


def test_duplicates(tmp_path, voxels):
    datasets = slices(voxels)
    assert "1 slices that lie where another one does" in refusal(
        save(tmp_path / "series", [*datasets, datasets[1]])
    )


def test_a_stack_that_bends(tmp_path, voxels):
    datasets = slices(voxels)
    datasets[1].ImagePositionPatient = [float(x) for x in ORIGIN + AXES[2] * SPACING[2] + 2 * AXES[0]]
    assert "do not lie on a straight line" in refusal(save(tmp_path / "series", datasets))


@pytest.mark.parametrize("tag", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"])
@pytest.mark.parametrize("value", [None, "", [1.0]])
def test_missing_geometry(tmp_path, voxels, tag, value):
    assert f"has no usable {tag}" in refusal(save(tmp_path / "series", slices(voxels, **{tag: value})))


def test_axes_that_are_no_axes(tmp_path, voxels):
    folder = save(tmp_path / "series", slices(voxels, ImageOrientationPatient=[1, 0, 0, 1, 0, 0]))
    assert "not perpendicular unit vectors" in refusal(folder)


def test_slices_that_do_not_belong_together(tmp_path, voxels):
    _, *rest = slices(voxels)
    turned = dataset(voxels[:, :, 0].T.copy(), ORIGIN, axes=AXES[[1, 2, 0]])
    wide = dataset(np.zeros((ROWS, 9), np.int16), ORIGIN)
    fine = dataset(voxels[:, :, 0].T.copy(), ORIGIN, PixelSpacing=[0.5, 0.5])
    assert "different directions" in refusal(save(tmp_path / "a", [turned, *rest]))
    assert "different sizes" in refusal(save(tmp_path / "b", [wide, *rest]))
    assert "different pixel spacing" in refusal(save(tmp_path / "c", [fine, *rest]))


@pytest.mark.parametrize(
    "tags",
    [
        {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0},
        {"PhotometricInterpretation": "PALETTE COLOR"},
        {"PhotometricInterpretation": "MONOCHROME1"},
    ],
)
def test_colour_and_inverted_images(tmp_path, voxels, tags):
    folder = save(tmp_path / "series", slices(voxels, **tags))
    assert f"({tags['PhotometricInterpretation']}): expected MONOCHROME2" in refusal(folder)


def test_short_pixels(tmp_path, voxels):
    datasets = slices(voxels)
    datasets[2].PixelData = datasets[2].PixelData[:-8]
    assert "damaged or missing pixels" in refusal(save(tmp_path / "series", datasets))


def test_no_pixels(tmp_path, voxels):
    assert "has no pixel data" in refusal(save(tmp_path / "series", slices(voxels, PixelData=None)))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.8, 0.97])
def test_a_file_cut_short(tmp_path, voxels, share):
    folder = save(tmp_path / "series", slices(voxels))
    path = folder / "image1"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    assert refusal(folder)


# --- real data


def test_real_series(shared_data, tmp_path):
    folder = shared_data / "dicom" / "pd-axial"
    scan = read(folder)
    assert scan.voxels.shape == (256, 256, 19)
    assert scan.contrast == "PD"
    assert scan.warnings == ()
    np.testing.assert_allclose(scan.grid.spacing_mm, [0.859375, 0.859375, 6.9966], atol=1e-3)
    assert nib.aff2axcodes(scan.affine) == ("L", "P", "S")
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    np.testing.assert_array_equal(scan.voxels, sitk.GetArrayFromImage(sitk.ReadImage(names)).T)
