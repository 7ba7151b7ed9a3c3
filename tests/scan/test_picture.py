"""Pictures of every kind, by what is written and read again."""

import struct
import warnings
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
import tifffile
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from sanum.scan import Scan, ScanError
from sanum.scan.picture import channels_first, picture_of
from sanum.scan.picture_volumes import slices_of, volume_of
from sanum.scan.read_picture import PictureAt, PictureReading, read_picture, read_pictures

GREY = np.arange(30, dtype=np.uint8).reshape(5, 6)
COLOUR = np.random.default_rng(0).integers(0, 255, (5, 6, 3), dtype=np.uint8)


@pytest.mark.parametrize("ending", [".png", ".tif", ".bmp"])
@pytest.mark.parametrize("pixels", [GREY, COLOUR], ids=["grey", "colour"])
def test_what_pillow_writes_is_read(tmp_path, ending, pixels):
    Image.fromarray(pixels).save(tmp_path / f"x{ending}")
    picture = read_picture(tmp_path / f"x{ending}")
    expected = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    np.testing.assert_array_equal(picture.pixels, expected)
    assert (picture.dtype, picture.pixels.dtype, picture.valid.all()) == ("uint8", np.float32, True)


def test_jpeg_is_near(tmp_path):
    smooth = np.add.outer(np.arange(64), np.arange(48)).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "x.jpg", quality=95)
    assert np.abs(read_picture(tmp_path / "x.jpg").pixels[0] - smooth).max() < 4


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32])
def test_sixteen_bits_and_floats(tmp_path, dtype):
    pixels = (GREY.astype(np.float64) * 1000 - (0 if dtype is np.uint16 else 7000)).astype(dtype)
    tifffile.imwrite(tmp_path / "x.tif", pixels)
    np.save(tmp_path / "x.npy", pixels)
    for name in ("x.tif", "x.npy"):
        picture = read_picture(tmp_path / name)
        np.testing.assert_array_equal(picture.pixels[0], pixels)
        assert picture.dtype == np.dtype(dtype).name
    if dtype is np.uint16:
        Image.fromarray(pixels).save(tmp_path / "x.png")
        np.testing.assert_array_equal(read_picture(tmp_path / "x.png").pixels[0], pixels)


