"""Small pictures: sides, sizes, and what is left out."""

import io

import numpy as np
import pytest
from PIL import Image

from sanum.report.thumbnail import thumbnail

HEIGHT = 90


def picture(inputs, *, with_scan=True, **how):
    names = ("anatomy", "anomaly", "anomaly_mask", "brain")
    maps = {name: getattr(inputs, name) for name in names}
    data = thumbnail(scan=inputs.scan if with_scan else None, **maps, height=HEIGHT, **how)
    return np.asarray(Image.open(io.BytesIO(data))).astype(int)


def coloured(rgb):
    return rgb.max(-1) - rgb.min(-1) > 60


@pytest.mark.parametrize("side", [-1, 1])
def test_the_patient_s_right_is_on_the_left(phantom, side):
    rgb = picture(phantom((side * 30.0, 14.0, 10.0)))
    panel = (rgb.shape[1] - 3) / 2
    columns = np.flatnonzero(coloured(rgb).any(0))
    assert columns.size > 5
    assert (columns < panel / 2).all() if side == 1 else ((columns > panel / 2) & (columns < panel)).all()


@pytest.mark.parametrize("axes", ["LPI", "SRP"])
def test_the_order_of_the_voxels_does_not_matter(phantom, axes):
    np.testing.assert_array_equal(picture(phantom(axes=axes), planes=3), picture(phantom(), planes=3))


def test_three_planes_are_wider_and_the_scan_may_be_missing(phantom):
    one, three = picture(phantom()), picture(phantom(), planes=3)
    alone = picture(phantom(), with_scan=False)
    assert one.shape[0] == three.shape[0] == alone.shape[0] == HEIGHT
    assert one.shape[1] == 2 * alone.shape[1] + 3
    assert three.shape[1] > 2.5 * one.shape[1]
    assert not coloured(alone).any()
