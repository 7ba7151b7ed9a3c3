"""Recipes of ADPD: `adpd` (labels of regions), `adpd-mil` (of images), the published sizes, two baselines.

Paper     Müller et al., MICCAI 2023; departures in README.md
Command   sanum train adpd --data FOLDER -o OUT
Hardware  one thread of a core that others used too
Reached   README.md, on made-up chests; no weights ship
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import nn

from ....data.augment import AugmentConfig
from ....data.xray_masks import organs_in
from ....data.xray_set import MASKS, TABLE, XraySet, listed
from ....data.xrays import file_in, read_xrays
from ....learn.draws import drawn_from
from ....learn.overrides import LATER, flat
from ....learn.schedule import LoopConfig
from ...common.recipe import Batch, Recipe
from .answers import InferenceConfig
from .loss import asymmetric, box_terms, grid_terms, pooled, presence
from .model import BackboneKind, GridNet, PictureNet, Reads, RegionNet
from .source import XraySource, parted

Told = Literal["regions", "images", "cam", "boxes"]

LOOP = LoopConfig(
    steps=3000,
    learning_rate=3e-4,
    warmup=100,
    weight_decay=1e-4,
    betas=(0.9, 0.999),
    ema=0.0,
    sheet_every=0,
    save_every=100,
)


@dataclass(frozen=True)
class AdpdRecipe(Recipe):
    """Recipe of ADPD and of its baselines.

    Parameters
    ----------
    told : "regions", "images", "cam" or "boxes"
        What a training knows of findings: in which regions they are (Loc-ADPD), in which images (MIL-ADPD);
        an image classifier without regions; or the boxes of the findings themselves.
    backbone : str
        "efficientnet-lite0" (weights of photographs), "densenet121" or "small" (without).
    size : int
        Rows and columns that the network sees.
    width : int
        Of a token.
    dropout : float
        In the decoder layer.
    reads : "token" or "box"
        What the findings of a region are read from, see `model.RegionNet`.
    w_l1, w_giou, w_present : float
        Weights of the boxes' terms and of presence.
    w_findings : float
        Of the findings' loss, a sum over an image and a mean over images: published is 0.01 of the sum over a
        batch of 128, so 1.28.
    r : float
        Of the soft maximum.
    over_all : bool
        Whether its mean is over all regions, as published, or over those that are there.
    hold_out : float
        Share of the patients that the state is chosen by, where the file has no split.
    validate_every : int
        Steps between two looks at validation.
    choose : "loss" or "map"
        The state of lowest loss, or of highest mAP, for which validation needs boxes.
    augment : AugmentConfig
        Views. There is no mirror image: right is not left.
    inference : InferenceConfig
        How answers become boxes; of a trained network it can be changed.
    """

    method: ClassVar[str] = "adpd"
    batch_size: int = 16
    workers: int = 0
    loop: LoopConfig = LOOP
    told: Told = "regions"
    backbone: BackboneKind = "efficientnet-lite0"
    size: int = 224
    width: int = 256
    dropout: float = 0.3
    reads: Reads = field(default="token", metadata=LATER)
    w_l1: float = 5.0
    w_giou: float = 2.0
    w_present: float = 1.0
    w_findings: float = 1.28
    r: float = 5.0
    over_all: bool = False
    hold_out: float = 0.2
    validate_every: int = 100
    choose: Literal["loss", "map"] = "loss"
    augment: AugmentConfig = field(
        default_factory=lambda: AugmentConfig(
            rotate_deg=2.0, shift=0.02, zoom=0.08, brightness=0.2, contrast=0.2
        )
    )
    inference: InferenceConfig = field(default_factory=InferenceConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % 8 or self.width < 8:
            raise ValueError(f"width must be a multiple of 8, got {self.width}")
        if self.size < 32:
            raise ValueError(f"size must be at least 32, got {self.size}")
        if not 0 < self.hold_out < 1:
            raise ValueError(f"hold_out must be above 0 and below 1, got {self.hold_out}")
        if self.validate_every < 1:
            raise ValueError(f"validate_every must be at least 1, got {self.validate_every}")
        if not self.r > 0:
            raise ValueError(f"r must be above 0, got {self.r}")

    @property
    def sees_regions(self) -> bool:
        """Whether it has tokens of regions."""
        return self.told in ("regions", "images")

    def check(self, data: Path) -> list[str]:
        """Sentences on the data; XrayDataError lists what is wrong with them.

        Parameters
        ----------
        data : Path
            As of `data.xrays.read_xrays`.
        """
        found = read_once(data, self.sees_regions)
        self.require(found)
        notes = list(found.notes)
        if self.told == "regions":
            unknown = sum(bool((image.in_region < 0).all()) for image in found.images)
            if unknown:
                notes.append(f"{unknown} of {len(found.images)} images have no labels of regions")
        return notes

    def require(self, data: XraySet) -> None:
        """Raise ValueError if the data do not have what is to be told.

        Parameters
        ----------
        data : XraySet
            Of a folder.
        """
        if self.sees_regions and not data.regions:
            raise ValueError(
                "no image has a region: give regions.csv with boxes, or masks of organs in masks/"
            )
        learned, held = parted(data, self.hold_out, self.seed)
        there = {k for image in learned for k in np.flatnonzero(image.present == 1).tolist()}
        absent = [name for k, name in enumerate(data.regions) if k not in there]
        if self.sees_regions and absent:
            raise ValueError(
                f"{listed(absent)} is in no image to learn from: leave it out, or give more images"
            )
        if self.told == "regions" and not any((image.in_region == 1).any() for image in learned):
            raise ValueError(
                "no region has a finding: name findings in regions.csv, or train adpd-mil, "
                "which needs labels of images alone"
            )
        if self.told in ("images", "cam") and not any((image.labels == 1).any() for image in learned):
            raise ValueError("no image has a finding: give findings to images, or boxes of findings")
        if self.told == "boxes" and not any(image.boxes for image in learned):
            raise ValueError("no finding has a box: give annotations, or train adpd, which needs none")
        if self.choose == "map" and not any(image.boxes for image in held):
            raise ValueError("choose=map needs boxes of findings in validation: give some, or choose=loss")

    def prepare(
        self, data: Path, cache: Path, on_prepare: Callable[[int, int], None] | None = None
    ) -> XraySource:
        """Read the images.

        Parameters
        ----------
        data : Path
            As of `data.xrays.read_xrays`.
        cache : Path
            Not needed.
        on_prepare : function, optional
            Called with how many of how many are read.
        """
        return XraySource(self, read_once(data, self.sees_regions), on_prepare)

    def build(self, regions: int, findings: int, *, fresh: bool = True) -> nn.Module:
        """The network, drawn from PyTorch's global generator.

        Parameters
        ----------
        regions, findings : int
            How many.
        fresh : bool
            As of `model.XrayBackbone`.
        """
        if self.told == "cam":
            return PictureNet(self.backbone, findings, fresh=fresh)
        if self.told == "boxes":
            return GridNet(self.backbone, findings, width=self.width, fresh=fresh)
        return RegionNet(
            self.backbone,
            regions,
            findings,
            width=self.width,
            dropout=self.dropout,
            reads=self.reads,
            fresh=fresh,
        )

    def loss(self, model: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Objective of a batch and its terms; what dropout draws is decided by the batch.

        Parameters
        ----------
        model : Module
            Of `build`.
        batch : dict of tensor
            Of `source.XraySource.batches`.
        """
        with drawn_from(int(batch["seed"]), batch["seed"].device):
            return self.objective(model, batch)

    def objective(self, model: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Objective without dropout's draws.

        Parameters
        ----------
        model, batch
            As of `loss`.
        """
        said, count = model(batch["pixels"]), len(batch["pixels"])
        if self.told == "cam":
            terms = {"findings": self.w_findings * asymmetric(said[0].sigmoid(), batch["labels"]) / count}
        elif self.told == "boxes":
            focal, l1, overlap = grid_terms(said[0], said[1], batch["boxes"])
            terms = {"cells": focal, "l1": self.w_l1 * l1, "giou": self.w_giou * overlap}
        else:
            there = batch["present"] == 1
            l1, overlap = box_terms(said.boxes[there], batch["regions"][there])
            p = said.findings.sigmoid()
            if self.told == "regions":
                findings = asymmetric(p, batch["in_region"].masked_fill(~there[..., None], -1))
            else:
                unsaid = (batch["present"] < 0) & (said.present > self.inference.present)
                whole = pooled(p, there | unsaid, self.r, over_all=self.over_all)
                findings = asymmetric(whole, batch["labels"])
            terms = {
                "l1": self.w_l1 * l1,
                "giou": self.w_giou * overlap,
                "present": self.w_present * presence(said.present, batch["present"]),
                "findings": self.w_findings * findings / count,
            }
        return torch.stack(list(terms.values())).sum(), {name: x.detach() for name, x in terms.items()}

    def describe(self) -> dict[str, Any]:
        """Method and configuration: enough to build the network again, with its names."""
        return {**super().describe(), "config": flat(self)}


def read_once(data: Path, regions: bool) -> XraySet:
    """What a folder says; masks may take minutes, and a training checks the data before it prepares them.

    Parameters
    ----------
    data : Path
        As of `data.xrays.read_xrays`.
    regions : bool
        Likewise.
    """
    folder = file_in(data).parent
    masks = (path for organ in organs_in(folder / MASKS).values() for path in organ.values())
    seen = [file_in(data), folder / TABLE, *sorted(masks)]
    changed = tuple((path, path.stat().st_mtime_ns) for path in seen if path.exists())
    return _read(data, regions, changed)


@lru_cache(maxsize=1)
def _read(data: Path, regions: bool, changed: tuple[tuple[Path, int], ...]) -> XraySet:
    return read_xrays(data, regions=regions)


ADPD = AdpdRecipe("adpd")
FAITHFUL = replace(
    ADPD,
    name="adpd-faithful",
    backbone="densenet121",
    width=512,
    batch_size=128,
    over_all=True,
    validate_every=500,
    choose="map",
    loop=replace(LOOP, steps=40_000, learning_rate=3e-5, weight_decay=1e-5, warmup=3000),
)
RECIPES = {
    recipe.name: recipe
    for recipe in (
        ADPD,
        replace(ADPD, name="adpd-mil", told="images", reads="box", r=10.0),
        FAITHFUL,
        replace(
            FAITHFUL,
            name="adpd-mil-faithful",
            told="images",
            width=256,
            loop=replace(FAITHFUL.loop, learning_rate=1e-4, weight_decay=1e-4),
        ),
        replace(ADPD, name="adpd-cam", told="cam"),
        replace(ADPD, name="adpd-boxes", told="boxes"),
    )
}
