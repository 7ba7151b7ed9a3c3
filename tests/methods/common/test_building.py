"""Headers of weights that ask for more than their files hold."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from sanum.methods import registry
from sanum.methods.common.building import box_of, build_for, widths_of
from sanum.nets.compact_unet import CompactUNet
from sanum.space.box import Box
from sanum.weights.file import WeightsError, save_weights


def test_weights_that_fit_are_in_the_network():
    torch.manual_seed(0)
    state = CompactUNet(1, 1, 1, (8, 16), coarse_level=0).state_dict()
    net = build_for(state, (8, 16), lambda: CompactUNet(1, 1, 1, (8, 16), coarse_level=0))
    assert all(torch.equal(x, state[name]) for name, x in net.state_dict().items())
    assert {x.device.type for x in net.parameters()} == {"cpu"}


def test_a_network_that_the_file_does_not_hold_is_never_in_memory():
    """One of 30 GB; without values it takes none."""
    built = []

    def build():
        built.append(CompactUNet(1, 1, 1, (4096,) * 3, coarse_level=0))
        return built[-1]

    state = CompactUNet(1, 1, 1, (8, 16, 16), coarse_level=0).state_dict()
    with pytest.raises(ValueError, match="is 8×8×3×3×3 in it and 4096×8×3×3×3 in this network"):
        build_for(state, (4096,) * 3, build)
    assert [{x.device.type for x in net.parameters()} for net in built] == [{"meta"}]


@pytest.mark.parametrize(
    "widths",
    [
        None,
        5,
        "8,16",
        [],
        [8],
        [8] * 99,
        [8, 10**9],
        [8, 0],
        [8, -1],
        [8, 2.5],
        [8, True],
        [8, "16"],
        {"a": 1},
    ],
)
@pytest.mark.parametrize("method", ["una", "synthsr"])
def test_widths_that_none_can_have(tmp_path, widths, method):
    path = tmp_path / "w.safetensors"
    save_weights(path, {"a": torch.ones(2)}, method=method, widths=widths, shape=[16] * 3, spacing_mm=4.0)
    with pytest.raises(WeightsError, match=r"does not fit the network .*\(its widths are not 2 to"):
        registry.load(method, weights=path)


@pytest.mark.parametrize(
    "header",
    [
        {"shape": [10**9] * 3},
        {"shape": 5},
        {"shape": [16.5, 16, 16]},
        {"shape": ["16"] * 3},
        {"shape": [16, 16]},
        {"shape": [0, 16, 16]},
        {"spacing_mm": 1e-9},
        {"spacing_mm": 1e9},
        {"spacing_mm": "2"},
        {"spacing_mm": None},
        {"spacing_mm": True},
    ],
)
def test_a_box_that_no_head_needs(header):
    with pytest.raises(ValueError, match=r"its shape is not|its voxels are not|a box of"):
        box_of({"shape": [16] * 3, "spacing_mm": 2.0, **header})


def test_a_header_that_can_be():
    assert widths_of({"widths": [8, 16]}) == (8, 16)
    assert box_of({"shape": [16, 32, 16], "spacing_mm": 2}) == Box((16, 32, 16), 2.0)
    assert box_of({}, Box((16, 32, 16), 2.0)) == Box((16, 32, 16), 2.0)


def test_a_network_without_weights_fits_none():
    with pytest.raises(ValueError, match="weight is missing in it"):
        build_for({}, (2, 2), lambda: nn.Linear(2, 2))


def test_the_shipped_weights_are_loaded_without_what_traces_networks():
    """PyTorch's tensors without values load sympy and more: a second, and 170 MB."""
    code = "import sys; from sanum.methods import registry; registry.load(); print('sympy' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout == "False\n"
