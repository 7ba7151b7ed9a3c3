"""The network: a backbone that makes feature maps, their mean, and a linear layer with two outputs.

Of its three parts, `early` stands still, so what it makes of a picture can be kept; `late`, `logits` learn.
Class-activation maps need `maps`, then `logits`, and no hooks.
"""

from typing import Literal, Self

import torch
from torch import nn

from ....extras import needs_extra
from ....nets.efficientnet_lite import STAGES, EfficientNetLite0
from ...common.backbone import as_photographs, pretrained

Backbone = Literal["efficientnet-lite0", "densenet121"]
WIDTHS = {"efficientnet-lite0": 1280, "densenet121": 1024}
"""Feature maps of each backbone; their side is a 32nd of the image's."""


class PictureClassifier(nn.Module):
    """Pictures (B, C, S, S) in [0, 1] → logits of normal and abnormal (B, 2).

    One and three channels are one photograph; of others each channel is a photograph, and their feature maps
    are averaged. Norms of a pretrained backbone keep their statistics: a hundred images would not make better
    ones.

    Parameters
    ----------
    backbone : str
        "efficientnet-lite0", with weights of photographs, or "densenet121" of MONAI, without.
    tuned_from : int
        First stage of the pretrained backbone that learns, 0 (all) to 7 (its head); of the other all learns.
    dropout : float
        Share of the features that training leaves out.
    """

    def __init__(self, backbone: Backbone, tuned_from: int = 0, dropout: float = 0.0) -> None:
        super().__init__()
        self.is_pretrained = backbone == "efficientnet-lite0"
        self.body: nn.Module = _lite() if self.is_pretrained else _densenet()
        self.first = sum(blocks for *_, blocks in STAGES[:tuned_from])
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Linear(WIDTHS[backbone], 2)
        if isinstance(self.body, EfficientNetLite0) and tuned_from:
            self.body.stem.requires_grad_(False)
            self.body.blocks[: self.first].requires_grad_(False)

    def early(self, pixels: torch.Tensor) -> torch.Tensor:
        """What stands still makes of pictures, (B, V, …) for V photographs of a picture.

        Parameters
        ----------
        pixels : (B, C, S, S) float
            In [0, 1].
        """
        x = as_photographs(pixels)
        if isinstance(self.body, EfficientNetLite0) and self.first:
            x = self.body.stem(x)
            for block in self.body.blocks[: self.first]:
                x = block(x)
        found: torch.Tensor = x.unflatten(0, (len(pixels), -1))
        return found

    def late(self, early: torch.Tensor) -> torch.Tensor:
        """Last feature maps (B, D, h, w), averaged over the photographs of a picture.

        Parameters
        ----------
        early : (B, V, …) tensor
            Of `early`.
        """
        x = early.flatten(0, 1)
        if isinstance(self.body, EfficientNetLite0):
            x = x if self.first else self.body.stem(x)
            for block in self.body.blocks[self.first :]:
                x = block(x)
            x = self.body.head(x)
        else:
            x = self.body(x)
        found: torch.Tensor = x.unflatten(0, early.shape[:2])
        return found[:, 0] if found.shape[1] == 1 else found.mean(1)

    def maps(self, pixels: torch.Tensor) -> torch.Tensor:
        """Last feature maps (B, D, h, w).

        Parameters
        ----------
        pixels : (B, C, S, S) float
            In [0, 1].
        """
        return self.late(self.early(pixels))

    def logits(self, maps: torch.Tensor) -> torch.Tensor:
        """Logits (B, 2) of feature maps.

        Parameters
        ----------
        maps : (B, D, h, w) tensor
            Of `maps`.
        """
        active = maps if self.is_pretrained else maps.relu()  # DenseNet's features end in a norm
        found: torch.Tensor = self.classify(self.dropout(active.mean((2, 3))))
        return found

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """See the class.

        Parameters
        ----------
        pixels : (B, C, S, S) float
            In [0, 1].
        """
        return self.logits(self.maps(pixels))

    def train(self, mode: bool = True) -> Self:
        """Training or evaluation mode; norms of a pretrained backbone stay in the latter.

        Parameters
        ----------
        mode : bool
            Training.
        """
        super().train(mode)
        if self.is_pretrained:
            self.body.eval()
        return self


def _lite() -> nn.Module:
    net = pretrained("classifier").requires_grad_(True)
    del net.classify  # of a thousand kinds of photographs
    return net


def _densenet() -> nn.Module:
    with needs_extra("classifier-densenet", "monai"):
        from monai.networks.nets.densenet import DenseNet121
    net: nn.Module = DenseNet121(spatial_dims=2, in_channels=3, out_channels=2).features
    return net
