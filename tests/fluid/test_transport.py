import os
import subprocess
import sys
from dataclasses import replace

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from sanum.fluid import Flow, draw_flow, job, trajectory, transport
from sanum.fluid.backend import ALONE

from .small import PERIODS, flow_in, start

ROUNDING = 2e-6
INTEGRATORS = ["ssp3", "euler"]
SCHEMES = ["upwind", "muscl"]


def rate_of_change(p, flow):
    """Right-hand side of the scheme, by whole arrays: −∇·(V P) + ∇·(D ∇P)."""
    out = np.zeros_like(p)
    for axis, h in enumerate(flow.spacing_mm):
        x = np.moveaxis(p, axis, 0)
        v = np.moveaxis(flow.velocity[axis].astype(float), axis, 0)[1:-1]
        d = np.moveaxis(flow.diffusivity[axis].astype(float), axis, 0)[1:-1]
        flux = np.where(v > 0, v * x[:-1], v * x[1:]) - d * (x[1:] - x[:-1]) / h
        flux = np.pad(flux, [(1, 1), (0, 0), (0, 0)])
        out -= np.moveaxis(np.diff(flux, axis=0) / h, 0, axis)
    return out


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("integrator", INTEGRATORS)
@pytest.mark.parametrize(("dtype", "mass"), [(np.float32, 1e-5), (np.float64, 1e-12)])
def test_what_is_conserved_stays_conserved(domain, dtype, mass, integrator, scheme):
    p0, flow, seen = start(domain, dtype), flow_in(domain), []
    total = p0.sum(dtype=np.float64)

    def look(time, p):
        seen.append(time)
        assert p.shape == p0.shape
        assert p.min() >= 0
        assert p.max() <= p0.max() * (1 + ROUNDING)
        assert (p[~domain] == 0).all()
        assert abs(p.sum(dtype=np.float64) - total) <= mass * total

    result = transport(p0, flow, duration=1.0, scheme=scheme, integrator=integrator, callback=look)
    assert result.p.dtype == dtype
    assert result.mass_error <= mass
    assert len(seen) == result.steps > 1
    assert seen[-1] == pytest.approx(1.0)
    assert np.abs(result.p - p0).max() > 0.1


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1), scheme=st.sampled_from(SCHEMES), integrator=st.sampled_from(INTEGRATORS)
)
def test_bounds_hold_at_every_step_for_any_seed(seed, scheme, integrator):
    rng = np.random.default_rng(seed)
    domain = rng.random(rng.integers(3, 13, 3)) < rng.uniform(0.5, 1.0)
    domain.flat[rng.integers(domain.size)] = True
    spacing = tuple(rng.uniform(0.5, 3.0, 3))
    flow = draw_flow(
        domain,
        rng=rng,
        spacing=spacing,
        periods=tuple(rng.uniform(0.5, 6, 3)),
        peak_speed=rng.uniform(0, 20),
        diffusion_length=rng.uniform(0, 4),
    )
    p0 = (rng.random(domain.shape, dtype=np.float32) ** 4 * domain).astype(np.float32)
    top = p0.max()

    def look(_, p):
        assert p.min() >= 0
        assert p.max() <= top * (1 + ROUNDING)
        assert not p[~domain].any()

    result = transport(p0, flow, duration=0.5, scheme=scheme, integrator=integrator, callback=look)
    assert result.mass_error <= 1e-5


def test_a_full_domain_stays_full():
    """P = 1 throughout is the plateau that a divergence of V would dent or raise."""
    domain = np.ones((14, 13, 12), bool)
    result = transport(np.ones(domain.shape), flow_in(domain), duration=20.0)
    assert np.abs(result.p - 1).max() <= ROUNDING
    assert result.steps > 100


def test_the_result_can_be_transported_again():
    domain = np.ones((12, 12, 12), bool)
    p = np.ones(domain.shape, np.float32)
    for seed in range(3):
        p = transport(p, flow_in(domain, seed), duration=0.5).p
    assert p.sum() == pytest.approx(p.size, rel=1e-5)


