"""Diffeomorphic registration."""

import pytest
import torch

from sanum.space.deform import Stage, Target, deform, displacement_at
from sanum.space.similarity import LocalCorrelation, Squares
from sanum.space.velocity import Lattice, identity, jacobian, warp


def picture(shape, seed=0):
    """Blobs, near 1."""
    g = torch.Generator().manual_seed(seed)
    x = identity(shape)[0]
    image = torch.zeros(shape)
    for _ in range(60):
        centre = torch.rand(len(shape), generator=g) * torch.tensor(shape)
        wide = 1.5 + torch.rand(1, generator=g)
        image += torch.exp(-((x - centre.view(-1, *[1] * len(shape))) ** 2).sum(0) / (2 * wide**2))
    return (image / image.max())[None, None]


@pytest.mark.parametrize("distance", [LocalCorrelation(2), Squares()], ids=["lncc", "mse"])
@pytest.mark.parametrize("shape", [(64, 48), (32, 28, 24)])
def test_a_known_warp_is_found(shape, distance):
    lattice = Lattice(shape, 8)
    g = torch.Generator().manual_seed(3)
    true = torch.randn(1, len(shape), *lattice.points, generator=g)
    true *= 2.5 / displacement_at(true, lattice).norm(dim=1).mean()  # voxels
    fixed = picture(shape)
    moving = warp(fixed, displacement_at(-true, lattice))
    stiffness = 0.1 if isinstance(distance, LocalCorrelation) else 0.01
    target = Target(fixed, torch.ones(1, 1, *shape), lattice, distance, stiffness)
    found = deform(target, moving, lattice.zeros(), (Stage(2, 40, 0.4), Stage(1, 20, 0.2)))
    shift = displacement_at(found, lattice)
    there = (fixed > 0.2)[0, 0]
    away = (shift - displacement_at(true, lattice))[0].norm(dim=0)[there].mean()
    start = displacement_at(true, lattice)[0].norm(dim=0)[there].mean()
    assert away < 0.5 * start
    assert (warp(moving, shift) - fixed)[0, 0][there].abs().mean() < 0.35 * (moving - fixed)[0, 0][
        there
    ].abs().mean()
    assert jacobian(shift).min() > 0


def test_local_correlation_does_not_care_about_brightness():
    a = picture((24, 24, 24))
    inside = torch.ones_like(a)
    distance = LocalCorrelation(2, noise=1e-4)
    b = picture((24, 24, 24), seed=5)
    assert distance(a, 0.5 * a + 0.2, inside) == pytest.approx(0.0, abs=0.02)
    assert distance(a, 0.5 * b + 0.2, inside) == pytest.approx(float(distance(a, b, inside)), abs=0.02)


def test_shapes_that_cannot_be_halved_are_refused():
    with pytest.raises(ValueError, match="a multiple of 4 voxels"):
        Target(torch.zeros(1, 1, 10, 12), torch.ones(1, 1, 10, 12), Lattice((10, 12), 4), Squares(), 1.0)
