"""In slabs or whole: the same result."""

import pytest
import torch
from torch import nn

from sanum.nets.compact_unet import CompactUNet
from sanum.nets.features import FeatureNet
from sanum.nets.slabs import Slabs, in_slabs
from sanum.nets.unet import UNet

NETS = {
    "folded": (lambda: CompactUNet(2, 3, 5, (16, 32, 48), 1), (24, 16, 32)),
    "plain": (lambda: UNet(2, 3, 5, (16, 32, 48), 1), (12, 8, 20)),
}


def made(name):
    torch.manual_seed(0)
    build, shape = NETS[name]
    net = build().eval().to(memory_format=torch.channels_last_3d)
    return net, torch.randn(1, 2, *shape)


@pytest.mark.parametrize("planes", [1, 3, 8, 100])
@pytest.mark.parametrize("name", NETS)
def test_slabs_of_any_size_give_what_the_whole_gives(name, planes):
    net, x = made(name)
    with torch.inference_mode():
        for whole, parts in zip(net(x), in_slabs(net, x, planes, "cpu"), strict=True):
            assert whole.std() > 0.01
            torch.testing.assert_close(parts, whole, atol=2e-5, rtol=0)


@pytest.mark.parametrize("name", NETS)
def test_in_half_precision_slabs_of_all_sizes_are_alike_to_the_bit(name):
    """There, one other bit in a group's moments would spread through the network."""
    net, x = made(name)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        several = [in_slabs(net, x, planes, "cpu") for planes in (1, 3, 8)]
    for others in several[1:]:
        assert all(torch.equal(a, b) for a, b in zip(several[0], others, strict=True))


def test_a_network_around_it_may_go_on_with_the_result():
    net = FeatureNet(2, (8, 16)).eval()
    x = torch.randn(1, 1, 8, 8, 8)
    with torch.inference_mode():
        fine, coarse = in_slabs(net.net, x, 2, "cpu")
        assert fine.shape == (1, 2, 8, 8, 8)
        assert coarse.device == fine.device == x.device


def test_what_is_not_told_how_to_run_in_slabs_is_refused():
    slabs = Slabs.of(torch.zeros(1, 4, 6, 6, 6), 2, "cpu")
    with pytest.raises(TypeError, match="fft_fftn"):
        torch.fft.fftn(slabs)
    with pytest.raises(NotImplementedError, match="dilated"):
        nn.Conv3d(4, 4, 3, padding=2, dilation=2)(slabs)
    with pytest.raises(NotImplementedError, match="twice the size"):
        torch.nn.functional.interpolate(slabs, scale_factor=3, mode="nearest")
    with pytest.raises(NotImplementedError, match="along their channels"):
        torch.cat([slabs, slabs], dim=2)
    with pytest.raises(NotImplementedError, match="two voxels"):
        torch.nn.functional.max_pool3d(slabs, 3)


@pytest.mark.parametrize(("size", "stride", "padding"), [(3, 1, 1), (1, 1, 0), (2, 2, 0), (5, 1, 2)])
def test_a_convolution_by_itself(size, stride, padding):
    conv = nn.Conv3d(3, 4, size, stride, padding)
    x = torch.randn(1, 3, 10, 6, 8)
    with torch.no_grad():
        torch.testing.assert_close(conv(Slabs.of(x, 3, "cpu")).whole(), conv(x), atol=1e-5, rtol=0)
