"""Boxes drawn on a picture, and later others over them."""

import io

import numpy as np
import pytest
from PIL import Image

from sanum.report.boxes import DrawnBox, boxes_over, boxes_png


@pytest.mark.parametrize("shape", [(30, 50), (150, 90)])
def test_boxes_that_are_there_stay_and_others_join_them(shape):
    picture = np.linspace(0, 1, shape[0] * shape[1], dtype=np.float32).reshape(shape)
    first = [
        DrawnBox((5, 10, 20, 9), "", "#9aa7b4", thin=True),
        DrawnBox((3, 9, 20, 12), "mass 0.8", "#ffb000"),
    ]
    size = shape[::-1]
    drawn = boxes_png(picture, first, 120)
    assert boxes_over(drawn, size, first, 120) == drawn
    both = [*first, DrawnBox((3, 9, 20, 12), "mass (true)", "#ffffff", dashed=True)]
    over = boxes_over(drawn, size, both, 120)
    assert over == boxes_png(picture, both, 120)
    with Image.open(io.BytesIO(over)) as one, Image.open(io.BytesIO(drawn)) as other:
        assert (np.asarray(one) != np.asarray(other)).any(-1).mean() > 0.005
