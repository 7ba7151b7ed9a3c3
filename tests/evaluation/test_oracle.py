import numpy as np

from sanum.evaluation.oracle import filled_by_mirror


def test_the_lesion_is_filled_by_the_mirror_image():
    image, mirrored = np.zeros((2, 2, 2), np.float32), np.ones((2, 2, 2), np.float32)
    lesion = np.zeros((2, 2, 2), bool)
    lesion[0] = True
    np.testing.assert_array_equal(filled_by_mirror(image, mirrored, lesion), lesion)
