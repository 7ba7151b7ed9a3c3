"""Photographs that a camera has stored on their side."""

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from sanum.scan.read_picture import read_picture, read_pictures

SMOOTH = np.add.outer(np.arange(40), 3 * np.arange(16)).astype(np.uint8)


def saved(path, orientation, pixels=SMOOTH):
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(pixels).save(path, exif=exif)
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp"])
def test_every_orientation_is_shown_as_pillow_shows_it(tmp_path, ending, orientation):
    path = saved(tmp_path / f"x.{ending}", orientation)
    with path.open("rb") as stream, Image.open(stream) as image:
        image.load()  # Pillow turns a TIFF file here
        shown = np.asarray(ImageOps.exif_transpose(image).convert("L"), np.float32)
    picture = read_picture(path)
    assert picture.orientation == orientation
    assert np.abs(picture.pixels[0] - shown).max() < (5 if ending == "webp" else 1e-6)


def test_transparency_colours_and_pages_turn_with_the_pixels(tmp_path):
    colours = np.random.default_rng(0).integers(0, 255, (40, 16, 4), dtype=np.uint8)
    colours[:5, :, 3] = 0
    picture = read_picture(saved(tmp_path / "x.png", 8, colours))
    np.testing.assert_array_equal(picture.pixels, np.rot90(colours[..., :3]).transpose(2, 0, 1))
    np.testing.assert_array_equal(picture.valid, np.rot90(colours[..., 3] > 0))
    pages = np.random.default_rng(0).random((7, 20, 30), np.float32)
    extra = [(274, "H", 1, 6, True)]
    tifffile.imwrite(tmp_path / "x.tif", pages, photometric="minisblack", extratags=extra)
    found = read_pictures(tmp_path / "x.tif")
    np.testing.assert_array_equal([one.pixels[0] for one in found], np.rot90(pages, -1, axes=(1, 2)))


def test_a_tiff_file_that_pillow_reads_is_turned_once(tmp_path):
    path = tmp_path / "x.tif"
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(SMOOTH).quantize(4).save(path, exif=exif)
    with tifffile.TiffFile(path) as tiff:
        indices = tiff.asarray()
    assert indices.shape == SMOOTH.shape
    picture = read_picture(path)
    assert picture.pixels.shape == (3, *SMOOTH.T.shape)
    for n in range(4):
        assert np.ptp(picture.pixels[:, np.rot90(indices, -1) == n], axis=1).max() == 0


def test_what_tells_no_orientation_stays_as_it_is(tmp_path):
    assert read_picture(saved(tmp_path / "x.png", 9)).orientation == 1
    assert read_picture(saved(tmp_path / "x.tif", 0)).orientation == 1
    Image.fromarray(SMOOTH).save(tmp_path / "damaged.png", exif=b"Exif\0\0no header at all")
    np.testing.assert_array_equal(read_picture(tmp_path / "damaged.png").pixels[0], SMOOTH)
