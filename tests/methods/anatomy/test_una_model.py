import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sanum.methods.anatomy.una.guess import first_guess
from sanum.methods.anatomy.una.model import (
    LOG_SCALE_RANGE,
    TOP,
    Una,
    features,
    local_contrast,
    lookup,
    read_atlas,
)
from sanum.space.box import Box
from sanum.space.resample import sample_affine


def una():
    torch.manual_seed(0)
    return Una((8, 16))


def pair(batch=1):
    return torch.rand(batch, 2, 8, 12, 16, generator=torch.Generator().manual_seed(0))


def test_four_maps_of_the_inputs_shape():
    out = una()(pair(2))
    for name in ("t1w", "anomaly", "brain", "log_scale"):
        assert getattr(out, name).shape == (2, 1, 8, 12, 16)
        assert getattr(out, name).dtype == torch.float32


def test_starts_at_the_first_guess():
    net, x = una(), pair()
    guess = first_guess(x, torch.ones(1, 2, 8, 12, 16))[:, :1]
    with torch.no_grad():
        out = net(x)
        assert (out.t1w - guess).abs().mean() < 0.25  # the heads' first weights are small
        assert out.anomaly.sigmoid().mean() < 0.3
        net.net.fine.weight.zero_()
        net.net.coarse.weight.zero_()
        torch.testing.assert_close(net(x).t1w, torch.sigmoid(torch.tensor(3.0)) * guess)


def test_lookup_interpolates_between_the_knots():
    values = torch.tensor([0.0, TOP / 8, 1.5 * TOP / 8, TOP, 9.0]).reshape(1, 1, -1, 1, 1)
    tables = (torch.arange(9.0) ** 2).reshape(1, 9)
    torch.testing.assert_close(lookup(values, tables).ravel(), torch.tensor([0.0, 1.0, 2.5, 64.0, 64.0]))


def test_lookup_of_the_identity_table_is_the_identity():
    x = pair()[:, :1]
    tables = torch.linspace(0, TOP, 9)[None]
    torch.testing.assert_close(lookup(x, tables), x, atol=1e-6, rtol=0)


def test_the_average_anatomy_is_kept_with_the_weights():
    average = torch.rand(2, 80, 96, 80, generator=torch.Generator().manual_seed(1))
    state = Una((8, 16), average).state_dict()
    assert state["average"].shape == (1, 2, 40, 48, 40)
    again = una()
    again.load_state_dict(state)
    assert torch.equal(again.average, state["average"])


@pytest.mark.parametrize("spacing", [1.0, 2.0, 4.0])
def test_the_atlas_is_read_where_the_pose_says(spacing):
    rng = np.random.default_rng(0)
    atlas = torch.from_numpy(rng.random((2, 20, 24, 18)).astype(np.float32))
    pose = np.eye(4)
    pose[:3, :3] += rng.normal(0, 0.1, (3, 3))
    pose[:3, 3] = [3.0, -5.0, 2.5]
    box, of_atlas = Box((16, 12, 14), spacing).grid(), Box((20, 24, 18), 2.0).grid()
    expected = sample_affine(atlas, np.linalg.inv(of_atlas.affine) @ pose @ box.affine, box.shape)
    found = read_atlas(atlas, torch.from_numpy(np.stack([pose, pose])), box.shape, spacing)
    torch.testing.assert_close(found, expected.expand(2, -1, -1, -1, -1), atol=1e-4, rtol=0)


def test_an_unknown_pose_gets_the_average():
    g = torch.Generator().manual_seed(2)
    average, atlas = torch.rand(2, 40, 48, 40, generator=g), torch.rand(2, 80, 96, 80, generator=g)
    net = Una((8, 16), average, atlas, spacing_mm=4.0)
    poses = torch.stack([torch.eye(4), torch.full((4, 4), torch.nan)])
    prior = net.prior(poses, 2, (40, 48, 40))
    torch.testing.assert_close(prior[0], F.avg_pool3d(atlas, 2), atol=1e-5, rtol=0)  # between 8 voxels
    torch.testing.assert_close(prior[1], average)
    torch.testing.assert_close(net.prior(None, 1, (40, 48, 40))[0], average)
    assert torch.isfinite(net(pair(2), poses).t1w).all()


