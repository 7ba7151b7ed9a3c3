"""Every operator and its adjoint, norms, and what coils and data consistency promise."""

import numpy as np
import pytest
import torch

from sanum.kspace.coils import combined, made_up, normalized
from sanum.kspace.encoding import CoilEncoding
from sanum.kspace.fourier import fft, ifft, padded
from sanum.kspace.sampling import lattice
from sanum.kspace.sense import image_of, mean_kspace, view_shared


@pytest.fixture
def encoding(rng):
    maps = made_up(5, (12, 10), rng=rng).to(torch.complex128)
    return CoilEncoding(maps, lattice(8, 12, 4))


def are_adjoint(a, a_adjoint, x, y):
    """⟨A x, y⟩ = ⟨x, Aᴴ y⟩ to 1e-5 of the size of both."""
    left, right = torch.vdot(y.flatten(), a(x).flatten()), torch.vdot(a_adjoint(y).flatten(), x.flatten())
    assert abs(left - right) < 1e-5 * max(abs(left), 1)


@pytest.mark.parametrize(("shape", "dims"), [((7, 8), (0, 1)), ((4, 9), (1,)), ((5, 6, 7), (0, 2))])
def test_transforms_are_adjoint_inverse_and_keep_the_norm(drawn, shape, dims):
    x, y = drawn(*shape), drawn(*shape)
    are_adjoint(lambda a: fft(a, *dims), lambda b: ifft(b, *dims), x, y)
    torch.testing.assert_close(ifft(fft(x, *dims), *dims), x)
    torch.testing.assert_close(fft(x, *dims).norm(), x.norm())


def test_a_constant_is_one_line_at_the_centre():
    for n in (7, 8):
        k = fft(torch.ones(n, dtype=torch.complex128), 0)
        expected = torch.zeros(n, dtype=torch.complex128)
        expected[n // 2] = n**0.5
        torch.testing.assert_close(k, expected)


def test_encoding_and_its_adjoint(drawn, encoding):
    x, y = drawn(8, 12, 10), drawn(5, 8, 12, 10)
    are_adjoint(encoding.forward, encoding.adjoint, x, y)
    assert encoding.forward(x).norm() <= x.norm()


@pytest.mark.parametrize("lines", [11, 12])
def test_the_normal_operator_is_both_in_turn(drawn, rng, lines):
    maps = made_up(5, (lines, 7), rng=rng).to(torch.complex128)
    encoding = CoilEncoding(maps, torch.from_numpy(rng.uniform(size=(6, lines)) < 0.4))
    x = drawn(6, lines, 7)
    torch.testing.assert_close(encoding.normal(x), encoding.adjoint(encoding.forward(x)))


def test_padding_is_the_adjoint_of_cutting(drawn):
    for few, size in ((4, 9), (5, 8), (4, 8), (5, 9)):
        x, y = drawn(3, few), drawn(3, size)
        first = size // 2 - few // 2
        are_adjoint(lambda a, n=size: padded(a, n, 1), lambda b, f=first, m=few: b[:, f : f + m], x, y)
    with pytest.raises(ValueError, match="8 lines cannot be padded to 4"):
        padded(drawn(8), 4, 0)


def test_multi_coil_is_coil_combined_where_the_coils_are_known(drawn, encoding):
    """Of all lines the combined image is the image; one coil that sees all is as many."""
    x = drawn(8, 12, 10)
    full = fft(encoding.maps[:, None] * x, -2)
    torch.testing.assert_close(image_of(full, encoding.maps), x)
    alike = normalized(torch.full((5, 12, 10), 0.3 + 0.1j, dtype=torch.complex128))
    single = CoilEncoding(torch.ones(1, 12, 10, dtype=torch.complex128), encoding.mask)
    many = CoilEncoding(alike, encoding.mask)
    torch.testing.assert_close(
        many.adjoint(many.forward(x)), single.adjoint(single.forward(x)), atol=1e-10, rtol=0
    )


def test_maps_are_normalized(rng):
    maps = made_up(6, (16, 20), rng=rng)
    torch.testing.assert_close(maps.abs().square().sum(0), torch.ones(16, 20))
    unseen = maps.clone()
    unseen[:, :3] = 0
    assert not normalized(unseen)[:, :3].any()
    x = torch.randn(2, 16, 20, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(combined(maps[:, None] * x, maps), x)


def test_consistency_puts_in_what_was_measured(drawn):
    """One coil: measured lines are the data, others the prediction; ν = 1 changes nothing, ½ is between."""
    one = CoilEncoding(torch.ones(1, 12, 10, dtype=torch.complex128), lattice(8, 12, 3))
    x, y = drawn(8, 12, 10), drawn(1, 8, 12, 10)
    measured = one.mask[:, :, None]
    k, hard = fft(x, -2), fft(one.consistent(x, y), -2)
    torch.testing.assert_close(hard, torch.where(measured, y[0], k))
    torch.testing.assert_close(one.consistent(x, y, 1.0), x)
    torch.testing.assert_close(fft(one.consistent(x, y, 0.5), -2), torch.where(measured, (y[0] + k) / 2, k))


def test_view_sharing_takes_the_nearest_frame_and_the_mean_all_lines(drawn):
    mask = lattice(8, 12, 4)
    y = drawn(2, 8, 12, 3) * mask[:, :, None]
    shared = view_shared(y, mask)
    assert (shared != 0).all()
    for t, k in np.ndindex(8, 12):
        sources = torch.nonzero(mask[:, k])[:, 0]
        nearest = sources[(sources - t).abs().argmin()]  # the first of two is the earlier
        torch.testing.assert_close(shared[:, t, k], y[:, nearest, k])
    torch.testing.assert_close(mean_kspace(y, mask), y.sum(1) / 2)
