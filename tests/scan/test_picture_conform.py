import numpy as np
import pytest
from PIL import Image

from sanum.scan import ScanError
from sanum.scan.picture import picture_of
from sanum.scan.picture_conform import PictureConfig, as_picture, conform

RNG = np.random.default_rng(0)
PICTURE = picture_of(RNG.integers(3, 200, (1, 40, 30), dtype=np.uint8))


def test_the_aspect_is_kept_and_the_rest_is_not_valid():
    square = conform(PICTURE, PictureConfig(size=20))
    assert square.placement.box == (0, 2, 20, 15)
    assert square.valid.sum() == 20 * 15
    assert not square.valid[:, :2].any()
    assert not square.valid[:, 17:].any()
    assert (square.pixels[:, ~square.valid] == 0).all()
    assert (square.pixels.min(), square.pixels.max()) == (0, 1)


def test_stretched_it_is_what_pillow_makes():
    """8 bits are resized as 8 bits, as the published pipelines do, then scaled by their own range."""
    square = conform(PICTURE, PictureConfig(size=16, fit="stretch"))
    image = Image.fromarray(PICTURE.pixels[0].astype(np.uint8)).resize((16, 16), Image.Resampling.BICUBIC)
    x = np.asarray(image, np.float64)
    np.testing.assert_allclose(square.pixels[0], (x - x.min()) / np.ptp(x), atol=1e-6)


def test_what_is_not_valid_has_no_say_in_the_range():
    pixels = np.asarray(PICTURE.pixels, np.float32).copy()
    valid = np.ones((40, 30), bool)
    pixels[:, :10], valid[:10] = 5000, False
    square = conform(picture_of(pixels, valid=valid), PictureConfig(size=40))
    assert not square.valid[:9].any()
    assert square.pixels[0, 20:].max() > 0.9


def test_percentiles_and_windows():
    ramp = picture_of(np.arange(100.0).reshape(1, 10, 10))
    square = conform(ramp, PictureConfig(size=10, low=10, high=90))
    assert (square.pixels == 0).sum() == 10
    assert (square.pixels == 1).sum() == 10
    shown = conform(picture_of(np.asarray(ramp.pixels), window=(20, 60)), PictureConfig(size=10))
    np.testing.assert_allclose(shown.pixels[0].ravel()[[10, 20, 40, 60, 70]], [0, 0, 0.5, 1, 1])


def test_a_constant_picture_gives_zeros_and_is_flagged():
    square = conform(picture_of(np.full((1, 9, 9), 7.0)), PictureConfig(size=8))
    assert square.is_constant
    assert not square.pixels.any()


def test_a_constant_border_can_be_masked():
    pixels = np.full((1, 12, 12), 9.0)
    pixels[:, 3:9, 2:10] = RNG.random((1, 6, 8))
    assert conform(picture_of(pixels), PictureConfig(size=12)).valid.all()
    square = conform(picture_of(pixels), PictureConfig(size=12, border="mask"))
    assert square.valid.sum() == 6 * 8
    assert square.valid[3:9, 2:10].all()


def test_channels():
    colour = picture_of(RNG.random((3, 8, 8)).astype(np.float32))
    grey = conform(colour, PictureConfig(size=8, grey=True, scale="none"))
    expected = 0.299 * colour.pixels[0] + 0.587 * colour.pixels[1] + 0.114 * colour.pixels[2]
    np.testing.assert_allclose(grey.pixels[0], expected, atol=1e-6)
    two = conform(colour, PictureConfig(size=8, channels=(0, 1), scale="none"))
    np.testing.assert_array_equal(two.pixels, colour.pixels[:2])
    with pytest.raises(ScanError, match="has 3 channels: there is no channel 3"):
        conform(colour, PictureConfig(channels=(3,)))
    with pytest.raises(ScanError, match="has 2 channels: expected 1 or 3 to make grey of"):
        conform(picture_of(RNG.random((2, 8, 8))), PictureConfig(grey=True))


@pytest.mark.parametrize("fit", ["pad", "stretch"])
def test_maps_go_back_to_the_grid_of_the_picture(fit):
    square = conform(PICTURE, PictureConfig(size=64, fit=fit))
    rows = np.broadcast_to(np.linspace(0, 1, 64, dtype=np.float32)[:, None], (64, 64))
    back = as_picture(np.ascontiguousarray(rows), square.placement)
    assert back.shape == (40, 30)
    np.testing.assert_allclose(back[5:-5, 15], np.linspace(0, 1, 40)[5:-5], atol=0.01)


@pytest.mark.parametrize("wrong", [{"size": 0}, {"low": 60, "high": 40}, {"high": 101}])
def test_impossible_configurations(wrong):
    with pytest.raises(ValueError, match=r"picture\."):
        PictureConfig(**wrong)
