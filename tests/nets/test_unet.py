import pytest
import torch

from sanum.nets.unet import UNet


def plain(widths=(8, 16, 24), coarse_level=1):
    torch.manual_seed(0)
    return UNet(2, 3, 5, widths, coarse_level)


def volume(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("level", "coarse"), [(0, 1), (1, 2)])
def test_shape_in_shapes_out(level, coarse):
    fine, slow = plain(coarse_level=level)(volume(2, 2, 4, 8, 12))
    assert fine.shape == (2, 3, 4, 8, 12)
    assert slow.shape == (2, 5, 4 // coarse, 8 // coarse, 12 // coarse)


def test_what_does_not_fit_is_told():
    with pytest.raises(ValueError, match=r"multiple of 4, got \(4, 6, 8\)"):
        plain()(volume(1, 2, 4, 6, 8))
    with pytest.raises(ValueError, match="coarse_level must be one of the 2 decoder levels"):
        plain(coarse_level=2)


def test_a_batch_equals_its_items():
    net, x = plain(), volume(3, 2, 8, 8, 8)
    with torch.no_grad():
        for whole, items in zip(net(x), zip(*(net(item[None]) for item in x), strict=True), strict=True):
            torch.testing.assert_close(whole, torch.cat(items), atol=1e-5, rtol=1e-5)


def test_every_parameter_learns():
    net = plain()
    fine, coarse = net(volume(1, 2, 8, 8, 8))
    (fine.square().sum() + coarse.square().sum()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())
