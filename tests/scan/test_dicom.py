import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    MRImageStorage,
    RLELossless,
    generate_uid,
)

from sanum.scan import ScanError, read

COLUMNS, ROWS, SLICES = 5, 6, 4
SPACING = np.array([1.0, 2.0, 3.0])  # along a row, along a column, from slice to slice
TURN = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
AXES = np.stack([TURN[:, 0], TURN[:, 1], np.cross(TURN[:, 0], TURN[:, 1])])
ORIGIN = np.array([-30.0, 40.0, 12.5])


@pytest.fixture
def voxels():
    return np.random.default_rng(0).integers(0, 900, (COLUMNS, ROWS, SLICES)).astype(np.int16)


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
    folder.mkdir(exist_ok=True)
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


# --- several series


def test_several_series_are_listed(tmp_path, voxels):
    folder = save(tmp_path / "series", slices(voxels))
    save(folder, slices(voxels[:, :, :3], series="1.2.4", SeriesDescription="AX T1"), prefix="other")
    message = refusal(folder)
    assert "holds 2 DICOM series" in message
    assert "AX T2 FLAIR (4 files)" in message
    assert "AX T1 (3 files)" in message


@pytest.mark.parametrize(
    "tags", [{"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, {"SeriesDescription": "3-plane Localizer"}]
)
def test_localizers_are_left_aside(tmp_path, voxels, tags):
    folder = save(tmp_path / "series", slices(voxels))
    save(folder, slices(voxels[:, :, :2], series="1.2.4", **tags), prefix="scout")
    np.testing.assert_array_equal(read(folder).voxels, voxels)


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


def test_duplicates(tmp_path, voxels):
    datasets = slices(voxels)
    assert "1 slices that lie where another one does" in refusal(
        save(tmp_path / "series", [*datasets, datasets[1]])
    )


def test_missing_slices(tmp_path, voxels):
    many = np.concatenate([voxels, voxels], axis=2)
    datasets = slices(many)
    del datasets[3]
    message = refusal(save(tmp_path / "series", datasets))
    assert "has missing slices: 6 mm between" in message
    assert "where 3 mm was expected" in message


def test_uneven_slices(tmp_path, voxels):
    datasets = slices(voxels)
    datasets[-1].ImagePositionPatient = [float(x) for x in ORIGIN + 3.1 * AXES[2] * SPACING[2]]
    assert "unevenly spaced slices: 3.3 mm" in refusal(save(tmp_path / "series", datasets))


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


def test_multi_frame(tmp_path, voxels):
    folder = save(
        tmp_path / "series", slices(voxels, NumberOfFrames=20, SOPClassUID=EnhancedMRImageStorage)[:1]
    )
    assert "multi-frame (enhanced)" in refusal(folder)


def test_short_pixels(tmp_path, voxels):
    datasets = slices(voxels)
    datasets[2].PixelData = datasets[2].PixelData[:-8]
    assert "damaged or missing pixels" in refusal(save(tmp_path / "series", datasets))


def test_no_pixels(tmp_path, voxels):
    assert "damaged or missing pixels" in refusal(save(tmp_path / "series", slices(voxels, PixelData=None)))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.8, 0.97])
def test_a_file_cut_short(tmp_path, voxels, share):
    folder = save(tmp_path / "series", slices(voxels))
    path = folder / "image1"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    assert refusal(folder)


def test_a_hostile_description_cannot_drive_a_terminal(tmp_path, voxels):
    folder = save(tmp_path / "series", slices(voxels))
    save(folder, slices(voxels, series="1.2.4", SeriesDescription="evil\x1b[2J"), prefix="other")
    assert refusal(folder).isprintable()


# --- real data


def test_real_series(shared_data, tmp_path):
    folder = shared_data / "dicom" / "pd-axial"
    scan = read(folder)
    assert scan.voxels.shape == (256, 256, 19)
    assert scan.contrast == "PDw"
    assert scan.warnings == ()
    np.testing.assert_allclose(scan.grid.spacing_mm, [0.859375, 0.859375, 6.9966], atol=1e-3)
    assert nib.aff2axcodes(scan.affine) == ("L", "P", "S")
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    np.testing.assert_array_equal(scan.voxels, sitk.GetArrayFromImage(sitk.ReadImage(names)).T)