def test_pages_are_pictures_unless_it_is_said_that_they_are_channels(tmp_path):
    pixels = np.random.default_rng(0).random((7, 20, 30), np.float32)
    tifffile.imwrite(tmp_path / "x.tif", pixels, photometric="minisblack")
    np.save(tmp_path / "x.npy", pixels)
    for name in ("x.tif", "x.npy"):
        found = read_pictures(tmp_path / name)
        assert [(one.frame, one.channels) for one in found] == [(n, 1) for n in range(7)]
        np.testing.assert_array_equal([one.pixels[0] for one in found], pixels)
        (sixth,) = read_pictures(PictureAt(tmp_path / name, 5))
        np.testing.assert_array_equal(sixth.pixels[0], pixels[5])
        whole = read_picture(tmp_path / name, PictureReading(channel_axis=0))
        np.testing.assert_array_equal(whole.pixels, pixels)
        with pytest.raises(ScanError, match=r"\[0\] is one of 7 slices"):
            read_picture(tmp_path / name)
    np.save(tmp_path / "colours.npy", np.stack([pixels[:3], pixels[3:6]]))
    assert [one.channels for one in read_pictures(tmp_path / "colours.npy")] == [3, 3]
    tifffile.imwrite(tmp_path / "colours.tif", np.stack([COLOUR, COLOUR // 2]), photometric="rgb")
    np.testing.assert_array_equal(
        [one.pixels for one in read_pictures(tmp_path / "colours.tif")],
        [x.transpose(2, 0, 1) for x in (COLOUR, COLOUR // 2)],
    )
    tifffile.imwrite(tmp_path / "z.tif", pixels[:3], photometric="minisblack", metadata={"axes": "ZYX"})
    assert len(read_pictures(tmp_path / "z.tif")) == 3


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("count", [2, 4])
def test_channels_that_are_not_called_alpha_are_channels(tmp_path, count, planar):
    pixels = np.random.default_rng(0).integers(0, 9, (count, 20, 30), dtype=np.uint16)
    stored = np.moveaxis(pixels, 0, -1) if planar == "contig" else pixels
    tifffile.imwrite(tmp_path / "x.tif", stored, photometric="minisblack", planarconfig=planar)
    picture = read_picture(tmp_path / "x.tif")
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert picture.valid.all()
    if count == 2:
        more = {"planarconfig": planar, "extrasamples": ["unassalpha"]}
        tifffile.imwrite(tmp_path / "a.tif", stored, photometric="minisblack", **more)
        transparent = read_picture(tmp_path / "a.tif")
        assert transparent.channels == 1
        np.testing.assert_array_equal(transparent.valid, pixels[1] > 0)


def png(path, pixels):
    """A PNG file of 16 bits and 2, 3 or 4 numbers a pixel, which Pillow cannot write."""
    height, width, count = pixels.shape
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in pixels)

    def chunk(name, content):
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    head = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[count], 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_colours_and_transparency_of_sixteen_bits(tmp_path, count):
    pixels = np.random.default_rng(0).integers(0, 3000, (20, 30, count), dtype=np.uint16)
    pixels[:3, :, -1] = 0
    png(tmp_path / "x.png", pixels)
    picture = read_picture(tmp_path / "x.png")
    kept = count if count == 3 else count - 1
    np.testing.assert_array_equal(picture.pixels, np.moveaxis(pixels[..., :kept], -1, 0))
    assert picture.dtype == "uint16"
    if count != 3:
        np.testing.assert_array_equal(picture.valid, pixels[..., -1] > 0)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_is_not_valid(tmp_path, mode):
    image = Image.fromarray(COLOUR).convert(mode)
    alpha = np.full((5, 6), 255, np.uint8)
    alpha[:, :2] = 0
    image.putalpha(Image.fromarray(alpha))
    image.save(tmp_path / "x.png")
    picture = read_picture(tmp_path / "x.png")
    assert picture.channels == (3 if mode == "RGBA" else 1)
    np.testing.assert_array_equal(picture.valid, alpha > 0)


def test_palettes_are_looked_up(tmp_path):
    Image.fromarray(COLOUR).quantize(8).save(tmp_path / "x.png")
    assert read_picture(tmp_path / "x.png").channels == 3


def dicom(path, pixels, **tags):
    """A minimal DICOM file."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = (
        SecondaryCaptureImageStorage,
        ExplicitVRLittleEndian,
    )
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    one = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    one.SOPClassUID, one.SOPInstanceUID, one.Modality = SecondaryCaptureImageStorage, "1.2.3", "CT"
    one.Rows, one.Columns = pixels.shape[-2:] if pixels.shape[-1] != 3 else pixels.shape[:2]
    one.SamplesPerPixel = 3 if pixels.shape[-1] == 3 else 1
    one.PhotometricInterpretation = "RGB" if pixels.shape[-1] == 3 else "MONOCHROME2"
    if one.SamplesPerPixel == 3:
        one.PlanarConfiguration = 0
    one.BitsAllocated = one.BitsStored = pixels.dtype.itemsize * 8
    one.HighBit, one.PixelRepresentation = one.BitsStored - 1, int(pixels.dtype.kind == "i")
    one.PixelData = pixels.tobytes()
    for name, value in tags.items():
        setattr(one, name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pydicom.dcmwrite(path, one, enforce_file_format=True)
    return path


def test_dicom_in_hounsfield_units_with_a_window(tmp_path):
    stored = (GREY.astype(np.int16) * 50).reshape(5, 6)
    path = dicom(tmp_path / "x.dcm", stored, RescaleSlope=1, RescaleIntercept=-1024, PixelSpacing=[0.5, 0.4])
    picture = read_picture(path, PictureReading(window=(40, 80)))
    np.testing.assert_array_equal(picture.pixels[0], stored - 1024.0)
    assert (picture.window, picture.spacing_mm) == ((0, 80), (0.5, 0.4))


def test_dicom_frames_colours_padding_and_inverted_grey(tmp_path):
    frames = np.random.default_rng(0).integers(0, 9, (3, 5, 6), dtype=np.int16)
    found = read_pictures(dicom(tmp_path / "f.dcm", frames, NumberOfFrames=3))
    np.testing.assert_array_equal([p.pixels[0] for p in found], frames)
    assert [p.frame for p in found] == [0, 1, 2]
    colour = read_picture(dicom(tmp_path / "c.dcm", COLOUR))
    np.testing.assert_array_equal(colour.pixels, COLOUR.transpose(2, 0, 1))
    padded = GREY.astype(np.int16).copy()
    padded[0] = -2000
    assert not read_picture(dicom(tmp_path / "p.dcm", padded, PixelPaddingValue=-2000)).valid[0].any()
    inverted = dicom(tmp_path / "m.dcm", GREY.astype(np.int16), PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(read_picture(inverted).pixels[0], 29.0 - GREY)
    assert read_picture(inverted, PictureReading(window=(10, 8))).window == (
        15,
        23,
    )  # of 6 to 14, turned over
    frames[1] //= 2
    white = dicom(tmp_path / "w.dcm", 9 - frames, NumberOfFrames=3, PhotometricInterpretation="MONOCHROME1")
    found = np.array([p.pixels[0] for p in read_pictures(white)])
    assert len({float(x) for x in np.unique(found - frames)}) == 1  # one shift for all frames


def test_slices_of_a_volume_are_turned_upright(tmp_path):
    """Stored L-P-S with 1 × 2 × 3 mm voxels: read as R-A-S, anterior up."""
    voxels = np.random.default_rng(0).random((4, 5, 6)).astype(np.float32)
    nib.save(nib.Nifti1Image(voxels[::-1, ::-1], np.diag([-1.0, -2, 3, 1])), tmp_path / "v.nii.gz")
    found = read_pictures(tmp_path / "v.nii.gz")
    assert (len(found), found[2].pixels.shape, found[2].spacing_mm) == (6, (1, 5, 4), (2, 1))
    np.testing.assert_allclose(found[2].pixels[0], voxels[:, ::-1, 2].T)
    sagittal = read_pictures(tmp_path / "v.nii.gz", PictureReading(axis=0, slices=(1, 3)))
    assert [p.frame for p in sagittal] == [1, 2]
    np.testing.assert_allclose(sagittal[0].pixels[0], voxels[1, :, ::-1].T)
    (third,) = read_pictures(PictureAt(tmp_path / "v.nii.gz", 3))
    np.testing.assert_array_equal(third.pixels, found[3].pixels)
    with pytest.raises(ScanError, match=r"v.nii.gz has 6 slices along axis 2"):
        read_pictures(tmp_path / "v.nii.gz", PictureReading(slices=(4, 9)))
    with pytest.raises(ScanError, match="one of 6 slices: choose one"):
        read_picture(tmp_path / "v.nii.gz")


def test_slices_that_are_learned_from_and_the_range_of_their_volume(tmp_path):
    voxels = np.zeros((10, 10, 8), np.float32)
    for n in range(1, 8):
        voxels[:n, :, n] = 10 * n
    nib.save(nib.Nifti1Image(voxels - 5, np.eye(4)), tmp_path / "v.nii.gz")
    some = PictureReading(every=2, least=0.35, white=50)
    found = read_pictures(tmp_path / "v.nii.gz", some)
    assert [p.frame for p in found] == [4, 6]  # of 0, 2, 4 and 6 those with four rows or more
    assert {p.window for p in found} == {(-5, 45)}  # half of the rows are of at most 50
    assert len(read_pictures(tmp_path / "v.nii.gz", some.whole)) == 8
    assert PictureReading(window=(0, 2), white=50).ends == (-1, 1)
    for wrong in ({"every": 0}, {"least": 2.0}, {"white": 0.0}):
        with pytest.raises(ValueError, match=r"at least 1 and least a share|is a percentile"):
            PictureReading(**wrong)


def test_where_the_channels_of_an_array_are():
    assert channels_first(np.zeros((3, 9, 9))).shape == (3, 9, 9)
    assert channels_first(np.zeros((9, 9, 2))).shape == (2, 9, 9)
    assert channels_first(np.zeros((9, 8, 9)), 1).shape == (8, 9, 9)
    for shape in ((3, 9, 3), (9, 9, 9), (2, 3, 4, 5)):
        with pytest.raises(ScanError, match="has the shape"):
            channels_first(np.zeros(shape))


def test_what_is_not_finite_is_left_out_and_what_shows_nothing_is_flagged():
    pixels = np.ones((1, 4, 4))
    pixels[0, 0, 0], pixels[0, 1, 1] = np.nan, 3
    picture = picture_of(pixels)
    assert not picture.valid[0, 0]
    assert picture.range == (1, 3)
    assert picture.warnings == ("1 pixels are no finite numbers: they are left out",)
    flat = picture_of(np.full((2, 4, 4), 7))
    assert flat.is_constant
    assert flat.warnings == ("all its pixels are the same: it shows nothing",)
    with pytest.raises(ScanError, match="holds no finite value"):
        picture_of(np.full((1, 2, 2), np.inf))


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("x.png", b"", "x.png is empty: expected a picture"),
        ("x.png", b"\x89PNG\r\n\x1a\n" + b"no" * 20, "x.png is damaged or no image: expected PNG"),
        ("x.tif", b"II*\0" + b"\0" * 30, "x.tif is damaged or no image: expected TIF"),
        ("x.npy", b"not an array", "x.npy is no array of NumPy, or damaged"),
        ("x.txt", b"some words", "x.txt is no picture that can be read: expected .png"),
        ("x.dcm", b"\0" * 128 + b"DICM" + b"\1" * 40, "x.dcm has damaged or missing pixels"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(tmp_path, name, content, told):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ScanError, match=told) as error:
        read_pictures(tmp_path / name)
    assert "\n" not in str(error.value)


def test_objects_and_huge_headers_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ScanError, match="no array of NumPy"):
        read_pictures(tmp_path / "x.npy")
    Image.new("1", (20000, 20000)).save(tmp_path / "x.png")
    with pytest.raises(
        ScanError, match=r"x\.png says that it has more than 178,956,970 pixels: expected fewer"
    ):
        read_pictures(tmp_path / "x.png")
    with pytest.raises(ScanError, match="cannot read a picture from int"):
        read_pictures(3)
    with pytest.raises(ScanError, match=r"gone\.png does not exist: expected a picture"):
        read_pictures(tmp_path / "gone.png")


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_of_any_volume_go_back_to_where_they_were(axis):
    """Axes in another order, two of them turned round."""
    voxels = np.random.default_rng(0).random((4, 5, 6), dtype=np.float32)
    affine = np.array([[0, 0, -2.0, 40], [0, 3.0, 0.1, -50], [-5.0, 0, 0, 7], [0, 0, 0, 1]])
    scan = Scan(voxels, affine)
    pictures = slices_of(scan, Path("v.nii"), axis)
    back = volume_of({picture.frame: picture.pixels[0] for picture in pictures}, scan, axis)
    np.testing.assert_array_equal(back.voxels, voxels)
    np.testing.assert_array_equal(back.affine, affine)
    some = slices_of(scan, Path("v.nii"), axis, (1, 3))
    part = volume_of({picture.frame: picture.pixels[0] for picture in some}, scan, axis)
    assert (part.voxels != 0).sum() == 2 * voxels.size // len(pictures)
