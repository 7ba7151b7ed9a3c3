"""From what a network says of pictures to findings with boxes, in shares of the picture's side."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from .fusion import Fused, box_of_map, fuse, suppress
from .loss import corners_of
from .model import GridNet, PictureNet, RegionAnswer, RegionNet


@dataclass(frozen=True)
class InferenceConfig:
    """How answers become boxes.

    Parameters
    ----------
    present : float
        Logit above which a region counts as there.
    positive : float
        Logit above which a finding is reported; 0 is a probability of one half.
    fuse : float
        IoU above which boxes of one finding are fused; 1: they are not.
    top : int
        Boxes of one finding that are kept, the most certain; 0: all. Published is 1, which hides the second
        of two sides.
    map_share : float
        Share of its maximum above which a class-activation map is in the box; of the baseline "cam".
    cell : float
        Probability above which a cell is reported; of the baseline "boxes".
    """

    present: float = 0.5
    positive: float = 0.0
    fuse: float = 0.03
    top: int = 1
    map_share: float = 0.5
    cell: float = 0.1

    def __post_init__(self) -> None:
        if self.top < 0:
            raise ValueError(f"inference.top must be at least 0, got {self.top}")
        for name in ("fuse", "map_share", "cell"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"inference.{name} must be above 0 and at most 1, got {getattr(self, name)}")


@dataclass(frozen=True)
class Spotted:
    """A finding in a picture.

    Parameters
    ----------
    finding : int
        Its number.
    box : (4,) float
        x, y, width, height in shares of the side.
    score : float
        Probability, in [0, 1].
    regions : tuple of int
        In which it was found; none of a baseline.
    """

    finding: int
    box: tuple[float, ...]
    score: float
    regions: tuple[int, ...] = ()


@dataclass(frozen=True)
class PictureAnswer:
    """What a network says of one picture.

    Parameters
    ----------
    spotted : tuple of Spotted
        The most certain first.
    regions : dict
        Box of each region that is there, by its number.
    """

    spotted: tuple[Spotted, ...]
    regions: dict[int, tuple[float, ...]]


@torch.no_grad()
def answers(model: nn.Module, pixels: torch.Tensor, config: InferenceConfig) -> list[PictureAnswer]:
    """What a network says of each picture.

    Parameters
    ----------
    model : Module
        In evaluation mode.
    pixels : (B, 1, S, S) float
        In [0, 1], on its device.
    config : InferenceConfig
        How.
    """
    said = model(pixels)
    if isinstance(model, RegionNet):
        return _of_regions(said, config)
    if isinstance(model, GridNet):
        return [
            PictureAnswer(_of_cells(x, b, config), {})
            for x, b in zip(said[0].cpu(), said[1].cpu(), strict=True)
        ]
    assert isinstance(model, PictureNet)
    return [
        PictureAnswer(_of_maps(x, m, config), {}) for x, m in zip(said[0].cpu(), said[1].cpu(), strict=True)
    ]


def _of_regions(said: RegionAnswer, config: InferenceConfig) -> list[PictureAnswer]:
    corners = corners_of(said.boxes).clamp(0, 1)
    boxes = torch.cat([corners[..., :2], corners[..., 2:] - corners[..., :2]], -1).double().cpu().numpy()
    present, logits = (x.double().cpu().numpy() for x in (said.present, said.findings))
    found = []
    for box, there, logit in zip(boxes, present > config.present, logits, strict=True):
        spotted = []
        for k in range(logit.shape[1]):
            chosen = np.flatnonzero(there & (logit[:, k] > config.positive))
            scores = (1 / (1 + np.exp(-logit[chosen, k]))).tolist()
            for one in kept(fuse(box[chosen], scores, config.fuse), config.top):
                own = tuple(sorted(int(chosen[n]) for n in one.members))
                spotted.append(Spotted(k, one.box, one.score, own))
        regions = {int(a): tuple(box[a].tolist()) for a in np.flatnonzero(there)}
        found.append(PictureAnswer(_ordered(spotted), regions))
    return found


def _of_maps(logits: torch.Tensor, maps: torch.Tensor, config: InferenceConfig) -> tuple[Spotted, ...]:
    spotted = []
    for k in torch.nonzero(logits > config.positive)[:, 0].tolist():
        box = box_of_map(maps[k].relu().float().numpy(), config.map_share)
        if box is not None:
            spotted.append(Spotted(k, box, float(logits[k].sigmoid())))
    return _ordered(spotted)


def _of_cells(logits: torch.Tensor, boxes: torch.Tensor, config: InferenceConfig) -> tuple[Spotted, ...]:
    p, corners, spotted = logits.sigmoid(), corners_of(boxes).clamp(0, 1), []
    for k in range(len(p)):
        chosen = p[k] > config.cell
        ends = corners[k][chosen].double()
        own = torch.cat([ends[:, :2], ends[:, 2:] - ends[:, :2]], 1).numpy()
        for one in kept(suppress(own, p[k][chosen].tolist(), config.fuse), config.top):
            spotted.append(Spotted(k, one.box, one.score))
    return _ordered(spotted)


def kept(found: Sequence[Fused], top: int) -> Sequence[Fused]:
    """The boxes of highest score.

    Parameters
    ----------
    found : sequence of Fused
        The highest first.
    top : int
        How many; 0: all.
    """
    return found[:top] if top else found


def _ordered(spotted: list[Spotted]) -> tuple[Spotted, ...]:
    return tuple(sorted(spotted, key=lambda one: -one.score))