def test_the_average_keeps_its_size_in_a_box_of_another_extent():
    average = torch.rand(2, 40, 48, 40, generator=torch.Generator().manual_seed(2))
    whole = F.interpolate(average[None], size=(80, 96, 80), mode="trilinear")
    prior = Una((8, 16), average).prior(None, 1, (84, 40, 80))
    torch.testing.assert_close(prior[:, :, 2:82], whole[:, :, :, 28:68])
    assert not prior[:, :, :2].any()
    assert not prior[:, :, 82:].any()


def test_local_contrast_compares_with_the_same_millimetres():
    def peak(spacing):
        x = (torch.arange(round(160 / spacing)) + 0.5) * spacing - 80
        blob = torch.exp(-(x**2) / (2 * 15.0**2))
        image = (blob[:, None, None] * blob[:, None] * blob)[None, None]
        return local_contrast(image, spacing).max().item()

    assert peak(1.0) == pytest.approx(peak(2.0), rel=0.1)
    assert peak(4.0) == pytest.approx(peak(2.0), rel=0.15)


def test_scale_stays_in_its_range():
    net = una()
    with torch.no_grad():
        net.net.fine.weight *= 1000
        out = net(pair())
    assert out.log_scale.min().item() == LOG_SCALE_RANGE[0]
    assert out.log_scale.max().item() == LOG_SCALE_RANGE[1]


def test_under_autocast_the_maps_are_float32():
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        out = una()(pair())
    assert out.t1w.dtype == out.log_scale.dtype == torch.float32


def test_bfloat16_does_not_reach_the_atlas_or_the_lookup():
    g = torch.Generator().manual_seed(3)
    net = Una((8, 16), atlas=torch.rand(2, 80, 96, 80, generator=g))
    with torch.no_grad():  # heads that say: the guess, through its table
        net.net.fine.weight.zero_()
        net.net.coarse.weight.zero_()
        pose = torch.eye(4)[None] + 0.05 * torch.rand(1, 4, 4, generator=g)
        plain = net(pair(), pose).t1w
        with torch.autocast("cpu", torch.bfloat16):
            found = net(pair(), pose).t1w
    # the biases of the heads alone are rounded to bfloat16
    torch.testing.assert_close(found, plain, atol=0.004, rtol=0)


def test_widths_make_the_network():
    net = Una((8, 16, 24))
    assert net.widths == (8, 16, 24)
    net.load_state_dict(Una(net.widths).state_dict())
    with pytest.raises(RuntimeError, match=r"size mismatch|Missing key|Unexpected key"):
        net.load_state_dict(una().state_dict())


def test_features_of_a_flat_scan():
    flat = torch.full((1, 2, 16, 16, 16), 0.75)
    out = features(flat, flat, torch.ones(1, 2, 16, 16, 16))
    assert out.shape == (1, 8, 16, 16, 16)
    for channel, value in enumerate([0.5, 0.5, 0, 0, 0, 0, 1, -1]):
        torch.testing.assert_close(out[0, channel], torch.full((16, 16, 16), float(value)))


def test_features_show_where_the_sides_differ():
    x = torch.full((1, 2, 16, 16, 16), 0.5)
    x[0, 0, 4, 5, 6] = 0.7
    difference = features(x, x, torch.ones(1, 2, 16, 16, 16))[0, 5]
    assert difference[4, 5, 6].item() == pytest.approx(0.8)
    assert (difference != 0).sum() == 1


def test_a_network_that_is_told_nothing_new_gives_what_it_gave():
    torch.manual_seed(0)
    net = Una((8, 16), told=True)
    assert net.told is not None
    state = {k: v for k, v in net.state_dict().items() if k != "told.weight"}
    untold = una()
    untold.load_state_dict(state)
    with torch.no_grad():
        assert torch.equal(net(pair(), contrast=torch.tensor([2])).t1w, untold(pair()).t1w)
        net.told.weight[2] = torch.randn(24)
        assert not torch.equal(net(pair(), contrast=torch.tensor([2])).t1w, untold(pair()).t1w)
        assert torch.equal(net(pair()).t1w, untold(pair()).t1w)  # unknown by default
