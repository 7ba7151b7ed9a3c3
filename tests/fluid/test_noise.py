import numba
import numpy as np
import pytest

from sanum.fluid import gradient_noise


def slow_noise(shape, periods, seed):
    """Perlin noise by its definition, one voxel at a time."""
    rng = np.random.default_rng(seed)
    n = len(shape)
    gradients = rng.standard_normal((*(int(np.ceil(p)) + 2 for p in periods), n)).astype(np.float32)
    gradients /= np.linalg.norm(gradients, axis=-1, keepdims=True)
    out = np.zeros(shape)
    for index in np.ndindex(*shape):
        x = np.array(index) * np.array(periods) / np.array(shape)
        low = np.floor(x).astype(int)
        t = x - low
        for corner in np.ndindex((2,) * n):
            fade = 6 * t**5 - 15 * t**4 + 10 * t**3
            weight = np.prod(np.where(corner, fade, 1 - fade))
            out[index] += weight * (gradients[tuple(low + corner)] @ (t - corner))
    return out


def test_equals_its_definition():
    for shape, periods in (((5, 6, 4), (2.0, 1.5, 3.0)), ((7, 9), (2.0, 3.4))):
        noise = gradient_noise(shape, periods, rng=np.random.default_rng(4))
        np.testing.assert_allclose(noise, slow_noise(shape, periods, 4), atol=1e-6)


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


@pytest.mark.parametrize(
    ("shape", "periods", "name"), [((0, 4, 4), (1, 1, 1), "shape"), ((4, 4, 4), (1, 0, 1), "periods")]
)
def test_bad_input(shape, periods, name):
    with pytest.raises(ValueError, match=f"{name} must be"):
        gradient_noise(shape, periods, rng=np.random.default_rng(0))


@pytest.mark.parametrize("n", [2, 3])
def test_range_of_one_octave(n):
    """At most √n/2, the distance of a cell's middle from its corners."""
    top = max(
        np.abs(gradient_noise((40,) * n, (10.0,) * n, rng=np.random.default_rng(seed))).max()
        for seed in range(20)
    )
    assert 0.6 * np.sqrt(n) / 2 < top <= np.sqrt(n) / 2


@pytest.mark.parametrize("n", [2, 3])
def test_gradient_at_a_lattice_point_is_the_drawn_one(n):
    """The fade is flat at both ends, so the slope there is the lattice point's own gradient."""
    cells, fine = 3, 3000
    rng = np.random.default_rng(7)
    gradients = rng.standard_normal((*(cells + 2,) * n, n)).astype(np.float32)
    gradients /= np.linalg.norm(gradients, axis=-1, keepdims=True)
    for axis in range(n):
        shape = tuple(fine if a == axis else cells for a in range(n))
        noise = gradient_noise(shape, (float(cells),) * n, rng=np.random.default_rng(7))
        line = noise[tuple(slice(None) if a == axis else 1 for a in range(n))].astype(float)
        here = fine // cells  # lattice point 1 along the axis
        slope = (line[here + 1] - line[here - 1]) / 2 * here
        assert slope == pytest.approx(float(gradients[(1,) * n][axis]), abs=2e-3)


def test_octaves_add_finer_and_weaker_noise():
    def draw(octaves, persistence=0.5):
        return gradient_noise(
            (32, 32), (2.0, 2.0), rng=np.random.default_rng(3), octaves=octaves, persistence=persistence
        )

    rng = np.random.default_rng(3)
    parts = [gradient_noise((32, 32), (2.0 * 2**o,) * 2, rng=rng) for o in range(3)]
    expected = (parts[0] + 0.5 * parts[1] + 0.25 * parts[2]) / 1.75
    np.testing.assert_allclose(draw(3), expected, atol=1e-6)
    assert np.array_equal(draw(1), parts[0])
    assert np.abs(np.diff(draw(4), axis=0)).mean() > np.abs(np.diff(draw(1), axis=0)).mean()
    with pytest.raises(ValueError, match="octaves must be finite and at least 1, got 0"):
        draw(0)
    with pytest.raises(ValueError, match=r"persistence must be finite and positive, got 0\.0"):
        draw(2, persistence=0.0)


@pytest.mark.parametrize(("shape", "periods"), [((4,), (1.0,)), ((4, 4), (1.0,)), ((4, 4, 4, 4), (1.0,) * 4)])
def test_two_or_three_axes(shape, periods):
    with pytest.raises(ValueError, match=r"shape must be 2 or 3 numbers|periods must be 2 positive numbers"):
        gradient_noise(shape, periods, rng=np.random.default_rng(0))
