"""k-t SENSE is exact with the true prior, and the other solvers where they must be."""

import pytest
import torch

from sanum.kspace.coils import espirit, made_up
from sanum.kspace.encoding import CoilEncoding
from sanum.kspace.fourier import fft, ifft
from sanum.kspace.ktsense import fold_of, kt_sense, noise_of, prior_of, require_groups, unfolded
from sanum.kspace.lowrank import low_rank_sparse
from sanum.kspace.sampling import lattice, variable_density
from sanum.kspace.sense import sense, without_mean


def moving(drawn, frames, y, x, frequencies=(1, 3)):
    """A still image, and a few pixels that beat at frequencies that the lattice's mean does not mix up."""
    t = torch.arange(frames)
    image = drawn(1, y, x).repeat(frames, 1, 1)
    for f in frequencies:
        beat = torch.zeros(1, y, x, dtype=torch.complex128)
        beat[:, 5:8, 4:9] = drawn(1, 3, 5)
        image = image + beat * torch.cos(2 * torch.pi * f * t / frames)[:, None, None]
    return image


@pytest.mark.parametrize("acceleration", [2, 3, 4, 5, 8])
def test_a_lattice_folds_each_point_onto_as_many_places(acceleration):
    fold = fold_of(lattice(2 * acceleration, 3 * acceleration, acceleration, shift=1))
    assert len(fold) == acceleration
    assert len({y % (3 * acceleration) for _, y, _ in fold}) == acceleration
    assert all(abs(abs(w) - 1 / acceleration) < 1e-9 for _, _, w in fold)


@pytest.mark.parametrize("acceleration", [4, 8])
def test_kt_sense_with_the_true_prior_and_no_noise_is_exact(drawn, rng, acceleration):
    """Fewer coils than images: the coils alone could not tell them apart at R = 8."""
    x = moving(drawn, 16, 16, 12)
    encoding = CoilEncoding(made_up(6, (16, 12), rng=rng).to(torch.complex128), lattice(16, 16, acceleration))
    y = encoding.forward(x)
    mean, _ = without_mean(y, encoding)
    found = kt_sense(y, encoding, prior_of(x - mean), noise=0.0)
    assert (found - x).norm() < 1e-5 * x.norm()


def test_groups_solve_the_whole_system(drawn, rng):
    """Against one dense matrix of all of x-f space."""
    frames, lines, wide, coils = 4, 4, 1, 2
    maps = made_up(coils, (lines, wide), rng=rng).to(torch.complex128)
    encoding = CoilEncoding(maps, lattice(frames, lines, 2))
    prior = drawn(frames, lines, wide).abs().square()
    units = torch.eye(frames * lines, dtype=torch.complex128).reshape(-1, frames, lines, wide)
    whole = torch.stack([fft(ifft(encoding.forward(ifft(u, 0)), -2), 1).flatten() for u in units], 1)
    y = encoding.forward(drawn(frames, lines, wide))
    folded = fft(ifft(y, -2), 1).flatten()
    spread = prior.flatten()[:, None] * whole.mH
    noise = 0.3
    # each group has R copies of its equations, of which the solver takes one
    expected = spread @ torch.linalg.solve(
        whole @ spread + 2 * noise * torch.eye(len(folded), dtype=torch.complex128), folded
    )
    found = unfolded(y, maps, encoding.mask, prior, noise)
    torch.testing.assert_close(found.flatten(), expected)


def test_lines_of_the_centre_do_not_disturb_the_groups(drawn, rng):
    x = moving(drawn, 16, 16, 12)
    maps = made_up(6, (16, 12), rng=rng).to(torch.complex128)
    encoding = CoilEncoding(maps, lattice(16, 16, 4, always=4))
    y = encoding.forward(x)
    mean, _ = without_mean(y, encoding)
    found = kt_sense(y, encoding, prior_of(x - mean), noise=0.0)
    assert (found - x).norm() < 1e-5 * x.norm()


