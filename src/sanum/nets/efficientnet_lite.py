"""EfficientNet-Lite0: an image classifier whose feature maps are of use where there are few images.

Tan and Le, ICML 2019, in the Lite form of 2020 (github.com/tensorflow/tpu, `efficientnet/lite`): no squeeze
and excitation, ReLU6 in place of swish, stem and head of fixed width. Padding is "same" as in TensorFlow,
which at a stride of 2 and an even side is one pixel less at the top and the left.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import nn

STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
"""Kernel, stride, expansion, channels, blocks."""

STRIDES = (2, 4, 8, 16, 16, 32, 32)
"""Pixels of the image to a pixel of each stage's map."""

CHANNELS = tuple(stage[3] for stage in STAGES)


class NormedConv(nn.Module):
    """Convolution with TensorFlow's "same" padding, batch norm, and ReLU6 if it is `active`.

    Parameters
    ----------
    before, after : int
        Channels.
    kernel, stride : int
        Of the convolution.
    groups : int
        Of the convolution.
    active : bool
        With ReLU6.
    """

    def __init__(
        self, before: int, after: int, kernel: int = 1, stride: int = 1, groups: int = 1, active: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(after, eps=1e-3, momentum=0.01)
        self.active = active

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, before, H, W) → (B, after, ⌈H / stride⌉, ⌈W / stride⌉).

        Parameters
        ----------
        x : (B, before, H, W) tensor
            Feature maps.
        """
        conv, norm = self.conv, self.norm
        kernel, stride = conv.kernel_size[0], conv.stride[0]
        around = kernel // 2
        if stride > 1:
            missing = [max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in (x.shape[3], x.shape[2])]
            x, around = F.pad(x, [side for m in missing for side in (m // 2, m - m // 2)]), 0
        if norm.training:
            x = norm(F.conv2d(x, conv.weight, None, stride, around, groups=conv.groups))
        else:  # one pass over the map less: the norm is in the kernel
            assert norm.running_mean is not None
            assert norm.running_var is not None
            scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
            shift = norm.bias - norm.running_mean * scale
            x = F.conv2d(
                x, conv.weight * scale[:, None, None, None], shift, stride, around, groups=conv.groups
            )
        return F.relu6(x, inplace=not torch.is_grad_enabled()) if self.active else x


class InvertedBlock(nn.Module):
    """Expand, convolve each channel, project; added to its input where the shape stays (Sandler et al. 2018).

    Parameters
    ----------
    before, after : int
        Channels.
    kernel, stride : int
        Of the convolution of each channel.
    expansion : int
        Times as many channels inside; 1: no expansion.
    """

    def __init__(self, before: int, after: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inside = before * expansion
        self.expand = NormedConv(before, inside) if expansion > 1 else nn.Identity()
        self.depthwise = NormedConv(inside, inside, kernel, stride, groups=inside)
        self.project = NormedConv(inside, after, active=False)
        self.added = stride == 1 and before == after

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, before, H, W) → (B, after, ⌈H / stride⌉, ⌈W / stride⌉).

        Parameters
        ----------
        x : (B, before, H, W) tensor
            Feature maps.
        """
        made: torch.Tensor = self.project(self.depthwise(self.expand(x)))
        return made + x if self.added else made


class EfficientNetLite0(nn.Module):
    """(B, 3, H, W) → logits of the classes; or feature maps of some stages, with `features`.

    Parameters
    ----------
    classes : int
        Of the last layer.
    stages : int
        How many are built, from the first on; without the last one there are no head and no logits.
    """

    def __init__(self, classes: int = 1000, stages: int = len(STAGES)) -> None:
        super().__init__()
        self.stem = NormedConv(3, 32, 3, 2)
        blocks, before, self.ends = [], 32, []
        for kernel, stride, expansion, channels, count in STAGES[:stages]:
            for n in range(count):
                blocks.append(InvertedBlock(before, channels, kernel, 1 if n else stride, expansion))
                before = channels
            self.ends.append(len(blocks) - 1)
        self.blocks = nn.ModuleList(blocks)
        if stages < len(STAGES):
            return
        self.head = NormedConv(before, 1280)
        self.classify = nn.Linear(1280, classes)

    def features(self, image: torch.Tensor, stages: Sequence[int]) -> list[torch.Tensor]:
        """Maps (B, C, H / stride, W / stride) after each of some stages; no later one is computed.

        Parameters
        ----------
        image : (B, 3, H, W) tensor
            Scaled as the weights want it.
        stages : sequence of int
            Increasing, from 0.
        """
        found, x = [], self.stem(image.contiguous(memory_format=torch.channels_last))
        for n, block in enumerate(self.blocks[: self.ends[max(stages)] + 1]):
            x = block(x)
            if n in self.ends and self.ends.index(n) in stages:
                found.append(x)
        return found

    def take(self, whole: "EfficientNetLite0") -> None:
        """Copy the weights of a network with as many stages or more.

        Parameters
        ----------
        whole : EfficientNetLite0
            Such as a pretrained one.
        """
        given = whole.state_dict()
        self.load_state_dict({name: given[name] for name in self.state_dict()})

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits (B, classes).

        Parameters
        ----------
        image : (B, 3, H, W) tensor
            Scaled as the weights want it.
        """
        (last,) = self.features(image, (len(STAGES) - 1,))
        logits: torch.Tensor = self.classify(self.head(last).mean((2, 3)))
        return logits


_LAYERS = {
    "_conv_stem": "stem.conv",
    "_bn0": "stem.norm",
    "_conv_head": "head.conv",
    "_bn1": "head.norm",
    "_fc": "classify",
}
_LAYERS_OF_A_BLOCK = {
    "_expand_conv": "expand.conv",
    "_bn0": "expand.norm",
    "_depthwise_conv": "depthwise.conv",
    "_bn1": "depthwise.norm",
    "_project_conv": "project.conv",
    "_bn2": "project.norm",
}


def renamed(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights by our names, of those by the names of EfficientNet-PyTorch ("_blocks.0._bn1.weight").

    Parameters
    ----------
    state : mapping of tensor
        By their names.

    Raises
    ------
    KeyError
        A layer that this network does not have.
    """
    found = {}
    for name, x in state.items():
        layer, _, kind = name.rpartition(".")
        if layer.startswith("_blocks."):
            _, number, part = layer.split(".")
            found[f"blocks.{number}.{_LAYERS_OF_A_BLOCK[part]}.{kind}"] = x
        else:
            found[f"{_LAYERS[layer]}.{kind}"] = x
    return found
