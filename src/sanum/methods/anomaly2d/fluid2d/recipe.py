"""Recipes of the fluid's own detector: `fluid2d`, and `fluid2d-plain` whose encoder has seen no photographs.

Command   sanum detect crossval NORMALS ABNORMALS -o OUT --method fluid2d
Reached   README.md
"""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import nn

from ....data.augment import AugmentConfig
from ....fluid.kernels.threads import one_kernel_thread
from ....learn.schedule import LoopConfig
from ....nets.efficientnet_lite import EfficientNetLite0
from ....scan.picture_conform import PictureConfig
from ...common.backbone import pretrained
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
    steps=400, learning_rate=2e-3, warmup=20, weight_decay=1e-2, ema=0.98, save_every=400, sheet_every=0
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
        Percent of the pixels whose mean mark is the score.
    map : "mark", "restored" or "both"
        Probability of an anomaly; difference from the restored image; their product's root.
    """

    method: ClassVar[str] = "fluid2d"
    batch_size: int = 16
    loop: LoopConfig = LOOP
    augment: AugmentConfig = VIEWS
    picture: PictureConfig = field(
        default_factory=lambda: PictureConfig(size=128, fit="stretch", signed=False)
    )
    validate_every: int = 50
    widths: tuple[int, ...] = ()
    decoder: int = 32
    mirror: bool = True
    frozen: bool = True
    growth: GrowthConfig = field(default_factory=GrowthConfig)
    gamma: float = 0.3
    noise: float = 0.05
    worst: float = 2.0
    map: Literal["mark", "restored", "both"] = "mark"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.worst <= 100 or self.gamma < 0 or self.noise < 0 or self.decoder < 1:
            raise ValueError(
                "worst is above 0 and at most 100; gamma and noise are at least 0, decoder at least 1"
            )

    def build(self, channels: int) -> nn.Module:
        """Make the network; without the weights of a pretrained encoder, which `source` or a file brings.

        Parameters
        ----------
        channels : int
            Of the pictures.
        """
        return Fluid2dNet(channels, self.widths, self.decoder, mirror=self.mirror, frozen=self.frozen)

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
        logits, healthy = model(batch["sick"])
        return objective(logits, healthy, batch["mark"], batch["image"], batch["valid"])

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
        """Map as the recipe says, score the mean of its largest pixels.

        Parameters
        ----------
        model : Module
            In evaluation mode.
        image : (B, C, S, S) float32
            In [0, 1].
        valid : (B, S, S) bool
            Pixels that count.
        """
        logits, healthy = model(image)
        mark, change = logits[:, 0].sigmoid(), (healthy - image).abs().mean(1)
        maps = {"mark": mark, "restored": change, "both": (mark * change).sqrt()}[self.map]
        return maps, pooled(maps, valid, PoolingConfig("top", top=self.worst))


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
PLAIN = Fluid2dRecipe("fluid2d-plain", widths=(16, 32, 48, 64, 96))
RECIPES = {r.name: r for r in (FLUID2D, PLAIN)}
