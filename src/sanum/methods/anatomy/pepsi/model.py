"""The network: features of every voxel, read as a T1w and a FLAIR that both show the pathology.

A small segmentation network for each of the two contrasts finds the pathology in them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

from ....nets.compact_unet import activate, depth_to_space, space_to_depth
from ....nets.features import FeatureNet

FEATURES = 16
SEGMENTER_WIDTH = 16


@dataclass(frozen=True)
class PepsiPrediction:
    """Output of the network.

    Parameters
    ----------
    images : (B, 2, X, Y, Z)
        T1w and FLAIR, the pathology dark in one and bright in the other.
    pathology : (B, 2, X, Y, Z)
        Logits of what the two segmenters find in `images`; the segmenters are taken as given.
    of_targets : (B, 2, X, Y, Z), optional
        Logits of what they find in the true images, which is what trains them.
    """

    images: torch.Tensor
    pathology: torch.Tensor
    of_targets: torch.Tensor | None


class Segmenter(nn.Module):
    """One image (B, 1, X, Y, Z) → logits of pathology, same shape; X, Y, Z even; sees 14 voxels around."""

    def __init__(self) -> None:
        super().__init__()
        sizes = (8, SEGMENTER_WIDTH, SEGMENTER_WIDTH, SEGMENTER_WIDTH)
        self.body = nn.ModuleList(nn.Conv3d(a, b, 3, padding=1) for a, b in pairwise(sizes))
        self.last = nn.Conv3d(SEGMENTER_WIDTH, 8, 1)
        nn.init.constant_(self.last.bias, -2.0)  # type: ignore[arg-type]  # pathology is rare

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """See the class.

        Parameters
        ----------
        image : (B, 1, X, Y, Z)
            T1w or FLAIR, white matter of the T1w near 1.
        """
        x = space_to_depth(image)
        for conv in self.body:
            x = activate(conv(x))
        return depth_to_space(self.last(x)).float()


class Pepsi(nn.Module):
    """Scan (B, 1, X, Y, Z) in [0, 1.5] → `PepsiPrediction`.

    Parameters
    ----------
    widths : sequence of int
        Feature maps per level, at least two.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.net = FeatureNet(FEATURES, widths)
        self.read = nn.Conv3d(FEATURES, 2, 1)
        self.segmenters = nn.ModuleList(Segmenter() for _ in range(2))

    def features(self, scan: torch.Tensor) -> torch.Tensor:
        """(B, FEATURES, X, Y, Z) float32, each voxel's of length 1, as published.

        Parameters
        ----------
        scan : (B, 1, X, Y, Z)
            In [0, 1.5].
        """
        return F.normalize(self.net(scan), dim=1, eps=1e-3)

    def forward(self, scan: torch.Tensor, targets: torch.Tensor | None = None) -> PepsiPrediction:
        """See the class.

        Parameters
        ----------
        targets : (B, 2, X, Y, Z), optional
            The true T1w and FLAIR.
        scan : (B, 1, X, Y, Z)
            In [0, 1.5].
        """
        features = self.features(scan)
        with torch.autocast(scan.device.type, enabled=False):
            images = self.read(features)
        found = []
        for n, segmenter in enumerate(self.segmenters):
            given = {name: weight.detach() for name, weight in segmenter.named_parameters()}
            found.append(functional_call(segmenter, given, (images[:, n : n + 1],)))
        known = None
        if targets is not None:
            known = torch.cat([s(targets[:, n : n + 1]) for n, s in enumerate(self.segmenters)], 1)
        return PepsiPrediction(images, torch.cat(found, 1), known)
