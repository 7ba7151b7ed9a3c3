"""Recipes of the fluid's own detector: `fluid2d`, and `fluid2d-plain` whose encoder has seen no photographs.

Command   sanum detect crossval NORMALS ABNORMALS -o OUT --method fluid2d
Reached   README.md

Lab note: 200 head CT slices, published indices, mean validation AUC of the runs g0b0 and g0b1. One run each,
so differences below 0.02 say little. No test fold was looked at, but an image of one run's test fold is in
the validation of another.

decoder alone (marks), 300 steps             0.82 after 50 steps, then 0.60 to 0.79: it hardly marks
                                             anything where no noise was added
distance to the nearest patch, nothing else  0.931 (mean of all ten runs 0.902)
judge of |offset|                            0.74; of its square 0.85
judge of the offset                          0.900, with the distance 0.944
  and of the mirrored offset                 0.85, with the distance 0.944
  and of the features                        0.933, with the distance 0.955
    pictures without noise, half as many     0.86, with the distance 0.93
    16 × 16 places, half as many pictures    0.864, with the distance 0.940
    learning rate 0.002, 320 steps           0.930, with the distance 0.952
    learning rate 0.01, 200 steps            0.941, with the distance 0.953
All above: 128 pixels, 8 × 8 places, no blur; whole it had 0.900 on the test sets. Then, nothing learned,
mean validation AUC of all ten runs, the largest 10 % of the places:
128 pixels, distance                         0.903, times the root of the asymmetry 0.918
224 pixels, distance                         0.905, times the root of the asymmetry 0.922
  and blur of 1.5 pixels                     0.918, times the root of the asymmetry 0.938, times itself 0.931
and learned, runs g0b0 and g0b1, the largest 5 %: distance 0.940, judge 0.951, judge + 5, 10, 20, 40 times
the distance 0.981, 0.985, 0.982, 0.968.
The judges of 128 pixels learned from 1,280 pictures made once, with all patches in the bank (8,000 of
16 × 16 places); the recipe makes new ones for each step. How the pictures looked was decided by eye:
anomalies within the skull, layers along it, the grain kept.
"""

from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ....data.augment import AugmentConfig
from ....fluid.kernels.threads import one_kernel_thread
from ....learn.schedule import LoopConfig
from ....nets.efficientnet_lite import EfficientNetLite0
from ....scan.picture_conform import PictureConfig
from ...common.backbone import pretrained
from ...common.detector_config import OF_POOLING
from ...common.detector_recipe import DetectorRecipe, PictureSourceOfBatches
from ...common.pooling import PoolingConfig, pooled
from ...common.recipe import Batch
from ...common.squares import SquareStack
from .growth import GrowthConfig, domain_of, draw_growth, with_anomalies
from .loss import objective
from .model import Fluid2dNet

VIEWS = AugmentConfig(
    flip=0.5, rotate_deg=10, shift=0.04, zoom=0.1, shear_deg=5, brightness=0.1, contrast=0.2
)
LOOP = LoopConfig(
    steps=160, learning_rate=5e-3, warmup=20, weight_decay=1e-2, ema=0.95, save_every=40, sheet_every=0
)