def test_lines_of_the_centre_have_the_last_word(drawn, rng):
    """Where the prior lacks a beat that the always measured lines have."""
    x = moving(drawn, 16, 16, 12)
    maps = made_up(6, (16, 12), rng=rng).to(torch.complex128)
    encoding = CoilEncoding(maps, lattice(16, 16, 4, always=6))
    y = encoding.forward(x)
    still = kt_sense(y, encoding, torch.zeros(16, 16, 12, dtype=torch.float64), noise=1.0)
    mean, rest = without_mean(y, encoding)
    centre = encoding.mask.all(0)
    left = (encoding.forward(still) - y)[:, :, centre].norm() / rest[:, :, centre].norm()
    assert left < 0.5
    assert (still - x).norm() < 0.8 * (mean - x).norm()


def test_without_training_its_own_solutions_are_the_prior(drawn, rng):
    x = moving(drawn, 16, 16, 12)
    encoding = CoilEncoding(made_up(6, (16, 12), rng=rng).to(torch.complex128), lattice(16, 16, 4))
    found = kt_sense(encoding.forward(x), encoding, noise=1e-9)
    assert (found - x).norm() < 0.02 * x.norm()


def test_the_noise_is_found(drawn):
    y = 0.1 * drawn(4, 16, 32, 32) / 2**0.5
    mask = lattice(16, 32, 4)
    assert noise_of(y * mask[:, :, None], mask) == pytest.approx(0.01 / 4, rel=0.1)


def test_sense_is_exact_where_coils_see_enough(drawn, rng):
    x = drawn(4, 8, 6)
    encoding = CoilEncoding(made_up(12, (8, 6), rng=rng).to(torch.complex128), lattice(4, 8, 2))
    found = sense(encoding.forward(x), encoding, damping=1e-9, iterations=60)
    assert (found - x).norm() < 1e-3 * x.norm()


def test_solvers_are_at_their_end(drawn, rng):
    """Twice the iterations change little: what methods differ in is not how long they ran."""
    x = moving(drawn, 16, 16, 12, (3,))
    encoding = CoilEncoding(made_up(6, (16, 12), rng=rng).to(torch.complex128), lattice(16, 16, 4))
    y = encoding.forward(x)
    y = y + 0.02 * drawn(*y.shape) * encoding.mask[:, :, None]
    for once, twice in (
        (sense(y, encoding), sense(y, encoding, iterations=80)),
        (low_rank_sparse(y, encoding), low_rank_sparse(y, encoding, iterations=200)),
    ):
        assert (once - twice).norm() < 0.02 * twice.norm()


def test_low_rank_and_sparse_recovers_a_beat_from_random_lines(drawn, rng):
    x = moving(drawn, 16, 16, 12, (3,))
    encoding = CoilEncoding(
        made_up(6, (16, 12), rng=rng).to(torch.complex128), variable_density(16, 16, 2, rng=rng)
    )
    found = low_rank_sparse(encoding.forward(x), encoding, low_rank=0.01, sparse=0.01, iterations=40)
    start = encoding.adjoint(encoding.forward(x))
    assert (found - x).norm() < 0.4 * (start - x).norm()


def test_what_kt_sense_cannot_use_is_one_sentence(rng):
    with pytest.raises(ValueError, match="18 lines do not divide by 4"):
        require_groups(lattice(8, 18, 4))
    with pytest.raises(ValueError, match="10 frames do not divide by 4"):
        require_groups(lattice(10, 16, 4))
    with pytest.raises(ValueError, match="lines on a lattice"):
        require_groups(variable_density(8, 16, 2, rng=rng))


@pytest.mark.full
def test_espirit_finds_the_maps_up_to_a_phase(rng):
    maps = made_up(4, (32, 32), rng=rng)
    y, x = torch.meshgrid(torch.linspace(-1, 1, 32), torch.linspace(-1, 1, 32), indexing="ij")
    image = ((y**2 + x**2) < 0.8).to(torch.complex64)
    found = espirit(fft(maps * image, -2))
    inside = (y**2 + x**2) < 0.6
    alike = (found.conj() * maps).sum(0).abs()[inside]
    assert alike.min() > 0.97
