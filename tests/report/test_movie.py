"""GIF, profile and page of a movie."""

import io

import numpy as np
import pytest
from PIL import Image

from sanum.report.movie import gif, most_moving, movie_page, profile_png


@pytest.fixture
def movie():
    frames = np.zeros((8, 20, 30), np.float32)
    frames[:, 4:16, 4:26] = 0.5
    frames[::2, 10:13, 18:21] = 1
    return frames


def test_a_gif_has_the_frames_and_their_time(movie):
    with Image.open(io.BytesIO(gif(movie, 0.072))) as picture:
        assert picture.n_frames == 8
        assert picture.info["duration"] == 70  # its clock has steps of 10 ms
        assert picture.info["loop"] == 0
        assert min(picture.size) >= 256


def test_the_profile_goes_through_what_moves(movie):
    speed = np.abs(np.diff(movie, axis=0)).mean(0)
    row, column = most_moving(speed)
    assert (row, column) == (11, 19)
    with Image.open(io.BytesIO(profile_png(movie, 0.072, speed))) as picture:
        assert picture.size[0] == 1300


def test_the_page_holds_both_and_escapes_names():
    page = movie_page("<b>", "kind", (b"png", b"gif"), {"Method": "kt & sense"}, ("no <i>",))
    assert "<b>" not in page
    assert "kt &amp; sense" in page
    assert "no &lt;i&gt;" in page
    assert page.count("data:image/") == 2
