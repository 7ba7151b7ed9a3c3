"""Several starts in one flow."""

import numpy as np
import pytest
import torch

from sanum.fluid import draw_flow, transport

from .small import flow_in


@pytest.mark.parametrize("kind", ["numpy", "torch"])
@pytest.mark.parametrize("scheme", ["upwind", "muscl"])
def test_a_batch_is_its_members(kind, scheme):
    """One flow, three starts, one of them empty: each as if it were alone, in the steps of one."""
    domain = np.ones((44, 36, 30), bool)
    flow = flow_in(domain, peak_speed=5.0)
    p0 = np.zeros((3, *domain.shape), np.float32)
    p0[0, 5:10, 4:10, 3:9], p0[1, 28:36, 20:28, 18:24] = 1, 0.5
    starts = torch.from_numpy(p0) if kind == "torch" else p0
    found = transport(starts, flow, duration=0.2, scheme=scheme)
    assert type(found.p) is type(starts)
    assert found.mass_error < 1e-5
    for member, start_of_it in zip(found.p, p0, strict=True):
        if not start_of_it.any():
            assert not np.asarray(member).any()
            continue
        alone = transport(start_of_it, flow, duration=0.2, scheme=scheme)
        assert alone.steps <= found.steps  # of longer steps, if its places are slower
        np.testing.assert_allclose(np.asarray(member), alone.p, atol=1e-2)
        same_steps = transport(
            start_of_it, flow, duration=0.2, scheme=scheme, share_of_step=min(1, alone.steps / found.steps)
        )
        if same_steps.steps == found.steps:
            np.testing.assert_allclose(np.asarray(member), same_steps.p, atol=1e-6)


def test_one_of_a_batch_may_not_lie_outside():
    domain = np.zeros((10, 8, 6), bool)
    domain[:5] = True
    p0 = np.zeros((2, *domain.shape), np.float32)
    p0[0, 2:4, 3:5, 2:4] = p0[1, 7:9, 3:5, 2:4] = 1
    with pytest.raises(ValueError, match="outside of the flow's domain"):
        transport(p0, flow_in(domain), duration=0.1)


def test_a_batch_of_planes():
    domain = np.ones((12, 11), bool)
    flow = draw_flow(domain, rng=2, peak_speed=4.0)
    p0 = np.zeros((2, *domain.shape), np.float32)
    p0[0, 4:7, 4:7], p0[1, 6:9, 3:5] = 1, 1
    found = transport(p0, flow, duration=0.3).p
    assert found.shape == p0.shape
    np.testing.assert_allclose(found[1], transport(p0[1], flow, duration=0.3).p, atol=1e-6)


@pytest.mark.parametrize("shape", [(6, 5), (2, 2, 6, 5, 4), (0, 6, 5, 4)])
def test_a_batch_has_one_axis_more(shape):
    flow = flow_in(np.ones((6, 5, 4), bool))
    with pytest.raises(ValueError, match="p0 has shape"):
        transport(np.zeros(shape, np.float32), flow, duration=0.1)
