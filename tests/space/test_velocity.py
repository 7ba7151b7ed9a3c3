"""Velocities on splines, and their flows."""

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline

from sanum.space.velocity import Lattice, bending_energy, compose, exponential, finer, jacobian, warp

SHAPES = ((48, 40), (24, 28, 20))


def smooth(lattice, amplitude, seed=0):
    """Random coefficients that are smooth over several control points."""
    c = torch.randn(1, len(lattice.shape), *lattice.points, generator=torch.Generator().manual_seed(seed))
    pool = torch.nn.functional.avg_pool3d if c.dim() == 5 else torch.nn.functional.avg_pool2d
    c = pool(c, 3, 1, 1)
    return amplitude * c / c.abs().max()


def inner(x, margin=6):
    """Without the border."""
    return x[(slice(None), slice(None), *[slice(margin, -margin)] * (x.dim() - 2))]


def test_the_field_is_scipys_spline():
    lattice = Lattice((30, 20), 4)
    c = torch.randn(1, 2, *lattice.points, generator=torch.Generator().manual_seed(1))
    knots = [4.0 * np.arange(-3, m + 1) for m in lattice.points]
    rows = [
        BSpline.design_matrix(np.arange(n, dtype=float), k, 3).toarray()
        for n, k in zip((30, 20), knots, strict=True)
    ]
    expected = np.einsum("xa,dab,yb->dxy", rows[0], c[0].numpy(), rows[1])
    np.testing.assert_allclose(lattice.field(c)[0].numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_blocks_have_the_value_at_their_centres(shape):
    lattice = Lattice(shape, 4)
    c = smooth(lattice, 2.0)
    fine = lattice.field(c)
    pool = torch.nn.functional.avg_pool3d if fine.dim() == 5 else torch.nn.functional.avg_pool2d
    assert (pool(fine, 2) - lattice.field(c, 2)).abs().max() < 0.03  # a mean of two is near the middle
    assert (inner(finer(lattice.field(c, 2), 2)) - inner(fine)).abs().max() < 0.1


@pytest.mark.parametrize("shape", SHAPES)
def test_there_and_back_is_nowhere(shape):
    lattice = Lattice(shape, 8)
    v = lattice.field(smooth(lattice, 3.0))
    there, back = exponential(v), exponential(-v)
    assert there.norm(dim=1).max() > 1.5
    assert inner(compose(there, back)).norm(dim=1).max() < 0.05
    assert jacobian(there).min() > 0


def test_more_squarings_converge():
    lattice = Lattice((48, 40), 8)
    v = lattice.field(smooth(lattice, 4.0)).double()
    best = exponential(v, 12)
    errors = [float(inner(exponential(v, n) - best).abs().max()) for n in (2, 3, 4)]
    assert errors[0] / errors[1] > 1.6
    assert errors[1] / errors[2] > 1.6


def test_a_constant_velocity_is_a_shift():
    v = torch.full((1, 2, 16, 16), 2.0)
    assert torch.allclose(exponential(v), v)
    image = torch.rand(1, 1, 16, 16)
    assert torch.allclose(warp(image, v)[..., :14, :14], image[..., 2:, 2:], atol=1e-5)


def test_bending_of_a_parabola():
    lattice = Lattice((40, 40), 4)
    x = 4.0 * (torch.arange(lattice.points[0]) - 1)
    c = torch.zeros(1, 2, *lattice.points)
    c[0, 0] = (x[:, None] ** 2) / 2  # second derivative 1, and the spline's constant is smooth
    assert bending_energy(c, 4) == pytest.approx(1.0)
    c[0, 0] = x[:, None] * x / 2  # mixed derivative a half, counted twice
    assert bending_energy(c, 4) == pytest.approx(0.5)
    c[0, 0] = 3 * x[:, None] + 2 * x
    assert bending_energy(c, 4) == pytest.approx(0.0, abs=1e-6)


def test_a_scale_changes_the_volume():
    index = torch.stack(torch.meshgrid(torch.arange(12.0), torch.arange(12.0), indexing="ij"))
    assert torch.allclose(jacobian(0.1 * index[None]), torch.tensor(1.21), atol=1e-4)
