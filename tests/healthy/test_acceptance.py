import numpy as np
import pytest
from scipy import ndimage

from sanum.healthy.acceptance import require_head, require_image
from sanum.healthy.localize import refuse
from sanum.methods.common.anatomy import Posture
from sanum.scan import Scan, ScanError

SHAPE = (40, 48, 40)
RNG = np.random.default_rng(0)
BALL = ((np.indices(SHAPE).T - (20, 24, 20)) ** 2).sum(-1).T < 18**2
TISSUE = ndimage.gaussian_filter(RNG.normal(0, 1, SHAPE), 2) * 6


def scan(voxels):
    return Scan(np.asarray(voxels), np.eye(4))


def segmentation(labels):
    """Compact regions, each nearest to its own point."""
    points = RNG.uniform(8, 32, (labels, 3))
    distance = np.linalg.norm(np.indices(SHAPE)[..., None] - points.T[:, None, None, None], axis=0)
    return BALL * (1 + distance.argmin(-1))


NO_IMAGES = {
    "a mask": BALL.astype(np.uint8),
    "a mask of 255": 255 * BALL.astype(np.int16),
    "a mask of floats": np.where(BALL, 0.999, 0).astype(np.float32),
    "a mask with a soft border": 0.5 * (BALL + np.roll(BALL, 1, axis=0)).astype(np.float32),
    "a mask upside down": (~BALL).astype(np.uint8),
    "three tissues": BALL * (1 + (TISSUE > 0) + (TISSUE > 1)),
    "a few labels": segmentation(12).astype(np.int16),
    "lesions and brain": BALL.astype(np.uint8) + (BALL & (TISSUE > 1.5)),
}


@pytest.mark.parametrize("kind", NO_IMAGES)
def test_masks_and_segmentations_are_refused(kind):
    with pytest.raises(
        ScanError, match=r"this scan looks like a mask or a segmentation .*: give the image that"
    ):
        require_image(scan(NO_IMAGES[kind]), refuse)


def test_a_parcellation_of_many_labels_is_refused():
    blocks = np.kron(RNG.permutation(8000)[:1000].reshape(10, 10, 10), np.ones((8, 8, 8), int))
    with pytest.raises(ScanError, match="whole numbers"):
        require_image(scan(blocks), refuse)


@pytest.mark.parametrize("levels", [6, 8, 16, 32, 256])
def test_an_image_of_few_levels_is_an_image(levels):
    image = np.where(BALL, 0.5 + 0.2 * TISSUE + 0.05 * RNG.normal(0, 1, SHAPE), 0)
    require_image(scan(np.rint(np.clip(image, 0, 1) * (levels - 1)).astype(np.uint8)), refuse)


def test_a_digital_phantom_with_fractions_is_an_image(phantom):
    require_image(phantom, refuse)


class TestHead:
    def test_what_fits_is_a_head(self):
        require_head(scan(BALL), Posture(np.eye(4), 0.15), 1400, refuse)
        require_head(scan(BALL), None, 1400, refuse)

    @pytest.mark.parametrize(
        ("posture", "ml", "words"),
        [
            (
                Posture(np.eye(4), 0.05),
                1400,
                "the average brain explains 5% of its contrast, expected at least 10%",
            ),
            (Posture(None, 0.0), 1400, "the average brain could not be laid onto"),
            (Posture(np.eye(4), 0.5), 3000, "3000 mL look like brain, expected at most 2600"),
        ],
    )
    def test_what_does_not_is_refused(self, posture, ml, words):
        with pytest.raises(ScanError, match=f"no head found in this scan: {words}.*--force"):
            require_head(scan(BALL), posture, ml, refuse)
