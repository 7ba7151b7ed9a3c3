"""FullGrad adds up to the logit; Score-CAM is written out."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sanum.nets.cam_of_network import full_grad, full_gradient, score_cam


class Net(nn.Module):
    """Piecewise linear, with biases of every kind, and an activation that changes its input in place."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(2, 4, 3, stride=2, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(inplace=True),
            nn.Conv2d(4, 6, 3),
        )
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        return self.head(self.body(x).relu().mean((2, 3)))


@pytest.fixture
def net():
    torch.manual_seed(0)
    net = Net().eval()
    norm = net.body[1]
    for x in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
        x.uniform_(0.5, 2)
    return net


X = torch.rand(3, 2, 12, 10, generator=torch.Generator().manual_seed(0))


def test_input_and_biases_add_up_to_the_logit(net):
    black = 0.3

    def logit(x):
        return net(x - black)[:, 1]

    with torch.inference_mode():
        of_input, of_biases = full_gradient(net, X, logit, black)
    total = sum(part.flatten(1).sum(1) for part in (of_input, *of_biases))
    torch.testing.assert_close(total, logit(X).detach(), rtol=1e-4, atol=1e-5)
    assert [part.shape[1] for part in of_biases] == [4, 4, 6, 3]
    assert not any(part._forward_hooks for part in net.modules())


def test_full_grad_is_the_sum_of_scaled_sizes(net):
    def unit(x):
        return (x - x.min()) / (x.max() - x.min())

    def logit(x):
        return net(x)[:, 1]

    of_input, of_biases = full_gradient(net, X, logit)
    slow = torch.zeros(12, 10)
    for part in (of_input, *of_biases[:-1]):
        for one in part[1].abs():
            if one.max() > one.min():
                slow += F.interpolate(unit(one)[None, None], size=(12, 10), mode="bilinear")[0, 0]
    torch.testing.assert_close(full_grad(net, X, logit)[1], slow)


def test_score_cam_weighs_maps_by_what_the_image_keeps_behind_them(net):
    a = net.body(X).detach()

    def logit(x):
        return net(x)[:, 1].detach()

    y = []
    for one in a[2]:
        mask = F.interpolate(
            ((one - one.min()) / (one.max() - one.min()))[None, None], size=(12, 10), mode="bilinear"
        )
        y.append(logit(mask * X[2:]))
    slow = (torch.cat(y).softmax(0)[:, None, None] * a[2]).sum(0).relu()
    torch.testing.assert_close(score_cam(a, X, logit)[2], slow)
    alone = a[2, a[2].flatten(1).std(1).argmax()].relu()
    torch.testing.assert_close(score_cam(a, X, logit, most=1)[2], alone)  # a weight of 1
