"""Recipes of f-AnoGAN: `fanogan`, `fanogan-fundus`, of a size for CPUs; both `-faithful`, as in the study.

Paper     Schlegl et al., Med Image Anal 2019; a study of head CT and fundus, slides; departures in README.md
Command   sanum detect crossval NORMALS ABNORMALS -o OUT --method fanogan
Reached   README.md
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import nn

from ....data.augment import AugmentConfig
from ....learn.draws import drawn_from
from ....learn.schedule import LoopConfig, OptimizerConfig
from ....learn.turns import Turn
from ....scan.picture_conform import PictureConfig
from ...common.detector_config import OF_POOLING
from ...common.detector_recipe import DetectorRecipe
from ...common.published import PUBLISHED_LOOP, PUBLISHED_PICTURE, PUBLISHED_VIEWS
from ...common.recipe import Batch
from ...common.residual import residual, squared_error
from .loss import Encoding, Terms, critic_loss, encoder_loss, feature_error, generator_loss
from .model import CriticNorm, Design, Doubling, FAnoGan, Halving

Loss = tuple[torch.Tensor, Terms]
GAN = OptimizerConfig(
    optimizer="rmsprop",
    betas=(0.0, 0.99),
    learning_rate=2e-4,
    warmup=0,
    schedule="step",
    step_factor=1.0,
    weight_decay=0.0,
    clip=1e9,
)
LOOP = replace(PUBLISHED_LOOP, steps=3_000, save_every=300)


@dataclass(frozen=True)
class FAnoGanRecipe(DetectorRecipe):
    """Recipe of the networks `FAnoGan`: first critic and generator learn, then the encoder.

    Parameters
    ----------
    widths : tuple of int
        Channels of critic and encoder after each halving.
    generator_widths : tuple of int
        Channels of the generator's smallest map, and after each doubling.
    code : int
        Numbers of the code.
    dropout : float
        Share of the channels of critic and encoder that training leaves out.
    critic_norm : "layer", "none" or "batch"
        Of the critic.
    halving : "strided" or "pooled"
        How critic and encoder halve; see `model.Design`.
    doubling : "repeated" or "transposed"
        How the generator doubles.
    critic_hidden : int
        Numbers between the critic's features and its answer; 0: none.
    momentum : float
        What the last batch counts in the running mean of batch norm.
    gan : OptimizerConfig
        Of critic and generator; `loop` has the encoder's.
    gan_steps : int
        Steps of the loop in which critic and generator learn.
    critic_steps : int
        Updates of the critic in each of them, for one of the generator.
    penalty_weight : float
        λ of the gradient penalty.
    encode : "izi_f", "izi" or "ziz"
        What the encoder learns by.
    kappa : float
        Weight of the critic's features in the encoder's objective and in the score.
    score : "both", "image" or "code"
        Errors of image and features; of the image alone; of the code, E(x) against E(G(E(x))).
    """

    method: ClassVar[str] = "fanogan"
    of_scoring: ClassVar[tuple[str, ...]] = ("score", *OF_POOLING)
    other_scores: ClassVar[tuple[str, ...]] = ("score=image", "score=code")
    batch_size: int = 30
    precision: Literal["32", "auto"] = "auto"
    loop: LoopConfig = LOOP
    augment: AugmentConfig = PUBLISHED_VIEWS
    widths: tuple[int, ...] = (16, 32, 64, 128)
    generator_widths: tuple[int, ...] = (128, 64, 32, 16)
    code: int = 128
    dropout: float = 0.25
    critic_norm: CriticNorm = "layer"
    halving: Halving = "strided"
    doubling: Doubling = "repeated"
    critic_hidden: int = 0
    momentum: float = 0.1
    gan: OptimizerConfig = GAN
    gan_steps: int = 1_200
    critic_steps: int = 4
    penalty_weight: float = 10.0
    encode: Encoding = "izi_f"
    kappa: float = 1.0
    score: Literal["both", "image", "code"] = "both"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.gan_steps < 1 or self.critic_steps < 1:
            raise ValueError("gan_steps and critic_steps must be at least 1")
        if self.picture.scale != "each":
            raise ValueError("the generator makes images in [-1, 1]: picture.scale must be each")

    @property
    def validate_after(self) -> int:
        """There is no encoder to look at before the networks of the GAN stand still."""
        return self.gan_steps

    def samples(self, model: nn.Module, count: int) -> torch.Tensor:
        """G(z).

        Parameters
        ----------
        model : Module
            In evaluation mode.
        count : int
            How many.
        """
        assert isinstance(model, FAnoGan)
        code = torch.randn(count, self.code)  # the same on every device
        made: torch.Tensor = model.generator(code.to(next(model.parameters()).device))
        return made

    def build(self, channels: int) -> nn.Module:
        """Make the networks.

        Parameters
        ----------
        channels : int
            Of the pictures.
        """
        if self.gan_steps >= self.loop.steps:
            raise ValueError(
                f"gan_steps is {self.gan_steps} of {self.loop.steps} steps: leave some to the encoder"
            )
        design = Design(
            self.widths,
            self.generator_widths,
            self.code,
            self.dropout,
            self.critic_norm,
            self.halving,
            self.doubling,
            self.critic_hidden,
            self.momentum,
        )
        return FAnoGan(channels, self.picture.size, design)

    def turns(self) -> tuple[Turn, ...]:
        """Critic and generator up to `gan_steps`, the encoder from then on."""
        end = self.gan_steps
        return (
            Turn(
                self.of_critic,
                "critic",
                ("critic",),
                self.gan,
                repeats=self.critic_steps,
                watched=False,
                end=end,
            ),
            Turn(self.of_generator, "generator", ("generator",), self.gan, watched=False, end=end),
            Turn(self.of_encoder, "encoder", ("encoder",), begin=end),
        )

    def of_critic(self, model: nn.Module, batch: Batch) -> Loss:
        """See `loss.critic_loss`.

        Parameters
        ----------
        model : Module
            As `build` made it.
        batch : dict of tensor
            As of `DetectorRecipe.objective`.
        """
        assert isinstance(model, FAnoGan)
        image = batch["image"]
        with drawn_from(int(batch["seed"]), image.device):
            mix = torch.rand(len(image), device=image.device)
            return critic_loss(model, image, self._codes(image), mix, self.penalty_weight)

    def of_generator(self, model: nn.Module, batch: Batch) -> Loss:
        """See `loss.generator_loss`; the critic has seen other codes.

        Parameters
        ----------
        model : Module
            As `build` made it.
        batch : dict of tensor
            As of `DetectorRecipe.objective`.
        """
        assert isinstance(model, FAnoGan)
        with drawn_from(int(batch["seed"]) + 1, batch["image"].device):
            return generator_loss(model, self._codes(batch["image"]))

    def of_encoder(self, model: nn.Module, batch: Batch) -> Loss:
        """See `loss.encoder_loss`.

        Parameters
        ----------
        model : Module
            As `build` made it.
        batch : dict of tensor
            As of `DetectorRecipe.objective`.
        """
        assert isinstance(model, FAnoGan)
        image = batch["image"]
        with drawn_from(int(batch["seed"]), image.device):
            return encoder_loss(model, image, batch["valid"], self._codes(image), self.encode, self.kappa)

    def reconstruct(self, model: nn.Module, image: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """x̂.

        Parameters
        ----------
        model : Module
            In evaluation mode.
        image : (B, C, S, S) float32
            As the network sees it.
        valid : (B, S, S) bool
            Pixels that count.
        """
        made: torch.Tensor = model(image)
        return made

    def respond(
        self, model: nn.Module, image: torch.Tensor, valid: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Map |x − G(E(x))|; score as `score` says.

        Parameters
        ----------
        model : Module
            In evaluation mode.
        image : (B, C, S, S) float32
            As the network sees it.
        valid : (B, S, S) bool
            Pixels that count.
        """
        assert isinstance(model, FAnoGan)
        inside = valid[:, None].float()
        code = model.encoder(image)
        made = model.generator(code)
        if self.score == "code":
            seen = torch.where(inside > 0, made, image)
            return residual(image, made), (code - model.encoder(seen)).square().mean(1)
        score = squared_error(image, made, inside)
        if self.score == "both":
            score = score + self.kappa * feature_error(model, image, made, inside)
        return residual(image, made), score

    def _codes(self, image: torch.Tensor) -> torch.Tensor:
        return torch.randn(len(image), self.code, device=image.device)


