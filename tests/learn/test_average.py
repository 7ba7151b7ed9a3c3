from dataclasses import replace

import pytest
import torch
from torch import nn

from sanum.learn.average import Average
from sanum.learn.devices import open_devices
from sanum.learn.loop import Run, fit
from sanum.learn.schedule import LoopConfig
from sanum.learn.turns import Turn

CONFIG = LoopConfig(steps=400, learning_rate=1e-2, warmup=10, ema=0.98, save_every=1000, sheet_every=0)


def image(n, size=8):
    """A square brighter than its surroundings, on a background of another level in each image."""
    g = torch.Generator().manual_seed(n)
    x = 5 + 2 * torch.randn(size, 1, 12, 12, generator=g)
    x[:, :, 4:8, 4:8] += 4
    return {"x": x, "y": (x - 5) / 2}


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 1, 1),
    )


def loss(net, batch):
    return (net(batch["x"]) - batch["y"]).square().mean(), {}


def batches(start):
    while True:
        yield image(start)
        start += 1


def trained(folder, config=CONFIG):
    fabric = open_devices("cpu", precision="32")
    fabric.launch()
    net = network()
    return net, fit(fabric, net, [Turn(loss)], batches, config, Run(folder))


@pytest.mark.full
def test_batch_norm_of_the_averaged_weights_is_as_if_computed_anew(tmp_path):
    """Oracle: `update_bn` on 100 batches that no training saw."""
    _, average = trained(tmp_path)
    ours, oracle = network(), network()
    ours.load_state_dict(average)
    oracle.load_state_dict(average)
    torch.optim.swa_utils.update_bn((image(10_000 + n)["x"] for n in range(100)), oracle)
    ours.eval()
    oracle.eval()
    batch = image(99_999, size=64)
    with torch.inference_mode():
        error = (ours(batch["x"]) - batch["y"]).square().mean().item()
        best = (oracle(batch["x"]) - batch["y"]).square().mean().item()
        apart = (ours(batch["x"]) - oracle(batch["x"])).abs().mean().item()
    assert best < 0.1
    assert error < 1.1 * best + 0.005
    assert apart < 0.05  # of targets with a spread of 1
    for index in (1, 4):
        torch.testing.assert_close(ours[index].running_mean, oracle[index].running_mean, rtol=0.05, atol=0.05)
        torch.testing.assert_close(ours[index].running_var, oracle[index].running_var, rtol=0.15, atol=0.02)


def test_a_count_is_copied_and_not_averaged(tmp_path):
    net, average = trained(tmp_path, replace(CONFIG, steps=7))
    assert average["1.num_batches_tracked"] == net[1].num_batches_tracked == 7
    assert average["1.num_batches_tracked"].dtype == torch.int64
    assert not torch.equal(average["1.running_mean"], net[1].running_mean)


def test_the_average_is_put_in_place_and_taken_out_again():
    net = network()
    average = Average(net)
    with torch.no_grad():
        net[0].weight += 1
    average.update(net, 0.75)
    own = net[0].weight.detach().clone()
    with average.in_place_of(net):
        assert not net.training
        torch.testing.assert_close(net[0].weight, own - 0.75)
    assert net.training
    assert torch.equal(net[0].weight, own)
