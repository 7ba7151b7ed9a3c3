"""Laws of the main job: what means the same scan gives the same result, in the same place of the world."""

from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sanum.healthy import reconstruct
from sanum.scan import Scan
from sanum.space.resample import resample

ORIENTATIONS = [
    np.column_stack([axes, signs]) for axes in permutations(range(3)) for signs in product((1, -1), repeat=3)
]
FEW = (5, 30)
MORE = (11, 20, 39, 41)  # with FEW: each order of axes, and each axis both ways
SLICES = st.tuples(*[st.integers(0, 12)] * 3)


@pytest.fixture(scope="module")
def head(phantom):
    """The phantom with texture, so that shifts show."""
    waves = np.sin(np.indices(phantom.voxels.shape).sum(0) / 2.0)
    return phantom.with_voxels((phantom.voxels * (1 + 0.05 * waves)).astype(np.float32))


@pytest.fixture(scope="module")
def expected(head, laws):
    return laws(head)


@pytest.fixture(scope="module")
def laws(phantom_predictor_type):
    """The main job with a method that knows the phantom."""
    return lambda scan: reconstruct(scan, predictor=phantom_predictor_type())


def assert_same(result, expected):
    """In world space, on the grid of `expected`."""
    for name in ("anatomy", "anomaly", "brain"):
        ours, theirs = result.images[name], expected.images[name]
        there = resample(np.asarray(ours.voxels, np.float32), ours.grid, theirs.grid, antialias=False)
        np.testing.assert_allclose(there, theirs.voxels, atol=2e-3, err_msg=name)


@pytest.mark.parametrize(
    "number",
    [*FEW, *(pytest.param(n, marks=pytest.mark.full) for n in MORE)],
)
def test_however_it_is_stored(head, expected, laws, number):
    image = nib.Nifti1Image(np.asarray(head.voxels), head.affine).as_reoriented(ORIENTATIONS[number])
    assert_same(laws(Scan(np.asarray(image.dataobj), image.affine)), expected)


FEW_EXAMPLES = settings(max_examples=1, deadline=None)  # beside those that are hard; seconds each


@FEW_EXAMPLES
@given(before=SLICES, after=SLICES)
@example(before=(30, 0, 0), after=(0, 0, 0))
def test_more_background(head, expected, laws, before, after):
    affine = head.affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ before
    padded = np.pad(np.asarray(head.voxels), list(zip(before, after, strict=True)))
    assert_same(laws(Scan(padded, affine)), expected)


@pytest.mark.full
@FEW_EXAMPLES
@given(gain=st.floats(-12, 12).map(lambda power: 10**power), offset=st.floats(-100, 100))
@example(gain=1e-12, offset=0)
@example(gain=300, offset=-133)
def test_other_numbers(head, expected, laws, gain, offset):
    voxels = (gain * (head.voxels.astype(np.float64) + offset)).astype(np.float32)
    assert_same(laws(head.with_voxels(voxels)), expected)