@pytest.mark.parametrize("duration", [0.02, 0.1, 0.3, 1.0, 6.0])
def test_the_box_cut_around_p_has_no_effect(duration, monkeypatch):
    """P that starts where the flow is fastest never feels the walls of the box it is computed in."""
    n = 40
    r2 = ((np.indices((n, n, n)) - (n - 1) / 2) ** 2).sum(0)
    domain = r2 < (0.48 * n) ** 2
    flow = draw_flow(domain, rng=0, periods=PERIODS, peak_speed=14, diffusion_length=0.3)
    speed2 = sum(np.moveaxis(v, a, 0)[:n].swapaxes(0, a) ** 2 * domain for a, v in enumerate(flow.velocity))
    fastest = np.array(np.unravel_index(np.argmax(speed2), domain.shape))
    p0 = domain * (((np.indices((n, n, n)) - fastest[:, None, None, None]) ** 2).sum(0) < 4.0)
    boxed = transport(p0.astype(float), flow, duration=duration)
    box = job.reachable(job.TransportJob.of(p0.astype(float), flow), duration)
    assert boxed.p.min() >= 0
    assert boxed.p.max() <= 1 + ROUNDING
    assert boxed.mass_error < 1e-12
    for axis, s in enumerate(box):
        part = np.moveaxis(boxed.p, axis, 0)
        for wall in (s.start, s.stop - 1):
            assert part[wall].max() < 1e-9
    monkeypatch.setattr(job, "reachable", lambda *_: (slice(0, n),) * 3)
    free = transport(p0.astype(float), flow, duration=duration)
    if free.steps == boxed.steps:
        assert np.abs(free.p - boxed.p).max() < 1e-9
    else:  # the largest rate lies outside of the box: shorter steps there
        assert np.abs(free.p - boxed.p).max() < 0.01


def test_input_and_flow_are_left_alone():
    domain = np.ones((40, 8, 8), bool)
    flow = flow_in(domain, peak_speed=4.0)
    before = [x.copy() for x in (*flow.velocity, *flow.diffusivity)]
    for part in (slice(18, 21), slice(None)):  # a box cut along the first axis only; no cut at all
        p0 = np.zeros(domain.shape, np.float32)
        p0[part] = 1
        kept = p0.copy()
        transport(p0, flow, duration=0.3)
        assert np.array_equal(p0, kept)
    after = (*flow.velocity, *flow.diffusivity)
    assert all(np.array_equal(x, y) for x, y in zip(before, after, strict=True))


def channel(cells, length=1.0, speed=0.0, diffusivity=0.0):
    """A straight pipe of `length` mm along x."""
    h = length / cells
    shape = (cells, 1, 1)
    across = [np.zeros((cells, 2, 1), np.float32), np.zeros((cells, 1, 2), np.float32)]
    along = np.ones((cells + 1, 1, 1), np.float32)
    return (
        (np.arange(cells) + 0.5) * h,
        Flow(
            np.ones(shape, bool),
            (h, 1.0, 1.0),
            (along * np.float32(speed), *across),
            (along * np.float32(diffusivity), *across),
        ),
    )


def bump(x):
    return np.where(np.abs(x) < 0.2, np.cos(np.pi * x / 0.4) ** 2, 0.0)


def orders(errors):
    return np.log2(np.array(errors[:-1]) / np.array(errors[1:]))


@pytest.mark.parametrize("integrator", INTEGRATORS)
def test_flow_is_first_order(integrator):
    """A bump carried 0.3 mm along a pipe; grid and step halve together."""
    errors = []
    for cells in (100, 200, 400, 800):
        x, flow = channel(cells, speed=1.0)
        p = transport(bump(x - 0.3)[:, None, None], flow, duration=0.3, integrator=integrator).p
        errors.append(np.abs(p[:, 0, 0] - bump(x - 0.6)).mean())
    assert errors[-1] < 0.02
    assert orders(errors)[-1] > 0.8


