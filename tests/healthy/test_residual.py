"""The residual in a scan's own contrast: of a phantom whose curve, field and lesion are known."""

import re

import numpy as np
import pytest
from scipy import ndimage

from sanum.healthy.residual import KNOTS, own_contrast_residual

SPACING = (2.0, 2.0, 2.5)
SHAPE = (56, 64, 44)
LESION = (slice(14, 19), slice(28, 33), slice(20, 24))


def places():
    return np.moveaxis(np.indices(SHAPE), 0, -1) * SPACING - (np.array(SHAPE) - 1) * SPACING / 2


def lesion_mm():
    return places()[LESION].reshape(-1, 3).mean(0)


@pytest.fixture(scope="module")
def anatomy():
    """White matter with grey islands, fluid in the middle, fluid 0.2, grey 0.7, white 1; and the brain."""
    x = places()
    brain = ((x / (50, 58, 48)) ** 2).sum(-1) < 1
    islands = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=SHAPE), 6)
    t1w = np.where(islands > 0.004, 0.7, 1.0)
    t1w[(np.abs(x - lesion_mm()) < 16).all(-1)] = 1.0
    t1w[((x / (8, 16, 10)) ** 2).sum(-1) < 1] = 0.2
    return (ndimage.gaussian_filter(t1w, 0.7) * brain).astype(np.float32), brain


def scanned(anatomy, noise=0.03, tissue=(2.2, 1.3, 0.8), lesion=1.0):
    """A scan of another contrast, shaded by a third from front to back, with noise and a lesion."""
    t1w, brain = anatomy
    image = np.interp(t1w, (0.2, 0.7, 1.0), tissue)
    image[LESION] *= lesion
    shading = np.exp(0.15 * places()[..., 1] / 50 - 0.1 * (places()[..., 2] / 50) ** 2)
    grain = np.random.default_rng(1).normal(1, noise, SHAPE)
    return (700 * image * shading * grain * brain).astype(np.float32)


def inner(said, p=1.0):
    return said >= p


class TestResidual:
    def test_without_a_lesion_it_is_noise_of_deviation_one(self, anatomy):
        found = own_contrast_residual(scanned(anatomy), *anatomy, SPACING)
        z = found.z[inner(found.said)]
        assert found.failure is None
        assert abs(np.median(z)) < 0.1
        assert 0.5 < 1.4826 * np.median(np.abs(z)) < 1.1  # steep places expect more
        assert np.percentile(np.abs(z), 99.9) < 4.5

    @pytest.mark.parametrize(("factor", "sign"), [(1.4, 1), (0.7, -1)])
    def test_a_lesion_stands_out_and_its_sign_is_that_of_the_change(self, anatomy, factor, sign):
        found = own_contrast_residual(scanned(anatomy, lesion=factor), *anatomy, SPACING)
        core = np.zeros(SHAPE, bool)
        core[tuple(slice(s.start + 1, s.stop - 1) for s in LESION)] = True
        far = ndimage.distance_transform_edt(~core, sampling=SPACING) > 12
        assert np.median(sign * found.z[core & inner(found.said)]) > 5
        assert (np.abs(found.z[far & inner(found.said)]) > 5).mean() < 1e-3

    def test_a_positive_gain_changes_nothing(self, anatomy):
        image = scanned(anatomy, lesion=1.4)
        one, other = (own_contrast_residual(x, *anatomy, SPACING).z for x in (image, 37.0 * image))
        np.testing.assert_allclose(one, other, atol=2e-3)

    def test_shading_is_taken_out(self, anatomy):
        even = scanned(anatomy, lesion=1.4)
        shaded = even * np.exp(0.3 * places()[..., 0] / 50).astype(np.float32)
        one, other = (own_contrast_residual(x, *anatomy, SPACING).z for x in (even, shaded))
        np.testing.assert_allclose(one, other, atol=0.05)

    def test_nothing_is_said_at_the_border_and_in_fluid(self, anatomy):
        t1w, brain = anatomy
        found = own_contrast_residual(scanned(anatomy), t1w, brain, SPACING)
        depth = ndimage.distance_transform_edt(brain, sampling=SPACING)
        assert (found.z[depth <= 2] == 0).all()
        assert (found.z[t1w < 0.3] == 0).all()
        assert (found.said[(depth > 8) & (t1w > 0.6)] == 1).all()

    def test_hounsfield_units_have_no_gain(self, anatomy):
        t1w, brain = anatomy
        hu = np.interp(t1w, (0.2, 0.7, 1.0), (8, 37, 29)) + np.random.default_rng(2).normal(0, 2, SHAPE)
        hu[LESION] -= 15
        found = own_contrast_residual(hu.astype(np.float32), t1w, brain, SPACING, ct=True)
        assert np.median(found.z[LESION]) < -4
        assert np.percentile(np.abs(found.z[inner(found.said)]), 90) < 3

    def test_lesions_that_the_anatomy_shows_brighter_than_white_matter_stand_out(self, anatomy):
        t1w, brain = anatomy
        copied = t1w.copy()
        copied[LESION] = 1.2
        assert copied.max() > KNOTS[-1]
        found = own_contrast_residual(scanned(anatomy, lesion=1.4), copied, brain, SPACING)
        assert np.median(found.z[LESION]) > 4


class TestFailure:
    def test_intensities_that_have_nothing_to_do_with_the_anatomy(self, anatomy):
        image = np.exp(np.random.default_rng(3).normal(0, 1, SHAPE)).astype(np.float32)
        found = own_contrast_residual(image, *anatomy, SPACING)
        assert "scatter by" in found.failure
        assert not found.z.any()
        assert not found.said.any()

    def test_hounsfield_units_that_have_nothing_to_do_with_the_anatomy(self, anatomy):
        image = np.random.default_rng(3).normal(35, 60, SHAPE).astype(np.float32)
        found = own_contrast_residual(image, *anatomy, SPACING, ct=True)
        assert re.search(r"scatter by \d+ HU around", found.failure)
        assert not found.said.any()

    def test_too_little_tissue(self, anatomy):
        t1w, brain = anatomy
        few = brain & (np.abs(places()) < 14).all(-1)
        found = own_contrast_residual(scanned(anatomy), t1w, few, SPACING)
        assert found.failure.startswith("only ")
        assert not found.z.any()

    def test_a_constant_scan(self, anatomy):
        found = own_contrast_residual(np.full(SHAPE, 7.0, np.float32), *anatomy, SPACING)
        assert found.failure is not None
        assert np.isfinite(found.z).all()