@dataclass(frozen=True)
class Fluid2dRecipe(DetectorRecipe):
    """Recipe of the network `Fluid2dNet`.

    Parameters
    ----------
    widths : tuple of int
        Channels of a plain encoder after each halving; none: the encoder is a pretrained EfficientNet-Lite0.
    decoder : int
        Channels of the way back.
    mirror : bool
        Each place sees its mirror image too: heads and faces are symmetric.
    frozen : bool
        A pretrained encoder stays as it is.
    growth : GrowthConfig
        What anomalies are drawn from.
    gamma : float
        Standard deviation of the logarithm of the power that intensities are raised to.
    noise : float
        Largest standard deviation of noise on the image.
    worst : float
        Percent of the pixels whose mean mark is the score, where there is no memory.
    farthest : float
        Percent of the places whose mean is the score, where there is one.
    far : float
        What a distance from the patches of normals counts in the score, beside the logit; 0: no memory.
    bank : int
        Patches of normals that are remembered.
    blur : float
        Standard deviation of a Gaussian mean, in pixels, before a pretrained encoder: against noise.
    asymmetry : float
        Power of a place's difference from its mirror image that its distance is multiplied by; 0: none.
    map : "mark", "restored", "both" or "far"
        Probability of an anomaly; difference from the restored image; root of their product; distance from
        the nearest patch of the normals, times the power of the asymmetry.
    """

    method: ClassVar[str] = "fluid2d"
    of_scoring: ClassVar[tuple[str, ...]] = ("map", "worst", "farthest", *OF_POOLING)
    batch_size: int = 16
    loop: LoopConfig = LOOP
    augment: AugmentConfig = VIEWS
    picture: PictureConfig = field(
        default_factory=lambda: PictureConfig(size=224, fit="stretch", signed=False)
    )
    validate_every: int = 40
    widths: tuple[int, ...] = ()
    decoder: int = 32
    mirror: bool = True
    frozen: bool = True
    growth: GrowthConfig = field(default_factory=GrowthConfig)
    gamma: float = 0.3
    noise: float = 0.05
    worst: float = 2.0
    farthest: float = 5.0
    far: float = 10.0
    bank: int = 3000
    blur: float = 1.5
    asymmetry: float = 0.5
    map: Literal["mark", "restored", "both", "far"] = "mark"

    def __post_init__(self) -> None:
        super().__post_init__()
        if (
            not 0 < self.worst <= 100
            or not 0 < self.farthest <= 100
            or self.gamma < 0
            or self.noise < 0
            or self.decoder < 1
        ):
            raise ValueError(
                "worst and farthest are above 0 and at most 100; gamma and noise are at least 0, decoder at "
                "least 1"
            )

        if self.blur < 0 or self.asymmetry < 0:
            raise ValueError("blur and asymmetry are at least 0")
        if self.far < 0 or self.bank < 1 or (self.map == "far" and not self.has_bank):
            raise ValueError(
                "far is at least 0 and bank at least 1; map=far needs far above 0 and a frozen, pretrained "
                "encoder"
            )

    @property
    def has_bank(self) -> bool:
        """Whether patches of normals are remembered; they are worth nothing once the encoder changes."""
        return self.far > 0 and self.frozen and not self.widths

    def build(self, channels: int) -> nn.Module:
        """Make the network; without the weights of a pretrained encoder, which `source` or a file brings.

        Parameters
        ----------
        channels : int
            Of the pictures.
        """
        return Fluid2dNet(
            channels,
            self.widths,
            self.decoder,
            mirror=self.mirror,
            frozen=self.frozen,
            bank=self.bank if self.has_bank else 0,
            blur=self.blur,
            asymmetry=self.asymmetry,
        )

    def source(self, stack: SquareStack) -> "AnomalySource":
        """Network with a pretrained encoder, and endless batches of pictures with anomalies.

        Parameters
        ----------
        stack : SquareStack
            Normals to learn from.
        """
        return AnomalySource(self, stack)

    def objective(self, model: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """See `loss.py`.

        Parameters
        ----------
        model : Module
            As `build` made it.
        batch : dict of tensor
            As of `AnomalySource.batch`.
        """
        found = model(batch["sick"], batch["own"])
        return objective(found, batch["mark"], batch["image"], batch["valid"])

    def reconstruct(self, model: nn.Module, image: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """The image as it would look without an anomaly.

        Parameters
        ----------
        model : Module
            In evaluation mode.
        image : (B, C, S, S) float32
            In [0, 1].
        valid : (B, S, S) bool
            Pixels that count.
        """
        healthy: torch.Tensor = model(image)[1]
        return healthy

    def respond(
        self, model: nn.Module, image: torch.Tensor, valid: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Map as the recipe says; score of the places' logits and distances, without a memory of the marks.

        Parameters
        ----------
        model : Module
            In evaluation mode.
        image : (B, C, S, S) float32
            In [0, 1].
        valid : (B, S, S) bool
            Pixels that count.
        """
        found = model(image)
        mark, change = found.logits[:, 0].sigmoid(), (found.healthy - image).abs().mean(1)
        maps = {"mark": mark, "restored": change, "both": (mark * change).sqrt()}
        if found.places is None:
            return maps[self.map], pooled(mark, valid, PoolingConfig("top", top=self.worst))
        size = found.far.shape[1:]
        maps["far"] = F.interpolate(found.far[:, None], size=image.shape[2:], mode="bilinear")[:, 0]
        share = F.interpolate(valid[:, None].float(), size=size, mode="area")[:, 0]
        counts = share >= share.amax((1, 2), keepdim=True).clamp_max(0.5)
        scores = pooled(found.places + self.far * found.far, counts, PoolingConfig("top", top=self.farthest))
        return maps[self.map], scores


class AnomalySource(PictureSourceOfBatches):
    """Batches of views, as of any detector, with anomalies on them: sample n has those of seed and n.

    Parameters
    ----------
    recipe : Fluid2dRecipe
        Of the method.
    stack : SquareStack
        Normals to learn from.
    """

    recipe: Fluid2dRecipe

    def build(self) -> nn.Module:
        """The recipe's network, its encoder pretrained if it is not a plain one."""
        net = super().build()
        assert isinstance(net, Fluid2dNet)
        if isinstance(net.encode, EfficientNetLite0):
            net.encode.take(pretrained(self.recipe.method))
        if self.recipe.has_bank:
            net.remember(self.recipe.seen(self.pixels), self.valid, seed=self.recipe.seed)
        return net

    def batch(self, samples: range) -> Batch:
        """One batch: "image" without and "sick" with anomalies, "mark" where they are.

        Parameters
        ----------
        samples : range
            Numbers of its samples.
        """
        batch = super().batch(samples)
        with one_kernel_thread():
            rows = [
                self._sample(n, image, valid)
                for n, image, valid in zip(samples, batch["image"], batch["valid"], strict=True)
            ]
        for name, parts in zip(("image", "sick", "mark"), zip(*rows, strict=True), strict=True):
            batch[name] = torch.stack(parts)
        batch["own"] = torch.tensor([self._picture(n) for n in samples])
        return batch

    def _sample(
        self, number: int, image: torch.Tensor, valid: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        recipe = self.recipe
        rng = np.random.default_rng([recipe.seed, 3, number])
        pixels, inside = image.numpy(), valid[0].numpy() > 0
        power = np.float32(np.exp(recipe.gamma * rng.standard_normal()))
        grain = rng.uniform(0, recipe.noise) * rng.standard_normal(pixels.shape)
        pixels = np.power(pixels, power) * inside
        sick, mark = with_anomalies(pixels, domain_of(pixels, inside), draw_growth(rng, recipe.growth))
        noise = grain.astype(np.float32) * inside
        plain, other = (torch.from_numpy(np.clip(x + noise, 0, 1)) for x in (pixels, sick))
        return plain, other * valid, torch.from_numpy(mark[None]) * valid


FLUID2D = Fluid2dRecipe("fluid2d")
PLAIN = replace(
    FLUID2D, name="fluid2d-plain", widths=(16, 32, 48, 64, 96), picture=replace(FLUID2D.picture, size=128)
)
RECIPES = {r.name: r for r in (FLUID2D, PLAIN)}
