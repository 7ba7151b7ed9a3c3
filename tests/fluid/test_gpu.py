"""The Triton kernels against plain PyTorch: on a GPU where there is one, else in Triton's interpreter."""

import numpy as np
import pytest
import torch

from sanum.fluid import draw_flow, transport
from sanum.fluid.backend import TorchBackend, TritonBackend, torch_backend
from sanum.fluid.job import Stepping, TransportJob, same
from sanum.fluid.kernels import oracle

pytest.importorskip("triton")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@pytest.fixture(autouse=True)
def interpreter(monkeypatch):
    """Triton reads this when the kernels are imported, which nothing does before these tests."""
    if DEVICE == "cpu":
        monkeypatch.setenv("TRITON_INTERPRET", "1")


def ball(shape):
    index = np.indices(shape)
    middle = np.reshape([(n - 1) / 2 for n in shape], (-1, *[1] * len(shape)))
    return ((index - middle) ** 2).sum(0) < (0.45 * min(shape)) ** 2


def fields(shape, dtype):
    flow = draw_flow(ball(shape), rng=3, spacing=(1.0, 1.5, 0.8), peak_speed=8.0).to(DEVICE)
    return flow, tuple(v.to(dtype) for v in flow.velocity), tuple(d.to(dtype) for d in flow.diffusivity)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scheme", ["upwind", "muscl"])
@pytest.mark.parametrize(("a", "b"), [(0.0, 1.0), (0.75, 0.25)])
def test_a_stage_equals_the_oracle(scheme, dtype, a, b):
    shape = (13, 9, 11)  # no multiple of anything
    flow, velocity, diffusivity = fields(shape, dtype)
    g = torch.Generator().manual_seed(0)
    p, base = (torch.rand(2, *shape, generator=g, dtype=dtype).to(DEVICE) * flow.domain for _ in range(2))
    rest = (a, b, flow.domain, velocity, diffusivity, flow.spacing_mm, 0.02, scheme)
    expected = oracle.stage(p, base, *rest)
    found = TritonBackend().stage(p, base, *rest, torch.full_like(p, torch.nan))
    torch.testing.assert_close(found, expected, atol=1e-6 if dtype == torch.float32 else 1e-14, rtol=0)
    assert (expected - p).abs().max() > 1e-3


@pytest.mark.parametrize("scheme", ["upwind", "muscl"])
@pytest.mark.parametrize("shape", [(10, 9, 11), (14, 15)])
def test_a_transport_equals_the_cpus(shape, scheme):
    domain = ball(shape)
    flow = draw_flow(domain, rng=5, peak_speed=6.0)
    p0 = np.zeros((2, *shape), np.float32)
    p0[0][tuple(slice(n // 2 - 2, n // 2 + 2) for n in shape)] = 1
    p0[1][tuple(slice(n // 2 - 3, n // 2) for n in shape)] = 0.5
    expected = transport(p0, flow, duration=0.1, scheme=scheme)
    job = TransportJob(torch.from_numpy(p0).to(DEVICE), flow.to(DEVICE), flow.peaks, TritonBackend(), same)
    before = job.masses()
    steps = job.run(0.1, Stepping(scheme, max_steps=1000))
    assert steps == expected.steps > 1
    np.testing.assert_allclose(job.result().cpu().numpy(), expected.p, atol=1e-5)
    np.testing.assert_allclose(job.masses(), before, rtol=1e-5)


def test_nvidia_tensors_go_through_triton():
    assert isinstance(torch_backend(torch.device("cuda")), TritonBackend)
    assert type(torch_backend(torch.device("mps"))) is TorchBackend


@pytest.mark.skipif(DEVICE == "cpu", reason="no GPU")
def test_on_a_gpu_what_goes_in_comes_out():
    domain = ball((24, 20, 22))
    flow = draw_flow(domain, rng=5, peak_speed=6.0)
    p0 = np.where(ball((24, 20, 22)), 0.5, 0).astype(np.float32)
    found = transport(torch.from_numpy(p0).cuda(), flow.to("cuda"), duration=0.3).p
    assert found.is_cuda
    np.testing.assert_allclose(found.cpu().numpy(), transport(p0, flow, duration=0.3).p, atol=1e-5)
