"""Images as patches: a row of features for each place of a grid."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from ....nets.efficientnet_lite import EfficientNetLite0
from ...common.backbone import as_photographs


def patches_of(
    net: EfficientNetLite0, pixels: torch.Tensor, stages: Sequence[int], around: int, grid: int
) -> torch.Tensor:
    """Features (B, D, G, G) of the patches of images, each of length 1.

    Contrast changes the length of a patch's features more than their direction.

    Parameters
    ----------
    net : EfficientNetLite0
        In evaluation mode.
    pixels : (B, C, S, S) float32
        In [0, 1].
    stages : sequence of int
        Increasing, from 0.
    around : int
        Places a side, odd, over which features are averaged.
    grid : int
        G: finer maps are averaged, coarser ones interpolated.
    """
    found = net.features(as_photographs(pixels), stages)
    rows = []
    for x in found:
        x = F.avg_pool2d(x, around, 1, around // 2, count_include_pad=False)
        fine = x.shape[2] > grid
        size = (grid, grid)
        rows.append(F.adaptive_avg_pool2d(x, size) if fine else F.interpolate(x, size=size, mode="bilinear"))
    return F.normalize(torch.cat(rows, 1).reshape(pixels.shape[0], -1, grid, grid), dim=1)


def places_of(valid: torch.Tensor, grid: int) -> torch.Tensor:
    """Places (B, G, G) of which half is valid; all of an image that has none.

    Parameters
    ----------
    valid : (B, S, S) bool
        Pixels that count.
    grid : int
        G.
    """
    share = F.interpolate(valid[:, None].float(), size=(grid, grid), mode="area")[:, 0]
    inside = share >= 0.5
    return inside | ~inside.any(2, keepdim=True).any(1, keepdim=True)
