"""Lattices cover all lines in R frames, and masks are known again."""

import numpy as np
import pytest
import torch

from sanum.kspace.fourier import fft
from sanum.kspace.sampling import STEPS, LineLattice, lattice, lattice_of, variable_density
from sanum.kspace.sense import mean_kspace


@pytest.mark.parametrize("acceleration", STEPS)
def test_frames_in_a_row_cover_all_lines_once(acceleration):
    mask = lattice(2 * acceleration, 3 * acceleration, acceleration)
    for first in range(acceleration + 1):
        assert (mask[first : first + acceleration].sum(0) == 1).all()


@pytest.mark.parametrize("acceleration", STEPS)
def test_a_lattice_is_known_again(acceleration):
    mask = lattice(12, 4 * acceleration + 1, acceleration, shift=1)
    assert lattice_of(mask) == LineLattice(acceleration, STEPS[acceleration], 1)
    assert torch.equal(lattice_of(mask).mask(*mask.shape), mask)


def test_lines_of_the_centre_are_told_apart():
    found = lattice_of(lattice(8, 32, 4, always=6))
    assert found == LineLattice(4, 1, 0, tuple(range(13, 19)))
    assert lattice_of(torch.ones(4, 8, dtype=torch.bool)) == LineLattice(1, 0, 0)


def test_other_masks_are_none(rng):
    assert lattice_of(variable_density(8, 32, 4, rng=rng)) is None
    swapped = lattice(8, 32, 4)[[1, 0, *range(2, 8)]]
    assert lattice_of(swapped) is None


def test_the_mean_over_whole_groups_of_frames_is_unaliased(drawn):
    """Of what stands still, exactly; of what moves at no multiple of 1/R of the frames' frequency, too."""
    still = drawn(1, 1, 16, 3)
    t = torch.arange(16)
    moves = 1 + 0.5 * torch.cos(2 * torch.pi * 3 * t / 16)
    k = fft(still, -2) * moves[:, None, None]
    mask = lattice(16, 16, 4)
    torch.testing.assert_close(mean_kspace(k * mask[:, :, None], mask), fft(still, -2)[:, 0])


def test_variable_density(rng):
    mask = variable_density(40, 64, 8, rng=rng, always=4)
    assert (mask.sum(1) == 8).all()
    assert mask[:, 30:34].all()
    inner, outer = mask[:, 16:30].float().mean(), mask[:, :14].float().mean()
    assert inner > 2 * outer
    assert torch.equal(mask, variable_density(40, 64, 8, rng=np.random.default_rng(3), always=4))


def test_what_cannot_be_sampled_is_refused(rng):
    with pytest.raises(ValueError, match="from 2 to 10, got 11"):
        lattice(8, 32, 11)
    with pytest.raises(ValueError, match="leaves 3 of 32 lines: expected at least 4"):
        variable_density(4, 32, 10, rng=rng)
