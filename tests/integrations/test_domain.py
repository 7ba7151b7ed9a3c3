"""Where an anomaly may be without a mask: the same on every linear scale, and not in the background."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from sanum.integrations.domain import foreground
from sanum.integrations.lesion import draw_lesion, grow_lesion

SHAPE = (44, 52, 40)
MIDDLE, RADII = (np.reshape(v, (3, 1, 1, 1)) for v in ([22, 26, 20], [17, 21, 15]))
BRAIN = (((np.indices(SHAPE) - MIDDLE) / RADII) ** 2).sum(0) < 1


def stripped(seed=0):
    rng = np.random.default_rng(seed)
    texture = ndimage.gaussian_filter(rng.standard_normal(SHAPE), 2) * 1500
    return np.where(BRAIN, np.maximum(600 + texture + rng.normal(0, 20, SHAPE), 1), 0)


def z_scored(image):
    inside = image[BRAIN]
    return np.where(BRAIN, (image - inside.mean()) / inside.std(), 0).astype(np.float32)


def head(noise, seed=1):
    rng = np.random.default_rng(seed)
    return np.abs(stripped() + rng.normal(0, noise, SHAPE))


@given(log_scale=st.floats(-12, 12), offset=st.floats(-5, 5), whole=st.booleans())
@settings(max_examples=25, deadline=None)
def test_a_positive_linear_map_changes_nothing(log_scale, offset, whole):
    image = head(8) if whole else stripped()
    mapped = (image + 500 * offset) * 10.0**log_scale
    assert np.array_equal(foreground(mapped), foreground(image))


def test_a_z_score_with_background_zero_has_the_same_anomaly():
    """Above the minimum, which is the darkest voxel of the brain, was nearly the whole volume."""
    raw = stripped()
    for seed in range(2):
        of_raw, of_z = (
            grow_lesion(draw_lesion(seed), foreground(x), (1.0,) * 3) for x in (raw, z_scored(raw))
        )
        assert np.array_equal(of_raw, of_z)
        assert of_z[BRAIN].sum() > 0.95 * of_z.sum()


@pytest.mark.parametrize(
    ("image", "truth"),
    [
        (stripped().astype(np.uint16), BRAIN),
        (head(8), BRAIN),
        ((head(8) / 8).astype(np.uint8), BRAIN),  # the noise became a few whole numbers
        (np.where(BRAIN, 32, -1024), BRAIN),
        (z_scored(stripped())[:, :, 20:21], BRAIN[:, :, 20:21]),
        (z_scored(stripped())[:, :, 20], BRAIN[:, :, 20]),
        (z_scored(stripped())[5:40, 5:48, 5:36], BRAIN[5:40, 5:48, 5:36]),  # cut close
        (z_scored(stripped())[10:30, 10:40, :20], BRAIN[10:30, 10:40, :20]),  # a patch at the edge
        (z_scored(stripped())[16:28, 18:34, 14:26], np.ones((12, 16, 12), bool)),  # within
    ],
)
def test_the_background_is_what_reaches_the_border(image, truth):
    found = foreground(image)
    assert found.shape == image.shape
    assert (found != truth).mean() < 2e-3


def test_a_hole_that_is_closed_belongs_to_the_brain():
    image = z_scored(stripped())
    image[20:24, 24:28, 18:22] = 0
    assert np.array_equal(foreground(image), BRAIN)


def test_one_value_shows_nothing():
    assert not foreground(np.full(SHAPE, 7)).any()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_names_itself(value):
    image = np.where(BRAIN, stripped(), value)
    with pytest.raises(ValueError, match=rf"holds {(~BRAIN).sum()} voxels that are NaN or infinite"):
        foreground(image)
