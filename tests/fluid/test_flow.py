import numpy as np
import pytest

from sanum.fluid import border_ramp, draw_flow
from sanum.fluid.noise import gradient_noise

SPACING = (1.0, 0.7, 1.9)
PERIODS = (3.0, 3.0, 3.0)


def between(domain, axis):
    """Faces along `axis` whose two cells are both in the domain."""
    padded = np.moveaxis(np.pad(domain, [(1, 1) if a == axis else (0, 0) for a in range(3)]), axis, 0)
    return np.moveaxis(padded[1:] & padded[:-1], 0, axis)


def peak(flow):
    return max(float(np.abs(v).max()) for v in flow.velocity)


def test_no_divergence_in_any_cell(domain):
    flow = draw_flow(domain, rng=2, spacing=SPACING, periods=PERIODS)
    total = sum(np.diff(v.astype(float), axis=a) / SPACING[a] for a, v in enumerate(flow.velocity))
    assert peak(flow) == pytest.approx(11, rel=1e-6)
    assert np.abs(total).max() <= 1e-6 * peak(flow) / min(SPACING)


def test_nothing_crosses_the_border(domain):
    flow = draw_flow(domain, rng=3, spacing=SPACING, periods=PERIODS)
    for axis in range(3):
        outside = ~between(domain, axis)
        assert outside.any()
        assert (flow.velocity[axis][outside] == 0).all()
        assert (flow.diffusivity[axis][outside] == 0).all()


def test_white_matter_has_thousands_of_border_faces(folds):
    padded = np.pad(folds, 1)
    assert sum(int(np.diff(padded, axis=a).sum()) for a in range(3)) > 2000


def test_diffusivity_is_not_negative_and_has_the_asked_size(domain):
    flow = draw_flow(domain, rng=4, spacing=SPACING, periods=PERIODS, diffusion_length=3.0)
    top = max(float(d.max()) for d in flow.diffusivity)
    assert min(float(d.min()) for d in flow.diffusivity) >= 0
    assert 0 < np.sqrt(2 * top) <= 3.0 * (1 + 1e-6)


def test_the_three_components_are_independent():
    n = 64  # one potential for all three would give velocities a correlation of -0.5
    flow = draw_flow(np.ones((n, n, n), bool), rng=0, periods=(14.0, 14.0, 14.0))
    x, y, z = (
        (np.take(v, range(n), a) + np.take(v, range(1, n + 1), a)).ravel()  # at the cells' middles
        for a, v in enumerate(flow.velocity)
    )
    assert np.abs(np.corrcoef([x, y, z])[np.triu_indices(3, 1)]).max() < 0.05


def test_three_potentials_are_independent():
    rng = np.random.default_rng(0)  # as draw_flow takes them: one after the other from one generator
    psi = [gradient_noise((64, 64, 64), (14.0, 14.0, 14.0), rng=rng).ravel() for _ in range(3)]
    assert np.abs(np.corrcoef(psi)[np.triu_indices(3, 1)]).max() < 0.05


def test_a_slice_flows_in_its_plane():
    domain = np.ones((24, 24, 1), bool)
    flow = draw_flow(domain, rng=1, periods=(3.0, 3.0, 1.0))
    assert peak(flow) == pytest.approx(11, rel=1e-6)
    assert not flow.velocity[2].any()


def test_seed_and_generator_agree():
    domain = np.ones((8, 9, 7), bool)
    a, b = draw_flow(domain, rng=7), draw_flow(domain, rng=np.random.default_rng(7))
    c = draw_flow(domain, rng=8)
    assert all(np.array_equal(u, v) for u, v in zip(a.velocity, b.velocity, strict=True))
    assert not np.array_equal(a.velocity[0], c.velocity[0])


def test_a_lone_voxel_stands_still():
    domain = np.zeros((5, 5, 5), bool)
    domain[2, 2, 2] = True
    assert peak(draw_flow(domain, rng=0)) == 0


def test_ramp_counts_millimetres():
    domain = np.ones((40, 40, 40), bool)
    fine, coarse = border_ramp(domain, (1.0, 1.0, 1.0)), border_ramp(domain, (2.0, 2.0, 2.0))
    assert fine[3, 20, 20] == pytest.approx(0.5)  # 4 mm of 8: the middle of the step
    assert coarse[1, 20, 20] == pytest.approx(0.5)
    assert fine[7:-7, 7:-7, 7:-7].min() == 1
    assert not border_ramp(~domain, (1.0, 1.0, 1.0)).any()


