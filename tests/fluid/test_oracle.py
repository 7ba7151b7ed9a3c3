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
        first = backend.stage(p, p, 0.0, 1.0, *fields, dt, scheme, backend.zeros_like(p))
        p = backend.stage(first, p, 0.75, 0.25, *fields, dt, scheme, backend.zeros_like(p))
    return p


@pytest.mark.parametrize("scheme", ["upwind", "muscl"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-12)])
def test_the_fused_loops_equal_the_oracle(job, scheme, dtype, tolerance):
    domain, flow, p0 = job
    fused = run(NumpyBackend(), domain, flow, p0.astype(dtype), scheme)
    plain = run(
        TorchBackend(), torch.from_numpy(domain), flow.to("cpu"), torch.from_numpy(p0.astype(dtype)), scheme
    )
    assert np.abs(fused - p0).max() > 0.05
    assert np.abs(fused - plain.numpy()).max() <= tolerance


def test_both_find_the_same_rates_and_support(job):
    _, flow, p0 = job
    there = flow.to("cpu")
    a = NumpyBackend().largest_rates(flow.velocity, flow.diffusivity, flow.spacing_mm)
    b = TorchBackend().largest_rates(there.velocity, there.diffusivity, flow.spacing_mm)
    np.testing.assert_allclose(a, b, rtol=1e-6)
    assert a[1] > a[0] > 0
    part = np.zeros_like(p0)
    part[3:7, 5, 2:9] = 1
    assert NumpyBackend().support(part) == TorchBackend().support(torch.from_numpy(part))
    assert NumpyBackend().support(part * 0) is TorchBackend().support(torch.from_numpy(part * 0)) is None


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
