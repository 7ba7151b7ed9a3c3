"""Class-activation maps: closed forms where there are some, and MONAI's where it has the same."""

from typing import get_args

import numpy as np
import pytest
import torch
from torch import nn

from sanum.nets.cam import CamKind, cam, first_component


class Net(nn.Module):
    """Two layers whose head pools and weighs, as classifiers do; no weight is small."""

    def __init__(self):
        super().__init__()
        self.body = nn.Conv2d(1, 6, 3, padding=1)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 2))
        nn.init.normal_(self.head[2].weight, std=40.0)

    def forward(self, x):
        return self.head(self.body(x))


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net().eval()


def unit(maps):
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return (maps - low) / (high - low)


def of_net(net, x, kind):
    return cam(net.body(x).detach(), lambda a: net.head(a)[:, 1], kind)


@pytest.mark.parametrize(("kind", "theirs"), [("gradcam", "GradCAM"), ("gradcam++", "GradCAMpp")])
def test_it_is_what_monai_makes(net, kind, theirs):
    visualize = pytest.importorskip("monai.visualize")
    x = torch.randn(3, 1, 8, 9)
    made = getattr(visualize, theirs)(nn_module=net, target_layers="body")
    expected = torch.cat(
        [made.compute_map(one, class_idx=1)[:, 0] for one in x.requires_grad_().split(1)]
    ).detach()
    np.testing.assert_allclose(unit(of_net(net, x, kind)), unit(expected), atol=1e-4)
    assert unit(expected).std() > 0.1


def test_after_a_mean_and_one_layer_gradients_are_its_weights(net):
    """Then all but one kind of weight are the classical map, relu ∑ w_c A_c / places."""
    x = torch.randn(2, 1, 8, 8)
    a = net.body(x).detach()
    w = net.head[2].weight[1].detach()[:, None, None]
    expected = (w * a).sum(1).relu() / 64
    for kind in ("gradcam", "hirescam"):
        np.testing.assert_allclose(of_net(net, x, kind), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(of_net(net, x, "xgradcam"), expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(
        of_net(net, x, "layercam"), (w.relu() * a).sum(1).relu() / 64, rtol=1e-4, atol=1e-5
    )


def test_a_feature_map_counts_what_the_logit_loses_without_it(net, monkeypatch):
    monkeypatch.setattr("sanum.nets.cam.AT_ONCE", 4)  # six feature maps in two parts
    x = torch.randn(3, 1, 8, 8)
    a, w = net.body(x).detach(), net.head[2].weight[1].detach()
    logit = net.head(a)[:, 1].detach()
    weights = w * a.mean((2, 3)) / logit.abs()[:, None]  # of a mean and one layer
    expected = (weights[:, :, None, None] * a).sum(1).relu()
    np.testing.assert_allclose(of_net(net, x, "ablationcam"), expected, rtol=1e-3, atol=1e-4)
    assert expected.amax((1, 2)).min() > 0


def test_the_first_component_of_one_pattern_is_the_pattern():
    pattern = torch.rand(5, 7) ** 4
    maps = torch.tensor([1.0, -2.0, 0.5])[None, :, None, None] * pattern
    found = first_component(maps)[0]
    centred = (pattern - pattern.mean()).relu()
    np.testing.assert_allclose(found / found.max(), centred / centred.max(), atol=1e-5)
    assert not first_component(torch.ones(1, 3, 4, 4)).any()


@pytest.mark.parametrize("kind", get_args(CamKind))
def test_every_kind_is_finite_not_negative_and_leaves_all_as_it_was(net, kind):
    x = torch.randn(2, 1, 8, 8)
    with torch.inference_mode():
        a = net.body(x)
        before = a.clone()
        found = cam(a, lambda maps: net.head(maps.relu_())[:, 1], kind)  # a head that changes it in place
    assert torch.equal(a, before)
    assert found.shape == (2, 8, 8)
    assert found.isfinite().all()
    assert (found >= 0).all()
    assert net.head[2].weight.grad is None
    flat = cam(torch.zeros(1, 6, 4, 4), lambda maps: net.head(maps)[:, 1], kind)
    assert flat.isfinite().all()
