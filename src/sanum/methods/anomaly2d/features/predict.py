"""Patch features of a pretrained network as a detector."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F

from ....nets.efficientnet_lite import STAGES
from ....scan.picture_conform import PictureConfig
from ....weights.file import WeightsError
from ...common.asymmetry import uneven
from ...common.backbone import pretrained
from ...common.bank import core_set, distances
from ...common.detector import Detector
from ...common.detector_config import OF_POOLING, DetectorConfig
from ...common.findings import Chosen, Held, OnStep, State
from ...common.opening import closed_form, loader
from ...common.pooling import PoolingConfig, pooled, smoothed
from ...common.squares import BATCH, SquareStack
from .gaussian import fitted, mahalanobis
from .patches import patches_of, places_of


@dataclass(frozen=True)
class FeaturesConfig(DetectorConfig):
    """Configuration of the detector.

    Parameters
    ----------
    name, seed, picture, reading, pooling, hold_out, alpha
        As of `DetectorConfig`.
    against : "nearest" or "gaussian"
        A patch is held against the nearest of a bank of normal patches, or against a Gaussian of its place.
    blur : float
        Standard deviation of a Gaussian mean, in pixels of the square, before the backbone: against noise.
    stages : tuple of int
        Of the backbone whose features are taken, from 0, increasing.
    grid : int
        Places along a side.
    around : int
        Places a side, odd, over which features are averaged.
    flip : bool
        Normals are seen flipped left-right too.
    bank : int
        Patches that are kept of all normals.
    neighbours : int
        Nearest patches over which the distance is averaged.
    dimensions : int
        Features that Gaussians are of, drawn by chance of all.
    shrink : float
        Share of the mean covariance of all places in that of each.
    worst : float
        Percent of the places whose mean distance is the score.
    asymmetry : float
        Power of a place's difference from its mirror image that its distance is multiplied by; 0: none.
    """

    of_scoring: ClassVar[tuple[str, ...]] = ("worst", "neighbours", *OF_POOLING)
    picture: PictureConfig = field(
        default_factory=lambda: PictureConfig(size=224, fit="stretch", signed=False)
    )
    against: Literal["nearest", "gaussian"] = "nearest"
    blur: float = 1.5
    stages: tuple[int, ...] = (2, 3, 4)
    grid: int = 14
    around: int = 3
    flip: bool = True
    bank: int = 3000
    neighbours: int = 1
    dimensions: int = 100
    shrink: float = 0.1
    worst: float = 5.0
    asymmetry: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        increasing = list(self.stages) == sorted(set(self.stages))
        if not self.stages or not increasing or not 0 <= self.stages[0] <= self.stages[-1] < len(STAGES):
            raise ValueError(f"stages are increasing numbers from 0 to {len(STAGES) - 1}, got {self.stages}")
        if self.around < 1 or self.around % 2 == 0:
            raise ValueError(f"around is an odd number of places, got {self.around}")
        if min(self.bank, self.neighbours, self.dimensions, self.grid) < 1 or self.neighbours > self.bank:
            raise ValueError(
                "bank, neighbours, dimensions and grid are at least 1, and neighbours at most bank"
            )
        if self.asymmetry < 0:
            raise ValueError(f"asymmetry is at least 0, got {self.asymmetry}")
        if not 0 <= self.shrink <= 1 or not 0 < self.worst <= 100 or self.blur < 0:
            raise ValueError("shrink is a share from 0 to 1, worst a percentage, and blur at least 0")


CONFIGS = {
    "features": FeaturesConfig("features"),
    "features-gaussian": FeaturesConfig("features-gaussian", against="gaussian"),
    "features-mirror": FeaturesConfig("features-mirror", asymmetry=0.5, worst=15.0),
}


class FeaturesDetector(Detector):
    """How far the patches of an image are from those of normals; a backbone of photographs says how far.

    Parameters
    ----------
    config : FeaturesConfig
        Frozen; decides everything but the data.
    device : str
        A torch device.
    """

    method = "features"

    def __init__(self, config: FeaturesConfig, *, device: str = "cpu") -> None:
        super().__init__(config, device=device)
        self.net = pretrained(self.method).to(device)

    def learn(self, train: SquareStack, held: Held | None, on_step: OnStep | None) -> dict[str, Chosen]:
        """The bank of patches, or the Gaussians.

        Parameters
        ----------
        train : SquareStack
            Normals.
        held : Held or None
            Not looked at.
        on_step : function, optional
            Not called.
        """
        config, both = self.config, held is not None and held.has_both
        with torch.inference_mode():
            found = [self._patches(part.pixels, part.valid) for part in train.parts(BATCH)]
            if config.flip:
                found += [
                    self._patches(part.pixels.flip(3), part.valid.flip(2)) for part in train.parts(BATCH)
                ]
            rows, counts = (torch.cat(each) for each in zip(*found, strict=True))
            if config.against == "nearest":
                every = rows[counts]
                state = {"bank": every[core_set(every, config.bank, seed=config.seed)].contiguous()}
            else:
                draw = torch.Generator().manual_seed(config.seed)
                chosen = torch.randperm(rows.shape[2], generator=draw)[: config.dimensions].sort().values
                mean, whiten = fitted(rows[..., chosen], counts.float(), config.shrink)
                state = {"chosen": chosen, "mean": mean, "whiten": whiten.contiguous()}
        return closed_form(Chosen({name: x.clone() for name, x in state.items()}), both=both)

    def adopt(self, state: State) -> None:
        """Take a bank, or Gaussians.

        Parameters
        ----------
        state : dict of tensor
            "bank" (M, D); or "chosen" (K,), "mean" (P, K) and "whiten" (P, K, K).
        """
        near = self.config.against == "nearest"
        if set(state) != ({"bank"} if near else {"chosen", "mean", "whiten"}):
            raise WeightsError(f"expected {'a bank of patches' if near else 'Gaussians of each place'}")
        width = self._width()
        if near and state["bank"].shape[1:] != (width,):
            raise WeightsError(f"expected patches of {width} features")
        if not near:
            places, kept = self.config.grid**2, len(state["chosen"])
            fits = state["mean"].shape == (places, kept) and state["whiten"].shape == (places, kept, kept)
            if not fits or int(state["chosen"].max()) >= width:
                raise WeightsError(f"expected Gaussians of {places} places, of some of {width} features")
        # copies of one layout: the order of sums in a product depends on where a matrix lies
        self.learned = {name: x.contiguous().clone().to(self.device) for name, x in state.items()}

    def respond(self, pixels: torch.Tensor, valid: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Distance of each patch, interpolated; score the mean of the largest.

        Parameters
        ----------
        pixels : (B, C, S, S) float32
            In [0, 1].
        valid : (B, S, S) bool
            Pixels that count.
        """
        rows, counts = self._patches(pixels, valid)
        if self.config.against == "nearest":
            bank = self.learned["bank"]
            few = min(self.config.neighbours, len(bank))
            far = distances(rows.flatten(0, 1), bank, few)
        else:
            own = rows[..., self.learned["chosen"]]
            far = mahalanobis(own, self.learned["mean"], self.learned["whiten"])
        side = self.config.grid
        maps = far.reshape(pixels.shape[0], side, side)  # len() would fix the batch of an exported graph
        if self.config.asymmetry:
            turned, _ = self._patches(pixels.flip(3), valid.flip(2))
            own, other = (x.reshape(*maps.shape, -1) for x in (rows, turned))
            maps = uneven(maps, own, other, self.config.asymmetry)
        scores = pooled(maps, counts.reshape(maps.shape), PoolingConfig("top", top=self.config.worst))
        return F.interpolate(maps[:, None], size=pixels.shape[2:], mode="bilinear")[:, 0], scores

    def _patches(self, pixels: torch.Tensor, valid: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Features (B, P, D), and which of them count (B, P)."""
        pixels, config = pixels.to(self.device), self.config
        each = valid.to(self.device)[:, None].expand(-1, pixels.shape[1], -1, -1).flatten(0, 1)
        soft = smoothed(pixels.flatten(0, 1), each, config.blur).reshape(pixels.shape)
        found = patches_of(self.net, soft, config.stages, config.around, config.grid)
        counts = places_of(valid, config.grid)
        return found.flatten(2).transpose(1, 2).contiguous(), counts.flatten(1)

    def _width(self) -> int:
        channels = self.channels or 1
        return sum(STAGES[n][3] for n in self.config.stages) * (1 if channels == 3 else channels)


load = loader(FeaturesDetector, CONFIGS)
