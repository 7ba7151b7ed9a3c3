import pytest
import torch

from sanum.methods.una.model import LOG_SCALE_RANGE, Una, features


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


def test_starts_near_the_scan():
    out, x = una()(pair()), pair()
    assert (out.t1w - 0.8 * x[:, :1]).abs().mean() < 0.1
    assert out.anomaly.sigmoid().max() < 0.5


def test_t1w_is_a_local_polynomial_of_the_scan():
    net, x = una(), pair()
    rest, gain, square = net.net(features(x)).split(1, dim=1)[:3]
    scan = x[:, :1]
    torch.testing.assert_close(net(x).t1w, rest + gain * scan + square * scan**2)


def test_scale_stays_in_its_range():
    net = una()
    with torch.no_grad():
        net.net.head.weight *= 1000
        out = net(pair())
    assert out.log_scale.min().item() == LOG_SCALE_RANGE[0]
    assert out.log_scale.max().item() == LOG_SCALE_RANGE[1]


def test_under_autocast_the_maps_are_float32():
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        out = una()(pair())
    assert out.t1w.dtype == out.log_scale.dtype == torch.float32


def test_widths_make_the_network():
    net = Una((8, 16, 24))
    assert net.widths == (8, 16, 24)
    net.load_state_dict(Una(net.widths).state_dict())
    with pytest.raises(RuntimeError, match=r"size mismatch|Missing key|Unexpected key"):
        net.load_state_dict(una().state_dict())


def test_needs_a_pair():
    with pytest.raises(RuntimeError, match="channels"):
        una()(pair()[:, :1])


def test_features_of_a_symmetric_flat_scan_are_flat():
    out = features(torch.full((1, 2, 16, 16, 16), 0.75))
    assert out.shape == (1, 5, 16, 16, 16)
    torch.testing.assert_close(out[:, :2], torch.full((1, 2, 16, 16, 16), 0.5))
    torch.testing.assert_close(out[:, 2:], torch.zeros(1, 3, 16, 16, 16))


def test_features_show_where_the_sides_differ():
    x = torch.full((1, 2, 16, 16, 16), 0.5)
    x[0, 0, 4, 5, 6] = 0.7
    difference = features(x)[0, 4]
    assert difference[4, 5, 6].item() == pytest.approx(0.8)
    assert (difference != 0).sum() == 1
