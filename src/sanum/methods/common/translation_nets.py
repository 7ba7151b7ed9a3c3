"""Networks of translators from MONAI, imported when they are built: a U-Net, a discriminator of patches."""

from collections.abc import Sequence
from math import prod

from torch import nn

from ...extras import needs_extra

HALVED = 16
"""What the U-Net's four halvings divide by."""


def require_large(patch: Sequence[int]) -> None:
    """Raise ValueError if a patch is too small for the U-Net: its smallest map needs two voxels or more.

    Parameters
    ----------
    patch : sequence of int
        Size of the patch.
    """
    if prod(n // HALVED for n in patch) < 2:
        raise ValueError(
            f"patch is {' × '.join(map(str, patch))}: a U-Net of four halvings needs sides of at least "
            f"{HALVED}, one of them {2 * HALVED}"
        )


def u_net(dims: int, channels: int, widths: Sequence[int], *, dropout: float = 0.0) -> nn.Module:
    """MONAI's `BasicUNet` with four halvings: (B, channels, *spatial) → (B, 1, *spatial).

    Parameters
    ----------
    dims : 2 or 3
        Spatial axes; any size from 16.
    channels : int
        Of the input.
    widths : (6,) sequence of int
        Channels of the five levels, and of the last map.
    dropout : float
        Share of the channels that training leaves out.
    """
    with needs_extra("a translator", "translate"):
        from monai.networks.nets.basic_unet import BasicUNet
    net: nn.Module = BasicUNet(
        dims, channels, 1, features=tuple(widths), dropout=dropout, upsample="nontrainable"
    )
    return net


def patch_discriminator(dims: int, channels: int, width: int, layers: int) -> nn.Module:
    """MONAI's `PatchDiscriminator` with instance norm: a list of maps, of which the last is the answer.

    Parameters
    ----------
    dims : 2 or 3
        Spatial axes.
    channels : int
        Of the input.
    width : int
        Channels after the first layer; each further one doubles them.
    layers : int
        After the first; all but the last halve the image.
    """
    with needs_extra("a translator", "translate"):
        from monai.networks.nets.patchgan_discriminator import PatchDiscriminator
    net: nn.Module = PatchDiscriminator(
        dims, channels=width, in_channels=channels, num_layers_d=layers, norm="instance"
    )
    return net
