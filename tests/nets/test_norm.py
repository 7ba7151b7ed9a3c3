import pytest
import torch
from torch import nn

from sanum.nets.norm import GroupNorm


def norms(channels=12, groups=3):
    torch.manual_seed(0)
    ours, theirs = GroupNorm(groups, channels), nn.GroupNorm(groups, channels)
    nn.init.normal_(ours.weight)
    nn.init.normal_(ours.bias)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


@pytest.mark.parametrize("last", [True, False])
def test_it_is_group_norm(last):
    ours, theirs = norms()
    x = 5 + 2 * torch.randn(1, 12, 9, 7, 5)
    x = x.contiguous(memory_format=torch.channels_last_3d) if last else x
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x), atol=1e-5, rtol=1e-5)


def test_planes_that_are_constant_are_no_matter():
    ours, theirs = norms()
    x = torch.zeros(1, 12, 6, 4, 4)
    x[:, :, 3:] = torch.randn(1, 12, 3, 4, 4)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x), atol=1e-4, rtol=1e-4)


def test_training_and_batches_are_left_to_pytorch():
    ours, theirs = norms()
    x = torch.randn(1, 12, 6, 4, 4)
    assert torch.equal(ours(x), theirs(x))
    assert ours(x).requires_grad
    with torch.no_grad():
        assert torch.equal(ours(torch.cat([x, x])), theirs(torch.cat([x, x])))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_number_of_threads_is_no_matter(dtype):
    """Of planes so large that PyTorch shares each among its threads."""
    ours, _ = norms(32, 4)
    x = torch.randn(1, 32, 3, 48, 40).to(dtype).contiguous(memory_format=torch.channels_last_3d)
    before, found = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            with torch.no_grad():
                found.append(ours(x))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])
