import itertools

import pytest
import torch
from torch import nn

from sanum.nets.peak import peak_bytes
from sanum.nets.slabs import in_slabs
from sanum.nets.unet import UNet


def test_a_chain_holds_two_maps_at_a_time():
    net = nn.Sequential(*(nn.Conv3d(2, 2, 3, padding=1) for _ in range(5)))
    one = 2 * 8 * 9 * 10
    assert peak_bytes(net, (1, 2, 8, 9, 10)) == (2 * 4 * one, 0)
    assert peak_bytes(net, (1, 2, 8, 9, 10), dtype=torch.bfloat16) == (2 * 2 * one, 0)


def test_smaller_slabs_take_less_of_the_device_and_keep_their_maps_beside_it():
    net = UNet(2, 3, 5, (8, 16), 0)
    whole, beside = peak_bytes(net, (1, 2, 64, 32, 32))
    several = [peak_bytes(net, (1, 2, 64, 32, 32), planes=n) for n in (32, 8, 2)]
    assert beside == 0
    assert whole > several[0][0] > several[1][0] > several[2][0]
    assert len({kept for _, kept in several}) == 1
    assert several[2][0] + several[2][1] < 0.7 * whole


def most_allocated(run):
    """Most bytes that PyTorch's allocator held at one time while `run` ran, by its profiler.

    Not the resident memory of the process: what libraries keep, and what the system takes back, is in it.
    """
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profiler:
        run()
    events = profiler.profiler.kineto_results.events()
    steps = sorted((e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]")
    return max(itertools.accumulate(n for _, n in steps))


@pytest.mark.parametrize("planes", [None, 16])
def test_the_estimate_is_what_the_allocator_gives(planes):
    net = UNet(4, 3, 5, (32, 32, 32), 1).eval().to(memory_format=torch.channels_last_3d)
    x = torch.randn(1, 4, 64, 80, 80)  # much smaller layers are computed without oneDNN, by im2col
    with torch.inference_mode():
        taken = most_allocated(lambda: in_slabs(net, x, planes, "cpu") if planes else net(x))
    device, beside = peak_bytes(net, x.shape, planes=planes)
    if planes is None:
        assert taken == pytest.approx(device, rel=0.01)
    else:  # the two need not be at their most at the same time
        assert max(device, beside) < 1.01 * taken < 1.02 * (device + beside)
