"""Skeletons: their topology by scikit-image, their gradients, and two backends that are one function."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.measure import euler_number, label

from sanum.nets.skeleton import binarise, skeletonize
from sanum.nets.skeleton_cells import CORNERS, EDGES, FACES, OFFSETS
from sanum.nets.skeleton_cpu import is_simple


def thin(mask, **how):
    return skeletonize(torch.from_numpy(mask)[None, None], **how)[0, 0].numpy()


def betti(mask):
    """Parts, tunnels, cavities of an object of 26 neighbours (8 in 2-D, where there are no cavities)."""
    padded = np.pad(mask, 1)
    parts = label(padded, connectivity=mask.ndim).max()
    holes = label(~padded, connectivity=1).max() - 1
    euler = euler_number(padded, connectivity=mask.ndim)
    return (parts, holes) if mask.ndim == 2 else (parts, parts + holes - euler, holes)


def ball(n, centre=None, shape=None):
    grid = np.indices(shape or (2 * n + 5,) * 3)
    centre = np.array(centre or [s // 2 for s in grid.shape[1:]]).reshape(3, 1, 1, 1)
    return ((grid - centre) ** 2).sum(0) <= n**2


def torus():
    z, y, x = np.indices((13, 30, 31)) - np.array([6, 15, 15]).reshape(3, 1, 1, 1)
    return (np.hypot(y, x) - 9) ** 2 + z**2 <= 12


def tree(seed, shape=(22, 23, 24)):
    rng, lines = np.random.default_rng(seed), np.zeros(shape, bool)
    knots = [np.array(shape) / 2]
    for _ in range(6):
        a, b = knots[rng.integers(len(knots))], rng.uniform(3, np.array(shape) - 4)
        for t in np.linspace(0, 1, 40):
            lines[tuple(np.round(a + t * (b - a)).astype(int))] = True
        knots.append(b)
    return ndimage.distance_transform_edt(~lines) <= rng.uniform(1.2, 2.5)


def noise(seed, shape=(13, 14, 15), sigma=1.0):
    blurred = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), sigma)
    return blurred > 0.1 * blurred.std()


PHANTOMS = {
    "torus": (torus(), (1, 1, 0)),
    "shell": (ball(8) & ~ball(4, shape=(21,) * 3), (1, 0, 1)),
    "ball": (ball(6), (1, 0, 0)),
    "two trees": (np.concatenate([tree(0), tree(1)]), None),
    "noise": (noise(0, (24, 25, 26)), None),
    "ring": (torus()[6], (1, 1)),
    "noise in a plane": (noise(1, (40, 41)), None),
}


@pytest.mark.parametrize("name", PHANTOMS)
def test_the_skeleton_has_the_betti_numbers_of_its_object(name):
    mask, known = PHANTOMS[name]
    thinned = thin(mask)
    assert betti(thinned) == betti(mask) == (known or betti(mask))
    assert not (thinned & ~mask).any()
    assert thinned.sum() < mask.sum() / 2
    np.testing.assert_array_equal(thin(thinned), thinned)  # thinned to the end
    np.testing.assert_array_equal(thin(mask, num_iter=100), thinned)
    after_two = thin(mask, num_iter=2)
    assert betti(after_two) == betti(mask)
    assert thinned.sum() <= after_two.sum() < mask.sum()


def check_any_mask(mask):
    thinned = thin(mask)
    assert betti(thinned) == betti(mask)
    np.testing.assert_array_equal(thin(thinned), thinned)


SIZES = st.tuples(*[st.integers(3, 7)] * 3)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(SIZES, st.floats(0.1, 0.9), st.integers(0, 2**32 - 1), st.booleans())
def test_any_volume_keeps_its_topology(shape, share, seed, flat):
    check_any_mask(np.random.default_rng(seed).random(shape[1:] if flat else shape) < share)


@pytest.mark.parametrize("shape", [*itertools.product((7, 8), repeat=3), (8, 9), (7, 6)])
def test_both_backends_give_the_same_bits_and_gradients(shape):
    mask = torch.from_numpy(np.stack([noise(n, shape) for n in (0, 1)])[:, None]).double()
    weight = torch.from_numpy(np.random.default_rng(0).normal(size=mask.shape))
    for test in ("boolean", "euler") if shape[:2] in ((7, 8), (8, 9)) else ("boolean",):
        thinned, gradients = [], []
        for backend in ("numba", "torch"):
            x = mask.clone().requires_grad_()
            y = skeletonize(x, test=test, backend=backend)
            (y * weight).sum().backward()
            thinned.append(y.detach())
            gradients.append(x.grad)
        assert torch.equal(*thinned)
        assert thinned[0].sum() < mask.sum()
        torch.testing.assert_close(*gradients, atol=1e-9, rtol=0)
        assert torch.equal(skeletonize(mask[1:], test=test)[0], thinned[0][1])  # a batch is its members


def test_a_turned_view_is_its_copy():
    for shape in ((7, 8, 9), (7, 8)):  # as nibabel's arrays, whose first axis is the fastest
        mask = torch.from_numpy(noise(0, shape)).double().permute(*reversed(range(len(shape))))[None, None]
        found = []
        for x in (mask, mask.contiguous()):
            x.requires_grad_()
            y = skeletonize(x)
            y.mT.contiguous().mT.square().sum().backward()
            found += [y.detach(), x.grad]
        assert torch.equal(found[0], found[2])
        assert torch.equal(found[1], found[3])


def test_flips_flip_along_axes_of_odd_length():
    mask = noise(3, (13, 15, 11))
    for axes in ((0,), (1,), (2,), (0, 1, 2)):
        np.testing.assert_array_equal(thin(np.flip(mask, axes).copy()), np.flip(thin(mask), axes))
    even = noise(3, (12, 12, 12))
    assert betti(thin(np.flip(even).copy())) == betti(np.flip(thin(even)))


def test_isolated_voxels_and_lines_stay():
    mask = np.zeros((9, 9, 9), bool)
    mask[1, 1, 1] = mask[7, 7, 1] = mask[4, 2:7, 5] = True
    np.testing.assert_array_equal(thin(mask), mask)
    assert not thin(np.zeros((4, 4), bool)).any()


def test_the_gradient_goes_outwards_from_what_was_peeled_and_stays_with_what_stayed():
    mask = torch.zeros(1, 1, 7, 9, dtype=torch.float64)
    mask[..., 2:5, 1:8] = 1
    x = mask.clone().requires_grad_()
    y = skeletonize(x)
    y.sum().backward()
    assert torch.equal(x.grad[y == 1], 1 + 0 * x.grad[y == 1])
    assert (x.grad[mask == 0] > 0).any()  # filling these would let more stay
    x = mask.clone().requires_grad_()
    out = skeletonize(x)
    out[0, 0, 4, 4].backward()  # peeled from the row below
    assert out[0, 0, 4, 4] == 0
    assert x.grad.nonzero().tolist() == [[0, 0, 5, 4]]
    grown = mask.clone()
    grown[..., 5:6, 1:8] = 1
    # what the gradient asks for moves the skeleton towards where it was wanted
    rows = torch.arange(7.0, dtype=torch.float64)[:, None]
    assert (skeletonize(grown) * rows).sum() / skeletonize(grown).sum() > (out * rows).sum() / out.sum()


def test_the_gradient_of_many_iterations_is_no_larger_than_what_comes_in():
    x = torch.from_numpy(ball(9).astype(np.float32))[None, None].requires_grad_()
    weight = torch.from_numpy(np.random.default_rng(0).normal(size=x.shape).astype(np.float32))
    (skeletonize(x) * weight).sum().backward()
    assert 0 < x.grad.abs().sum() <= weight.abs().sum() * (1 + 1e-5)


def test_the_euler_test_is_only_approximate():
    bits = {o: 1 << n for n, o in enumerate(OFFSETS)}
    rng = np.random.default_rng(0)
    both = euler_only = 0
    for _ in range(3000):
        code = sum(bits[o] for o in FACES + EDGES + CORNERS if rng.random() < 0.4)
        exact, euler = is_simple(code, False), is_simple(code, True)
        assert euler or not exact  # necessary
        both, euler_only = both + exact, euler_only + (euler and not exact)
    assert both > 0
    assert euler_only > 0
    assert "approximate" in skeletonize.__doc__
    assert any(betti(thin(m, test="euler")) != betti(m) for m in map(noise, range(12)))


def simple_by_definition(code):
    """One part of the object among 26, and one of the background among 18 that has a face."""
    block = np.array([bool(code >> n & 1) for n in range(27)]).reshape(3, 3, 3)
    block[1, 1, 1] = False
    distance = np.abs(np.indices((3, 3, 3)) - 1).sum(0)
    around = label(~block & (distance <= 2) & (distance > 0), connectivity=1)
    return label(block, connectivity=3).max() == 1 and len(set(around[distance == 1]) - {0}) == 1


@pytest.mark.parametrize("number", [300, pytest.param(6000, marks=pytest.mark.full)])
def test_the_boolean_test_is_that_of_a_simple_point(number):
    codes = np.random.default_rng(1).integers(0, 2**27, number)
    sparse = codes & np.random.default_rng(2).integers(0, 2**27, number)
    found = [bool(is_simple(int(c) & ~(1 << 13), False)) for c in (*codes, *sparse, *~sparse & (2**27 - 1))]
    wanted = [simple_by_definition(int(c)) for c in (*codes, *sparse, *~sparse & (2**27 - 1))]
    assert found == wanted
    assert any(wanted)


def test_binarise_draws_by_logistic_noise_and_lets_gradients_through():
    p = torch.full((40_000,), 0.6, dtype=torch.float64, requires_grad=True)
    drawn = binarise(p, generator=torch.Generator().manual_seed(0))
    assert set(drawn.tolist()) == {0.0, 1.0}
    wanted = 1 / (1 + (0.4 / 0.6) ** (1 / 0.33))
    assert drawn.detach().mean().item() == pytest.approx(wanted, abs=4 * (wanted * (1 - wanted) / 4e4) ** 0.5)
    ends = torch.tensor([0.0, 1e-3, 0.5, 0.7, 1.0], requires_grad=True)
    hard = binarise(ends)
    hard.sum().backward()
    assert hard.tolist() == [0, 0, 0, 1, 1]
    assert ends.grad.tolist() == pytest.approx([1] * 5, rel=1e-4)  # at τ = 1 and without noise, q is p
    assert torch.equal(
        binarise(p, generator=torch.Generator().manual_seed(3)),
        binarise(p, generator=torch.Generator().manual_seed(3)),
    )


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: skeletonize(torch.full((1, 1, 5, 5), 0.5)), "mask of 0 and 1; binarise makes one"),
        (lambda: skeletonize(torch.ones(1, 1, 5, 5).half()), "float16 is not exact here"),
        (lambda: skeletonize(torch.ones(1, 1, 2, 5, 5)), "3 elements or more, not"),
        (lambda: skeletonize(torch.ones(1, 1, 1, 5, 5)), "one plane of a volume as an image of two axes"),
        (lambda: skeletonize(torch.ones(5, 5)), "not 2 axes"),
        (lambda: skeletonize(torch.ones(1, 1, 5, 5), num_iter=-1), "num_iter must be 0 or more"),
        (lambda: skeletonize(torch.ones(1, 1, 5, 5), test="lee"), "boolean, euler, not 'lee'"),
        (lambda: skeletonize(torch.ones(1, 1, 5, 5, device="meta")[:0], backend="numba"), "on a CPU, not on"),
        (lambda: binarise(torch.tensor([1.5])), r"probabilities in \[0, 1\]"),
        (lambda: binarise(torch.tensor([0.5]).bfloat16()), "bfloat16 is not exact here"),
        (lambda: binarise(torch.tensor([0.5]), tau=0), "tau more than 0"),
    ],
)
def test_bad_input_gets_a_sentence(call, said):
    with pytest.raises(ValueError, match=said):
        call()
