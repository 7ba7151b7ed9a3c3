"""Networks: tokens of regions that look at feature maps, and two baselines on the same backbone."""

import math
from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import nn

from ....extras import needs_extra
from ....nets.efficientnet_lite import EfficientNetLite0
from ...common.backbone import as_photographs, pretrained

BackboneKind = Literal["efficientnet-lite0", "densenet121", "small"]
Reads = Literal["token", "box"]
SMALL = (16, 32, 64, 96)
WIDTHS = {"efficientnet-lite0": 1280, "densenet121": 1024, "small": SMALL[-1]}
"""Feature maps of each backbone; their side is a 32nd of the picture's, of the small one an 8th."""

TINY = 1e-6

RARE = -2.0
"""First logit of a cell of the grid: most hold nothing."""


class XrayBackbone(nn.Module):
    """Pictures (B, 1, S, S) in [0, 1] → feature maps (B, D, h, w).

    Parameters
    ----------
    kind : str
        "efficientnet-lite0", with weights of photographs; "densenet121" of MONAI, without; or "small".
    fresh : bool
        Take the weights of photographs; without it they are drawn, to be replaced by those of a file.
    """

    def __init__(self, kind: BackboneKind, *, fresh: bool = True) -> None:
        super().__init__()
        self.kind = kind
        self.body: nn.Module
        if kind == "small":
            self.body = _small()
        elif kind == "densenet121":
            with needs_extra("adpd with densenet121", "monai"):
                from monai.networks.nets.densenet import DenseNet121
            self.body = DenseNet121(spatial_dims=2, in_channels=3, out_channels=1).features
        else:
            self.body = pretrained("adpd").requires_grad_(True) if fresh else EfficientNetLite0()
            del self.body.classify  # of a thousand kinds of photographs

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """See the class.

        Parameters
        ----------
        pixels : (B, 1, S, S) float
            In [0, 1].
        """
        if self.kind == "small":
            found: torch.Tensor = self.body(2 * pixels - 1)
            return found
        x = as_photographs(pixels)
        if isinstance(self.body, EfficientNetLite0):
            x = self.body.stem(x)
            for block in self.body.blocks:
                x = block(x)
            found = self.body.head(x)
            return found
        found = self.body(x)
        return found.relu()  # DenseNet's features end in a norm

    def train(self, mode: bool = True) -> Self:
        """Training or evaluation mode; norms that photographs have set keep their statistics.

        Parameters
        ----------
        mode : bool
            Training.
        """
        super().train(mode)
        if self.kind == "efficientnet-lite0":
            self.body.eval()
        return self


@dataclass(frozen=True)
class RegionAnswer:
    """What tokens say of pictures.

    Parameters
    ----------
    boxes : (B, A, 4) tensor
        cx, cy, w, h in [0, 1].
    present : (B, A) tensor
        Logit of "the region is in the picture".
    findings : (B, A, K) tensor
        Logits of the findings in each region.
    """

    boxes: torch.Tensor
    present: torch.Tensor
    findings: torch.Tensor


class RegionNet(nn.Module):
    """ADPD: one learned token for each region, one transformer decoder layer, three heads on each token.

    Parameters
    ----------
    backbone : str
        As of `XrayBackbone`.
    regions, findings : int
        A and K.
    width : int
        Of a token; a multiple of 8, the heads of attention, and of 4.
    dropout : float
        In the decoder layer.
    reads : "token" or "box"
        What the findings of a region are read from: its token, which sees the whole picture; or the maps in
        the box that it was given, so that a finding elsewhere is no evidence.
    fresh : bool
        As of `XrayBackbone`.
    """

    def __init__(
        self,
        backbone: BackboneKind,
        regions: int,
        findings: int,
        *,
        width: int = 256,
        dropout: float = 0.3,
        reads: Reads = "token",
        fresh: bool = True,
    ) -> None:
        super().__init__()
        self.reads = reads
        self.backbone = XrayBackbone(backbone, fresh=fresh)
        self.project = nn.Conv2d(WIDTHS[backbone], width, 1)
        self.tokens = nn.Parameter(torch.randn(regions, width) / math.sqrt(width))
        self.decoder = TokenDecoder(width, dropout)
        self.box = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 4)
        )
        self.present = nn.Linear(width, 1)
        self.findings = nn.Linear(width, findings)

    def forward(self, pixels: torch.Tensor) -> RegionAnswer:
        """What the tokens say.

        Parameters
        ----------
        pixels : (B, 1, S, S) float
            In [0, 1].
        """
        maps = self.project(self.backbone(pixels))
        places = place_codes(maps.shape[2], maps.shape[3], maps.shape[1]).to(maps)
        tokens = self.tokens.expand(len(maps), -1, -1)
        seen = self.decoder(tokens, maps.flatten(2).transpose(1, 2), places)
        boxes = self.box(seen).sigmoid()
        read = seen if self.reads == "token" else in_boxes(maps, boxes.detach()).relu() + self.tokens
        return RegionAnswer(boxes, self.present(seen)[..., 0], self.findings(read))


