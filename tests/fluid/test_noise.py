import numba
import numpy as np
import pytest

from sanum.fluid import gradient_noise


def slow_noise(shape, periods, seed):
    """Perlin noise by its definition, one voxel at a time."""
    rng = np.random.default_rng(seed)
    gradients = rng.standard_normal((*(int(np.ceil(p)) + 2 for p in periods), 3)).astype(np.float32)
    gradients /= np.linalg.norm(gradients, axis=-1, keepdims=True)
    out = np.zeros(shape)
    for index in np.ndindex(*shape):
        x = np.array(index) * np.array(periods) / np.array(shape)
        low = np.floor(x).astype(int)
        t = x - low
        for corner in np.ndindex(2, 2, 2):
            fade = 6 * t**5 - 15 * t**4 + 10 * t**3
            weight = np.prod(np.where(corner, fade, 1 - fade))
            out[index] += weight * (gradients[tuple(low + corner)] @ (t - corner))
    return out


def test_equals_its_definition():
    noise = gradient_noise((5, 6, 4), (2.0, 1.5, 3.0), rng=np.random.default_rng(4))
    np.testing.assert_allclose(noise, slow_noise((5, 6, 4), (2.0, 1.5, 3.0), 4), atol=1e-6)


def test_zero_at_lattice_points_and_bounded():
    noise = gradient_noise((16, 16, 16), (4, 4, 4), rng=np.random.default_rng(0))
    assert (noise[::4, ::4, ::4] == 0).all()
    assert 0.1 < np.abs(noise).max() <= 1


def test_offset_reads_between_the_samples():
    fine = gradient_noise((12, 12, 12), (3, 3, 3), rng=np.random.default_rng(1))
    between = gradient_noise((6, 6, 6), (3, 3, 3), rng=np.random.default_rng(1), offset=(0.5, 0.0, 0.5))
    np.testing.assert_allclose(between, fine[1::2, ::2, 1::2], atol=1e-6)


def test_seed_decides():
    def draw(seed):
        return gradient_noise((7, 5, 6), (2, 2, 2), rng=np.random.default_rng(seed))

    assert np.array_equal(draw(3), draw(3))
    assert not np.array_equal(draw(3), draw(4))


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="needs two threads")
def test_same_bits_on_one_and_two_threads():
    before, results = numba.get_num_threads(), []
    try:
        for threads in (1, 2):
            numba.set_num_threads(threads)
            results.append(gradient_noise((33, 17, 9), (3.3, 2.0, 1.1), rng=np.random.default_rng(5)))
    finally:
        numba.set_num_threads(before)
    assert np.array_equal(*results)


@pytest.mark.parametrize(("shape", "periods"), [((0, 4, 4), (1, 1, 1)), ((4, 4, 4), (1, 0, 1))])
def test_bad_input(shape, periods):
    with pytest.raises(ValueError, match="shape and periods"):
        gradient_noise(shape, periods, rng=np.random.default_rng(0))