def test_diffusion_is_second_order():
    """A cosine between two closed ends decays as exp(−D π² t)."""
    errors = []
    for cells in (8, 16, 32):
        x, flow = channel(cells, diffusivity=0.5)
        p = transport((0.5 + 0.5 * np.cos(np.pi * x))[:, None, None], flow, duration=0.1).p[:, 0, 0]
        exact = 0.5 + 0.5 * np.exp(-0.5 * np.pi**2 * 0.1) * np.cos(np.pi * x)
        errors.append(np.abs(p - exact).max())
    assert errors[-1] < 1e-3
    assert orders(errors).min() > 1.7


def test_agrees_with_adaptive_rk45():
    domain = ((np.indices((9, 10, 8)) - np.array([4, 4.5, 3.5])[:, None, None, None]) ** 2).sum(0) < 17
    flow, p0 = flow_in(domain), start(domain, np.float64)
    oracle = solve_ivp(
        lambda _, y: rate_of_change(y.reshape(p0.shape), flow).ravel(),
        (0, 0.4),
        p0.ravel(),
        method="RK45",
        rtol=1e-8,
        atol=1e-10,
    )
    exact = oracle.y[:, -1].reshape(p0.shape)
    error = {i: np.abs(transport(p0, flow, duration=0.4, integrator=i).p - exact).max() for i in INTEGRATORS}
    assert error["ssp3"] < 2e-3
    assert error["euler"] < 5e-2
    assert error["ssp3"] < error["euler"]


def test_no_time_no_change():
    domain = np.ones((6, 6, 6), bool)
    p0 = start(domain)
    result = transport(p0, flow_in(domain), duration=0.0)
    assert result.steps == 0
    assert result.p is not p0
    assert np.array_equal(result.p, p0)


def test_nothing_stays_nothing():
    domain = np.ones((6, 6, 6), bool)
    result = transport(np.zeros(domain.shape, np.float32), flow_in(domain), duration=1.0)
    assert not result.p.any()
    assert result.mass_error == 0


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="needs two threads")
@pytest.mark.parametrize("scheme", ["upwind", pytest.param("muscl", marks=pytest.mark.full)])
def test_same_bits_on_one_and_two_threads(scheme):
    domain = np.ones((70, 68, 66), bool)  # more cells than one thread is given by itself
    assert domain.size > ALONE
    before, results = numba.get_num_threads(), []
    p0 = np.random.default_rng(0).random(domain.shape, dtype=np.float32)
    try:
        for threads in (1, 2):
            numba.set_num_threads(threads)
            flow = draw_flow(domain, rng=3)
            results.append(transport(p0, flow, duration=0.05, scheme=scheme).p)
    finally:
        numba.set_num_threads(before)
    assert np.array_equal(*results)