class TokenDecoder(nn.Module):
    """One decoder layer: tokens look at each other, then at the patches, then each at itself.

    Parameters
    ----------
    width : int
        Of tokens and patches.
    dropout : float
        Share of what is left out in training.
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.among = nn.MultiheadAttention(width, 8, dropout=dropout, batch_first=True)
        self.across = nn.MultiheadAttention(width, 8, dropout=dropout, batch_first=True)
        self.forth = nn.Sequential(
            nn.Linear(width, 4 * width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(4 * width, width)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: torch.Tensor, patches: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Tokens after the layer, (B, A, D).

        Parameters
        ----------
        tokens : (B, A, D) tensor
            Who they are; added again before each attention.
        patches : (B, P, D) tensor
            Feature maps.
        places : (P, D) tensor
            Where the patches are.
        """
        x = tokens
        seen, _ = self.among(x, x, x, need_weights=False)
        x = self.norms[0](x + self.dropout(seen))
        seen, _ = self.across(x + tokens, patches + places, patches, need_weights=False)
        x = self.norms[1](x + self.dropout(seen))
        found: torch.Tensor = self.norms[2](x + self.dropout(self.forth(x)))
        return found


class PictureNet(nn.Module):
    """Baseline: an image classifier, whose class-activation maps become boxes.

    Parameters
    ----------
    backbone : str
        As of `XrayBackbone`.
    findings : int
        K.
    fresh : bool
        As of `XrayBackbone`.
    """

    def __init__(self, backbone: BackboneKind, findings: int, *, fresh: bool = True) -> None:
        super().__init__()
        self.backbone = XrayBackbone(backbone, fresh=fresh)
        self.findings = nn.Linear(WIDTHS[backbone], findings)

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (B, K), and the maps (B, K, h, w) of which they are the means, without the bias.

        Parameters
        ----------
        pixels : (B, 1, S, S) float
            In [0, 1].
        """
        maps = self.backbone(pixels)
        spoken = torch.einsum("bdhw,kd->bkhw", maps, self.findings.weight)
        return spoken.mean((2, 3)) + self.findings.bias, spoken


class GridNet(nn.Module):
    """Baseline: a detector that is told the boxes; each cell of the maps says what has its middle there.

    Parameters
    ----------
    backbone : str
        As of `XrayBackbone`.
    findings : int
        K.
    width : int
        Of the layer before the answer.
    fresh : bool
        As of `XrayBackbone`.
    """

    def __init__(
        self, backbone: BackboneKind, findings: int, *, width: int = 256, fresh: bool = True
    ) -> None:
        super().__init__()
        self.backbone, self.classes = XrayBackbone(backbone, fresh=fresh), findings
        self.look = nn.Sequential(nn.Conv2d(WIDTHS[backbone], width, 3, padding=1), nn.ReLU())
        self.say = nn.Conv2d(width, 5 * findings, 1)
        nn.init.constant_(self.say.bias[:findings], RARE)  # type: ignore[index]

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (B, K, h, w), and boxes (B, K, h, w, 4) as cx, cy, w, h.

        Parameters
        ----------
        pixels : (B, 1, S, S) float
            In [0, 1].
        """
        said = self.say(self.look(self.backbone(pixels)))
        high, wide = said.shape[2:]
        raw = said[:, self.classes :].unflatten(1, (self.classes, 4)).permute(0, 1, 3, 4, 2).sigmoid()
        y, x = torch.meshgrid(torch.arange(high), torch.arange(wide), indexing="ij")
        first = torch.stack([x / wide, y / high], -1).to(raw)
        middle = first + raw[..., :2] / torch.tensor([wide, high]).to(raw)
        return said[:, : self.classes], torch.cat([middle, raw[..., 2:]], -1)


def in_boxes(maps: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    """Mean of maps in boxes, each cell by how much of it is inside, (B, A, D); 0 in a box without area.

    Parameters
    ----------
    maps : (B, D, h, w) tensor
        Feature maps.
    boxes : (B, A, 4) tensor
        cx, cy, w, h in shares of the side.
    """
    first, last = boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2

    def shares(axis: int, count: int) -> torch.Tensor:
        edges = torch.arange(count + 1).to(maps) / count
        low, high = first[..., axis, None], last[..., axis, None]
        return (torch.minimum(high, edges[1:]) - torch.maximum(low, edges[:-1])).clamp(min=0)

    x, y = shares(0, maps.shape[3]), shares(1, maps.shape[2])
    inside = torch.einsum("bdhw,bah,baw->bad", maps, y, x)
    return inside / (y.sum(-1) * x.sum(-1)).clamp(min=TINY)[..., None]


def place_codes(high: int, wide: int, width: int) -> torch.Tensor:
    """Sines and cosines that say where a patch is, (high · wide, width): half of them of y, half of x.

    Parameters
    ----------
    high, wide : int
        Patches.
    width : int
        A multiple of 4.
    """
    rates = 100.0 ** (-torch.arange(width // 4) / (width // 4))

    def codes(count: int) -> torch.Tensor:
        angles = (torch.arange(count) + 0.5)[:, None] / count * 2 * math.pi * rates * 4
        return torch.cat([angles.sin(), angles.cos()], 1)

    rows = codes(high)[:, None].expand(-1, wide, -1)
    columns = codes(wide)[None].expand(high, -1, -1)
    return torch.cat([rows, columns], -1).flatten(0, 1)


def _small() -> nn.Sequential:
    layers: list[nn.Module] = []
    before = 1
    for width, first in zip(SMALL, (2, 2, 2, 1), strict=True):
        for stride in (first, 1):
            layers += [
                nn.Conv2d(before, width, 3, stride, 1, bias=False),
                nn.GroupNorm(8, width),
                nn.ReLU(),
            ]
            before = width
    return nn.Sequential(*layers)
