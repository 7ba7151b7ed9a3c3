"""The fused loops against plain PyTorch, in planes and volumes, for arrays and tensors."""

import numpy as np
import pytest
import torch

from sanum.fluid import draw_flow, noise_shape, transport
from sanum.fluid.backend import NumpyBackend, TorchBackend

SPACING = (1.0, 1.3, 0.8)


@pytest.fixture(scope="module")
def job():
    """A domain with holes, a start in it, its flow."""
    domain = np.random.default_rng(0).random((18, 14, 16)) < 0.9
    flow = draw_flow(domain, rng=1, spacing=SPACING, periods=(3.0, 3.0, 3.0))
    p0 = noise_shape(domain, rng=np.random.default_rng(2), percentile=70, periods=(3, 3, 3))
    return domain, flow, p0


def run(backend, domain, flow, p0, scheme, steps=8, dt=0.01):
    fields = (domain, flow.velocity, flow.diffusivity, flow.spacing_mm)
    p = p0
    for _ in range(steps):
        first = backend.stage(p, p, 0.0, 1.0, *fields, dt, scheme, backend.zeros(tuple(p.shape), p))
        p = backend.stage(first, p, 0.75, 0.25, *fields, dt, scheme, backend.zeros(tuple(p.shape), p))
    return p


@pytest.mark.parametrize("scheme", ["upwind", "muscl"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-12)])
def test_the_fused_loops_equal_the_oracle(job, scheme, dtype, tolerance):
    domain, flow, p0 = job
    fused = run(NumpyBackend(), domain, flow, p0[None].astype(dtype), scheme)[0]
    plain = run(
        TorchBackend(), torch.from_numpy(domain), flow.to("cpu"), torch.from_numpy(p0.astype(dtype)), scheme
    )
    assert np.abs(fused - p0).max() > 0.05
    assert np.abs(fused - plain.numpy()).max() <= tolerance


def test_both_find_the_same_rates(job):
    _, flow, _ = job
    there = flow.to("cpu")
    a = NumpyBackend().largest_rates(flow.velocity, flow.diffusivity, flow.spacing_mm)
    b = TorchBackend().largest_rates(there.velocity, there.diffusivity, flow.spacing_mm)
    np.testing.assert_allclose(a, b, rtol=1e-6)
    assert a[1] > a[0] > 0


@pytest.mark.parametrize("spoil", [None, np.nan, np.inf, -0.25])
def test_both_survey_alike(job, spoil):
    part = np.zeros_like(job[2])
    part[3:7, 5, 2:9] = 0.5
    if spoil is not None:
        part[4, 6, 3] = spoil
    a, b = NumpyBackend().survey(part[None]), TorchBackend().survey(torch.from_numpy(part)[None])
    assert a.high == b.high == (0.5 if spoil in (None, -0.25) else np.inf)
    assert a.support == b.support == (slice(3, 7), slice(5, 6 + (spoil is not None)), slice(2, 9))
    if spoil in (None, -0.25):
        assert a.low == b.low == (spoil or 0)
        assert a.totals == b.totals == (14 + (spoil or 0),)


def test_nothing_has_no_support():
    nothing = np.zeros((2, 3, 4, 5), np.float32)
    for survey in (NumpyBackend().survey(nothing), TorchBackend().survey(torch.from_numpy(nothing))):
        assert (survey.low, survey.high, survey.totals, survey.support) == (0, 0, (0, 0), None)


@pytest.mark.parametrize("scheme", ["upwind", "muscl"])
def test_a_stage_takes_p_no_farther_than_a_cell(job, scheme):
    domain, flow, _ = job
    p = np.zeros((1, *domain.shape), np.float32)
    p[0, 6:9, 5:7, 7:9] = domain[6:9, 5:7, 7:9]
    fields = (domain, flow.velocity, flow.diffusivity, flow.spacing_mm)
    grown = (slice(5, 10), slice(4, 8), slice(6, 10))
    backend = NumpyBackend()
    whole = backend.stage(p, p, 0.0, 1.0, *fields, 0.01, scheme, np.zeros_like(p))
    part = backend.stage(p, p, 0.0, 1.0, *fields, 0.01, scheme, np.zeros_like(p), grown)
    assert np.array_equal(part, whole)
    assert backend.survey(whole).support == grown


def test_a_batch_equals_its_items(job):
    domain, flow, p0 = job
    backend, there = TorchBackend(), flow.to("cpu")
    starts = torch.from_numpy(np.stack([p0, p0[::-1] * domain]))
    together = run(backend, torch.from_numpy(domain), there, starts, "muscl")
    for item, start in zip(together, starts, strict=True):
        assert torch.equal(item, run(backend, torch.from_numpy(domain), there, start, "muscl"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_tensor_in_a_tensor_out(job, dtype):
    _, flow, p0 = job
    tensor = torch.from_numpy(p0).to(dtype)
    kept = tensor.clone()
    out = transport(tensor, flow, duration=0.3)
    assert out.p.dtype == dtype
    assert torch.equal(tensor, kept)
    same = transport(tensor.numpy(), flow.to("cpu"), duration=0.3)
    assert isinstance(same.p, np.ndarray)
    assert np.array_equal(out.p.numpy(), same.p)
    assert out.steps == same.steps
