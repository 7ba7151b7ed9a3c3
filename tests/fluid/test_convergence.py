"""Orders of convergence against exact solutions (issue of the fluid engine; spec 1, guarantee 4)."""

import numpy as np
import pytest

from sanum.fluid import Flow, draw_flow, noise_shape, transport


def orders(errors):
    return np.log2(np.array(errors[:-1]) / np.array(errors[1:]))


def rotation(cells, diffusivity=0.0):
    """A unit square that turns about its middle with ψ = sin²(πx) sin²(πy)/π: closed at its walls."""
    h = 1 / cells
    node = np.arange(cells + 1) * h
    psi = np.sin(np.pi * node[:, None]) ** 2 * np.sin(np.pi * node) ** 2 / np.pi
    velocity = np.diff(psi, axis=1) / h, -np.diff(psi, axis=0) / h
    spread = [np.full(v.shape, diffusivity) for v in velocity]
    spread[0][[0, -1]] = 0
    spread[1][:, [0, -1]] = 0
    centre = (np.arange(cells) + 0.5) * h
    return centre, Flow(np.ones((cells, cells), bool), (h, h), velocity, tuple(spread))


def solid_rotation(cells):
    """Turns as a rigid body inside the radius 0.4, and stands still at the walls."""
    h = 1 / cells
    node = np.arange(cells + 1) * h - 0.5
    r = np.hypot(node[:, None], node)
    # ψ' = −r up to 0.4, then falls to 0 at 0.5 (a cubic, so that the speed is smooth)
    t = np.clip((r - 0.4) / 0.1, 0, 1)
    psi = -0.5 * np.minimum(r, 0.4) ** 2 - 0.04 * (t - t**3 + t**4 / 2)
    psi -= psi[0, 0]
    psi[r >= 0.5] = 0
    velocity = np.diff(psi, axis=1) / h, -np.diff(psi, axis=0) / h
    still = tuple(np.zeros_like(v) for v in velocity)
    centre = (np.arange(cells) + 0.5) * h - 0.5
    return centre, Flow(np.ones((cells, cells), bool), (h, h), velocity, still)


def bump(x, y):
    r2 = (x**2 + y**2) / 0.18**2
    return np.where(r2 < 1, (1 - np.minimum(r2, 1)) ** 3, 0.0)


@pytest.mark.parametrize(
    ("scheme", "least", "grids"),
    [pytest.param("upwind", 0.9, (256, 512), marks=pytest.mark.full), ("muscl", 1.7, (64, 128))],
)
def test_a_bump_turned_by_a_rigid_rotation(scheme, least, grids):
    """After a sixteenth of a turn the bump is where the rotation puts it."""
    angle, errors = 2 * np.pi / 16, []
    for cells in grids:
        x, flow = solid_rotation(cells)
        p = transport(bump(x[:, None] - 0.18, x), flow, duration=angle, scheme=scheme, share_of_step=0.9).p
        sign = np.sign(flow.velocity[1][3 * cells // 4, cells // 2])
        exact = bump(x[:, None] - 0.18 * np.cos(angle), x - sign * 0.18 * np.sin(angle))
        errors.append(np.abs(p - exact).mean())
    assert orders(errors)[-1] >= least


def test_a_gaussian_between_closed_walls_spreads_as_its_mirror_images():
    """Diffusion with no flux: the Gaussian plus its images in the walls."""
    d, t0, t1, errors = 0.5, 0.01, 0.03, []

    def exact(x, t):
        images = [x - 0.3 - 2 * k for k in range(-3, 4)] + [x + 0.3 - 2 * k for k in range(-3, 4)]
        return sum(np.exp(-(i**2) / (4 * d * t)) for i in images) * np.sqrt(t0 / t) / 2

    for cells in (25, 50, 100):
        x = (np.arange(cells) + 0.5) / cells
        zero = np.zeros((cells, 2))
        flow = Flow(
            np.ones((cells, 1), bool),
            (1 / cells, 1.0),
            (np.zeros((cells + 1, 1)), zero),
            (np.full((cells + 1, 1), d), zero),
        )
        p = transport(exact(x, t0)[:, None], flow, duration=t1 - t0).p[:, 0]
        errors.append(np.abs(p - exact(x, t1)).max())
    assert errors[-1] < 1e-3
    assert orders(errors).min() >= 1.9


@pytest.mark.parametrize(("scheme", "least", "grids"), [("upwind", 0.9, (64, 128)), ("muscl", 1.7, (32, 64))])
def test_flow_and_diffusion_together_against_a_manufactured_source(scheme, least, grids):
    """P = ½ + ¼ e^(−t) cos(πx) cos(πy) with the source that makes it a solution, in Strang's order.

    The source is added in half steps before and after each short transport; both splits are second order.
    """
    d, end, errors = 0.02, 0.1, []
    for cells in grids:
        x, flow = rotation(cells, d)
        xx, yy = x[:, None], x[None]
        shape = np.cos(np.pi * xx) * np.cos(np.pi * yy)
        u = np.sin(np.pi * xx) ** 2 * np.sin(2 * np.pi * yy)
        v = -np.sin(2 * np.pi * xx) * np.sin(np.pi * yy) ** 2
        moved = -np.pi * (
            u * np.sin(np.pi * xx) * np.cos(np.pi * yy) + v * np.cos(np.pi * xx) * np.sin(np.pi * yy)
        )

        def source(t, shape=shape, moved=moved):
            return 0.25 * np.exp(-t) * ((2 * np.pi**2 * d - 1) * shape + moved)

        steps = cells
        dt = end / steps
        p = 0.5 + 0.25 * shape
        for n in range(steps):
            p = p + dt / 2 * source(n * dt + dt / 4)
            p = transport(p, flow, duration=dt, scheme=scheme).p
            p = p + dt / 2 * source(n * dt + 3 * dt / 4)
        errors.append(np.abs(p - (0.5 + 0.25 * np.exp(-end) * shape)).mean())
    assert orders(errors)[-1] >= least


def test_ssp3_is_of_third_order_in_time():
    """On one grid, against the adaptive reference, steps halved each time."""
    pytest.importorskip("torchdiffeq")
    x, flow = rotation(24, 0.01)
    p0 = bump(x[:, None] - 0.3, x - 0.5)
    exact = transport(p0, flow, duration=0.5, integrator="rk45").p
    errors = [
        np.abs(transport(p0, flow, duration=0.5, share_of_step=share).p - exact).max()
        for share in (1, 0.5, 0.25)
    ]
    assert orders(errors).min() >= 2.7


@pytest.mark.parametrize("scheme", ["upwind", "muscl"])
def test_agrees_with_the_adaptive_reference(scheme):
    pytest.importorskip("torchdiffeq")
    domain = (np.indices((16, 18, 14)) - 8 < 7).all(0)
    flow = draw_flow(domain, rng=3, spacing=(1.0, 1.2, 0.9), periods=(2.0, 2.0, 2.0))
    p0 = noise_shape(domain, rng=np.random.default_rng(1), percentile=80, periods=(3, 3, 3)).astype(float)
    a = transport(p0, flow, duration=0.3, scheme=scheme)
    b = transport(p0, flow, duration=0.3, scheme=scheme, integrator="rk45")
    assert np.abs(a.p - p0).mean() > 0.01
    assert np.abs(a.p - b.p).sum() / b.p.sum() <= 1e-3
    assert b.mass_error < 1e-6
