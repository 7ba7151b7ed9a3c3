import numpy as np

from sanum.report.sheet import contact_sheet


def test_one_cell_for_each_image_of_each_sample():
    """White where the right front is white, and nowhere else: on the left and at the top of its cell."""
    bright = np.zeros((20, 30, 10), np.float32)
    bright[15:, 25:, 4] = 2.0  # RAS: right, front
    dark = np.zeros_like(bright)
    sheet = contact_sheet({"a": {"one": bright, "two": dark}, "b": {"one": dark, "two": dark}}, at=[4, 0])
    white = (sheet > 250).all(axis=2)
    rows, columns = np.nonzero(white)
    height, width = white.shape
    assert white.sum() > 1000
    assert rows.max() < height / 3
    assert columns.max() < width / 3
    elsewhere = contact_sheet({"a": {"one": bright, "two": dark}, "b": {"one": dark, "two": dark}}, at=[3, 0])
    assert not (elsewhere > 250).all(axis=2).any()