IN_A_FORK = """
import os
import numba
import numpy as np
from sanum.fluid import draw_flow, transport

def job():
    domain = np.ones((70, 68, 66), bool)
    p0 = np.zeros(domain.shape, np.float32)
    p0[10:60, 10:60, 10:60] = 1
    return transport(p0, draw_flow(domain, rng=3), duration=0.02).p

before = job()  # on all threads
child = os.fork()
if child == 0:
    os._exit(0 if np.array_equal(job(), before) else 3)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_transports_too():
    """Data loaders fork, and a fork of a process with OpenMP threads may not start any."""
    ran = subprocess.run([sys.executable, "-c", IN_A_FORK], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("scheme", ["upwind", "muscl"])
def test_the_reference_goes_on_from_what_it_left(scheme):
    """rk45 undershoots 0 a little; the next leg of a trajectory takes that."""
    pytest.importorskip("torchdiffeq")
    domain = np.ones((12, 11, 10), bool)
    p0 = np.zeros(domain.shape, np.float32)
    p0[4:8, 4:7, 3:7] = 1
    way = trajectory(p0, flow_in(domain), times=(0.05, 0.1, 0.15), integrator="rk45", scheme=scheme)
    assert way.mass_error < 1e-5


def test_a_negative_diffusivity_is_an_error():
    domain = np.ones((6, 5, 4), bool)
    flow = flow_in(domain)
    x, y, z = flow.diffusivity
    with pytest.raises(ValueError, match="diffusivity must not be negative"):
        transport(start(domain), replace(flow, diffusivity=(x, y - 1, z)), duration=0.1)


def test_bad_input():
    domain = np.ones((6, 6, 6), bool)
    domain[0] = False
    flow, p0 = flow_in(domain), start(domain)
    for bad in (p0[1:], p0.astype(int), p0 - 1, p0 * 1.01, np.where(p0 > 0, np.nan, p0)):
        with pytest.raises(ValueError, match="p0"):
            transport(bad, flow, duration=0.1)
    for bad in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="duration"):
            transport(p0, flow, duration=bad)
    with pytest.raises(ValueError, match='unknown integrator "leapfrog": known are ssp3, euler, rk45'):
        transport(p0, flow, duration=0.1, integrator="leapfrog")
    with pytest.raises(ValueError, match='unknown scheme "weno": known are upwind, muscl'):
        transport(p0, flow, duration=0.1, scheme="weno")
    for bad in (0.0, 1.5, float("nan")):
        with pytest.raises(ValueError, match="share_of_step"):
            transport(p0, flow, duration=0.1, share_of_step=bad)
    for integrator in ("ssp3", "rk45"):
        with pytest.raises(ValueError, match="max_steps=3"):
            transport(p0, flow, duration=5.0, max_steps=3, integrator=integrator)


def test_p0_outside_of_the_domain_is_cut_off_and_reported():
    domain = np.ones((6, 6, 6), bool)
    domain[0] = False
    p0 = np.full(domain.shape, 0.5)
    result = transport(p0, flow_in(domain), duration=0.2)
    assert result.clipped == pytest.approx(1 / 6)
    assert result.mass_error < 1e-12
    assert not result.p[0].any()
    with pytest.raises(ValueError, match="p0 lies outside of the flow's domain"):
        transport(np.where(domain, 0.0, 0.5), flow_in(domain), duration=0.2)


@pytest.mark.parametrize("field", ["velocity", "diffusivity"])
def test_bad_flow(field):
    domain = np.ones((6, 5, 4), bool)
    flow, p0 = flow_in(domain), start(domain)
    x, y, z = getattr(flow, field)
    with pytest.raises(ValueError, match=f"{field} must be staggered"):
        transport(p0, replace(flow, **{field: (x[:-1], y, z)}), duration=0.1)
    for value in (np.nan, np.inf):
        spoilt = y.copy()
        spoilt[3, 2, 1] = value
        with pytest.raises(ValueError, match="must be finite"):
            transport(p0, replace(flow, **{field: (x, spoilt, z)}), duration=0.1)
    with pytest.raises(ValueError, match="domain must be boolean"):
        transport(p0, replace(flow, domain=domain.astype(np.uint8)), duration=0.1)
    with pytest.raises(ValueError, match="spacing"):
        transport(p0, replace(flow, spacing_mm=(1.0, 0.0, 1.0)), duration=0.1)


def test_trajectory_is_the_transport_at_each_time(domain):
    p0, flow = start(domain, np.float64), flow_in(domain)
    way = trajectory(p0, flow, times=(0.0, 0.1, 0.4))
    assert np.array_equal(way.p[0], p0)
    np.testing.assert_array_equal(way.p[1], transport(p0, flow, duration=0.1).p)
    np.testing.assert_array_equal(way.p[2], transport(way.p[1], flow, duration=0.4 - 0.1).p)
    assert way.mass_error < 1e-12
    seen = []
    trajectory(p0, flow, times=(0.1, 0.4), callback=lambda t, p: seen.append(t))
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(0.4)
    for times in ((), (0.2, 0.1), (-0.1, 0.2), (0.1, 0.1)):
        with pytest.raises(ValueError, match="times"):
            trajectory(p0, flow, times=times)
