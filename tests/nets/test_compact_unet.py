import pytest
import torch
import torch.nn.functional as F

from sanum.nets.compact_unet import CompactUNet, depth_to_space, space_to_depth


@pytest.fixture(autouse=True)
def one_thread():
    """Volumes this small only make the threads wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def volume(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def unet(widths=(8, 16), coarse_level=0):
    torch.manual_seed(0)
    return CompactUNet(2, 3, 5, widths, coarse_level)


def test_folding_is_undone_by_unfolding():
    x = volume(2, 3, 4, 6, 8)
    folded = space_to_depth(x)
    assert folded.shape == (2, 24, 2, 3, 4)
    assert torch.equal(depth_to_space(folded), x)


def test_folding_keeps_neighbours_together():
    x = volume(1, 1, 4, 4, 4)
    assert torch.equal(space_to_depth(x)[0, :, 1, 0, 1], x[0, 0, 2:4, 0:2, 2:4].ravel())


@pytest.mark.parametrize(
    ("widths", "level", "coarse"), [((8, 16), 0, 2), ((8, 16, 24), 0, 2), ((8, 16, 24), 1, 4)]
)
def test_shape_in_shapes_out(widths, level, coarse):
    fine, slow = unet(widths, level)(volume(2, 2, 8, 16, 24))
    assert fine.shape == (2, 3, 8, 16, 24)
    assert slow.shape == (2, 5, 8 // coarse, 16 // coarse, 24 // coarse)
    assert torch.isfinite(fine).all()
    assert torch.isfinite(slow).all()


def test_a_coarse_level_that_is_not_there():
    with pytest.raises(ValueError, match="coarse_level must be one of the 1 decoder levels"):
        unet((8, 16), 1)


def test_wrong_shape_tells_the_multiple():
    with pytest.raises(ValueError, match=r"multiple of 4, got \(8, 10, 8\)"):
        unet()(volume(1, 2, 8, 10, 8))


def test_a_batch_equals_its_items():
    net, x = unet().eval(), volume(3, 2, 8, 8, 8)
    with torch.no_grad():
        for whole, items in zip(net(x), zip(*(net(item[None]) for item in x), strict=True), strict=True):
            torch.testing.assert_close(whole, torch.cat(items), atol=1e-5, rtol=1e-5)


def test_every_parameter_learns():
    net = unet()
    fine, coarse = net(volume(1, 2, 8, 8, 8))
    (fine.square().sum() + coarse.square().sum()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_learns_one_sample_by_heart():
    net = unet()
    x, target = (
        F.interpolate(volume(1, c, 2, 2, 2, seed=c), size=(8, 8, 8), mode="trilinear") for c in (2, 3)
    )
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    losses = []
    for _ in range(100):
        loss = (net(x)[0] - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]
