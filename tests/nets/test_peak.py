import subprocess
import sys

import pytest
import torch
from torch import nn

from sanum.nets.peak import peak_bytes
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


MEASURE = """
import re, sys, torch
from sanum.nets.peak import peak_bytes
from sanum.nets.unet import UNet
from sanum.nets.slabs import in_slabs
planes = int(sys.argv[1])
net = UNet(4, 3, 5, (32, 64, 64), 1).eval().to(memory_format=torch.channels_last_3d)
x = torch.randn(1, 4, 64, 96, 96)
def taken():  # not getrusage's, which a process has from the one that started it
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024
with torch.inference_mode():
    net(x[:, :, :8, :16, :16])
    before = taken()
    in_slabs(net, x, planes, "cpu") if planes else net(x)
print(taken() - before, sum(peak_bytes(net, x.shape, planes=planes or None)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the peak")
@pytest.mark.parametrize("planes", [0, 8])
def test_the_estimate_is_near_what_the_machine_gives(planes):
    out = subprocess.run(
        [sys.executable, "-c", MEASURE, str(planes)], check=True, capture_output=True, text=True
    ).stdout
    taken, told = map(int, out.split())
    assert 0.75 * told < taken < 1.45 * told