def test_a_ramp_does_not_depend_on_the_room_around():
    domain = np.random.default_rng(0).random((14, 12, 13)) > 0.05
    wide = np.pad(domain, ((3, 0), (0, 5), (2, 1)))
    got = border_ramp(wide, (1.0, 2.0, 1.5))
    assert np.array_equal(got[3:, :-5, 2:-1], border_ramp(domain, (1.0, 2.0, 1.5)))
    assert not got[~wide].any()


def test_a_ramp_at_hand_changes_nothing():
    domain = np.ones((9, 9, 9), bool)
    a = draw_flow(domain, rng=0)
    b = draw_flow(domain, rng=0, ramp=border_ramp(domain, (1.0, 1.0, 1.0)))
    assert np.array_equal(a.velocity[0], b.velocity[0])


@pytest.mark.parametrize("bad", [np.zeros((3, 3, 3), bool), np.ones(3, bool), np.ones((3, 3, 3), np.uint8)])
def test_bad_domain(bad):
    with pytest.raises(ValueError, match="domain"):
        draw_flow(bad, rng=0)


@pytest.mark.parametrize("bad", [(1.0, 0.0, 1.0), (1.0, -1.0, 1.0), (float("nan"), 1.0, 1.0)])
def test_bad_spacing(bad):
    with pytest.raises(ValueError, match="spacing"):
        draw_flow(np.ones((3, 3, 3), bool), rng=0, spacing=bad)


@pytest.mark.parametrize("kind", ["disc", "scattered"])
def test_a_plane_flows_along_its_stream_function(kind):
    x = np.linspace(-1, 1, 50)
    domain = x[:, None] ** 2 + x[:40] ** 2 < 0.8
    if kind == "scattered":
        domain &= np.random.default_rng(0).random(domain.shape) < 0.9
    spacing = (1.0, 1.6)
    flow = draw_flow(domain, rng=5, spacing=spacing, periods=(3.0, 3.0))
    x_faces, y_faces = flow.velocity
    assert x_faces.shape == (51, 40)
    assert y_faces.shape == (50, 41)
    assert peak(flow) == pytest.approx(11, rel=1e-6)
    divergence = np.diff(x_faces.astype(float), axis=0) + np.diff(y_faces.astype(float), axis=1) / 1.6
    assert np.abs(divergence).max() <= 1e-6 * peak(flow)
    padded = np.pad(domain, 1)
    assert not x_faces[~(padded[1:, 1:-1] & padded[:-1, 1:-1])].any()
    assert not y_faces[~(padded[1:-1, 1:] & padded[1:-1, :-1])].any()
    assert min(float(d.min()) for d in flow.diffusivity) >= 0


def test_the_potentials_are_independent():
    """One seed for all three would make them equal, as in the published code."""
    from sanum.fluid.flow import _potential

    rng = np.random.default_rng(0)
    shape, open_ramp = (40, 40, 40), np.ones((40, 40, 40), np.float32)
    psi = [
        _potential([b for b in range(3) if b != axis], shape, (9.0, 9.0, 9.0), open_ramp, rng)[:40, :40, :40]
        for axis in range(3)
    ]
    correlation = np.corrcoef([x.ravel() for x in psi])[np.triu_indices(3, 1)]
    assert np.abs(correlation).max() < 0.05


def test_to_makes_tensors():
    torch = pytest.importorskip("torch")
    flow = draw_flow(np.ones((6, 5, 4), bool), rng=0)
    there = flow.to("cpu")
    assert all(isinstance(x, torch.Tensor) for x in (there.domain, *there.velocity, *there.diffusivity))
    assert np.array_equal(there.velocity[1].numpy(), flow.velocity[1])


@pytest.mark.parametrize(
    ("name", "value"),
    [("peak_speed", -1.0), ("diffusion_length", float("nan")), ("peak_speed", float("inf"))],
)
def test_bad_sizes(name, value):
    with pytest.raises(ValueError, match=name):
        draw_flow(np.ones((3, 3, 3), bool), rng=0, **{name: value})


def test_spacing_and_ramp_must_fit_the_domain():
    with pytest.raises(ValueError, match="spacing must be 2 positive numbers"):
        draw_flow(np.ones((3, 3), bool), rng=0, spacing=(1.0, 1.0, 1.0))
    with pytest.raises(ValueError, match="ramp has shape"):
        draw_flow(np.ones((3, 3), bool), rng=0, ramp=np.ones((3, 4), np.float32))
