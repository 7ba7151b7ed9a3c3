"""Recipe of latent diffusion, of a size for CPUs: `ldm`.

Paper     Graham et al., MICCAI 2023; Rombach et al., CVPR 2022; departures in README.md
Command   sanum detect crossval NORMALS ABNORMALS -o OUT --method ldm
Reached   README.md
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import nn

from ....data.augment import AugmentConfig
from ....learn.draws import drawn_from
from ....learn.schedule import LoopConfig, OptimizerConfig
from ....learn.turns import Turn
from ...common.detector_recipe import DetectorRecipe
from ...common.pooling import PoolingConfig
from ...common.published import PUBLISHED_VIEWS
from ...common.recipe import Batch
from ...common.squares import SquareStack
from .loss import Terms, autoencoder_loss, noise_loss
from .model import Ldm
from .source import LatentSource

LOOP = LoopConfig(
    optimizer="adam",
    betas=(0.9, 0.999),
    learning_rate=5e-4,
    warmup=0,
    weight_decay=0.0,
    clip=1.0,
    steps=2_600,
    ema=0.995,
    save_every=650,
    sheet_every=0,
)
AUTOENCODER = OptimizerConfig(
    optimizer="adam",
    betas=(0.9, 0.999),
    learning_rate=1e-3,
    warmup=20,
    schedule="step",
    step_at=500,
    weight_decay=0.0,
    clip=1.0,
)


@dataclass(frozen=True)
class LdmRecipe(DetectorRecipe):
    """Recipe of the networks `Ldm`: first the autoencoder learns, then the U-Net.

    Parameters
    ----------
    autoencoder_widths : tuple of int
        Channels of the autoencoder before and after each halving.
    latent : int
        Channels of the latent.
    autoencoder : OptimizerConfig
        Of the autoencoder; `loop` has the U-Net's.
    autoencoder_steps : int
        Steps of the loop in which the autoencoder learns.
    kl_weight : float
        Of the KL divergence in the autoencoder's objective.
    unet_widths : tuple of int
        Channels of the U-Net before and after each halving.
    noise_steps : int
        T, levels of noise.
    sampler_steps : int
        Steps of the sampler over all of them.
    starts : tuple of int
        Where the ways back begin.
    """

    method: ClassVar[str] = "ldm"
    other_scores: ClassVar[tuple[str, ...]] = ("pooling.kind=own",)
    batch_size: int = 8
    precision: Literal["32", "auto"] = "auto"
    loop: LoopConfig = LOOP
    augment: AugmentConfig = PUBLISHED_VIEWS
    validate_every: int = 1_300
    autoencoder_widths: tuple[int, ...] = (32, 64, 64)
    latent: int = 3
    autoencoder: OptimizerConfig = field(default_factory=lambda: AUTOENCODER)
    autoencoder_steps: int = 600
    kl_weight: float = 1e-6
    unet_widths: tuple[int, ...] = (32, 64, 128)
    noise_steps: int = 1_000
    sampler_steps: int = 20
    starts: tuple[int, ...] = (100, 200, 300, 400, 500)

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.autoencoder_steps, self.latent, self.sampler_steps) < 1:
            raise ValueError("autoencoder_steps, latent and sampler_steps must be at least 1")

    @property
    def validate_after(self) -> int:
        """Without a U-Net that has learned there is nothing to look at."""
        return self.autoencoder_steps

    def build(self, channels: int) -> nn.Module:
        """Make the networks.

        Parameters
        ----------
        channels : int
            Of the pictures.
        """
        if self.autoencoder_steps >= self.loop.steps:
            raise ValueError(
                f"autoencoder_steps is {self.autoencoder_steps} of {self.loop.steps} steps: leave some to "
                "the U-Net"
            )
        self._require_times()
        low = -1.0 if self.picture.signed else 0.0
        return Ldm(
            channels,
            self.picture.size,
            self.autoencoder_widths,
            self.latent,
            self.unet_widths,
            (self.noise_steps, self.sampler_steps),
            self.starts,
            (low, 1.0) if self.picture.scale == "each" else None,
        )

    def source(self, stack: SquareStack) -> LatentSource:
        """Networks, and endless batches of pictures.

        Parameters
        ----------
        stack : SquareStack
            Normals to learn from.
        """
        return LatentSource(self, stack, self.autoencoder_steps * self.batch_size)

    def turns(self) -> tuple[Turn, ...]:
        """The autoencoder up to `autoencoder_steps`, the U-Net from then on."""
        end = self.autoencoder_steps
        return (
            Turn(self.of_autoencoder, "autoencoder", ("autoencoder",), self.autoencoder, end=end),
            Turn(self.of_unet, "unet", ("unet",), begin=end),
        )

    def of_autoencoder(self, model: nn.Module, batch: Batch) -> tuple[torch.Tensor, Terms]:
        """See `loss.autoencoder_loss`.

        Parameters
        ----------
        model : Module
            As `build` made it.
        batch : dict of tensor
            As of `DetectorRecipe.objective`.
        """
        assert isinstance(model, Ldm)
        image = batch["image"]
        with drawn_from(int(batch["seed"]), image.device):
            return autoencoder_loss(model, image, batch["valid"], self.kl_weight)

    def of_unet(self, model: nn.Module, batch: Batch) -> tuple[torch.Tensor, Terms]:
        """See `loss.noise_loss`; times are drawn up to the last start, beyond which no way back leads.

        Parameters
        ----------
        model : Module
            As `build` made it.
        batch : dict of tensor
            As of `LatentSource.batch`.
        """
        assert isinstance(model, Ldm)
        image = batch["image"]
        model.scale.copy_(batch["scale"])
        with drawn_from(int(batch["seed"]), image.device):
            with torch.no_grad():
                latent = model.autoencoder.encode_stage_2_inputs(image).float() * model.scale
            times = torch.randint(0, max(self.starts) + 1, (len(image),), device=image.device)
            return noise_loss(model, latent, torch.randn_like(latent), times).mean(), {}

    def settle(self, model: nn.Module, parts: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Scale latents by those of all training pictures.

        Parameters
        ----------
        model : Module
            As `build` made it.
        parts : iterable of tensor, tensor
            As of `DetectorRecipe.settle`.
        """
        assert isinstance(model, Ldm)
        model.rescale(image for image, _ in parts)

    def compare(self, model: nn.Module, parts: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Keep what errors normals have that were held out.

        Parameters
        ----------
        model : Module
            As `build` made it.
        parts : iterable of tensor, tensor
            As of `DetectorRecipe.compare`.
        """
        assert isinstance(model, Ldm)
        model.compare(parts)

    def normal_loss(self, model: nn.Module, image: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """Error of the noise that is found; the mean score of normals held out is 0, whatever comes back.

        Parameters
        ----------
        model : Module
            In evaluation mode.
        image : (B, C, S, S) float32
            As the network sees it.
        valid : (B, S, S) bool
            Pixels that count.
        """
        assert isinstance(model, Ldm)
        latent = model.latent_of(image)
        rows = [
            noise_loss(
                model, latent, noise.expand_as(latent), torch.full((len(image),), t, device=image.device)
            )
            for t, noise in zip(self.starts, model.noise, strict=True)
        ]
        return torch.stack(rows).mean(0)

    def reconstruct(self, model: nn.Module, image: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """x̂ from the start in the middle of the list.

        Parameters
        ----------
        model : Module
            In evaluation mode.
        image : (B, C, S, S) float32
            As the network sees it.
        valid : (B, S, S) bool
            Pixels that count.
        """
        assert isinstance(model, Ldm)
        return model.restored(image, [len(self.starts) // 2])[:, 0]

    def respond(
        self, model: nn.Module, image: torch.Tensor, valid: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Residuals and errors in standard deviations of those of normals, mean over the starts.

        Parameters
        ----------
        model : Module
            In evaluation mode.
        image : (B, C, S, S) float32
            As the network sees it.
        valid : (B, S, S) bool
            Pixels that count.
        """
        assert isinstance(model, Ldm)
        score, maps = model.standardised(*model.compared(image, valid[:, None].float()))
        return maps, score

    def _require_times(self) -> None:
        stride, rest = divmod(self.noise_steps, self.sampler_steps)
        if rest or not stride:
            raise ValueError(
                f"noise_steps must be a multiple of sampler_steps, got {self.noise_steps} and "
                f"{self.sampler_steps}"
            )
        if not self.starts or any(t % stride or not 0 < t < self.noise_steps for t in self.starts):
            raise ValueError(
                f"starts are multiples of {stride}, above 0 and below {self.noise_steps}, got {self.starts}"
            )
        if len(set(self.starts)) < len(self.starts):
            raise ValueError(f"starts differ from each other, got {self.starts}")


LDM = LdmRecipe("ldm", pooling=PoolingConfig("max"))
RECIPES = {LDM.name: LDM}