FANOGAN = FAnoGanRecipe("fanogan")
FAITHFUL = replace(
    FANOGAN,
    name="fanogan-faithful",
    picture=PUBLISHED_PICTURE,
    precision="32",
    generator_widths=(128, 128, 64),
    critic_norm="batch",
    gan_steps=2_500,
    loop=replace(LOOP, steps=8_500),
)
FUNDUS_VIEWS = AugmentConfig(flip=0.5, rotate_deg=3, shift=0.05, zoom=0.05)
FUNDUS = replace(
    FANOGAN,
    name="fanogan-fundus",
    picture=PictureConfig(size=128, fit="stretch", channels=(0, 1), high=99.99),
    augment=FUNDUS_VIEWS,
    batch_size=16,
    widths=(8, 16, 32, 64, 128),
    generator_widths=(128, 64, 32, 16, 8),
    critic_norm="none",
    doubling="transposed",
    gan=replace(GAN, learning_rate=4e-4),
    gan_steps=800,
    critic_steps=3,
    loop=replace(LOOP, learning_rate=5e-4, steps=1_300, save_every=20),
)
FUNDUS_FAITHFUL = replace(
    FUNDUS,
    name="fanogan-fundus-faithful",
    picture=replace(FUNDUS.picture, size=256),
    batch_size=64,
    widths=(16, 32, 64, 128, 256, 512),
    generator_widths=(512, 256, 128, 64, 32, 16),
    critic_norm="batch",
    halving="pooled",
    critic_hidden=256,
    momentum=0.7,
    gan=replace(GAN, schedule="linear"),
    gan_steps=10_000,
    critic_steps=5,
    validate_every=1,
    loop=replace(LOOP, optimizer="adamw", weight_decay=1e-2, steps=10_200, save_every=100),
)
RECIPES = {r.name: r for r in (FANOGAN, FAITHFUL, FUNDUS, FUNDUS_FAITHFUL)}
