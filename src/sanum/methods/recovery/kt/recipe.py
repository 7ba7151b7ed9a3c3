"""Recipes of the networks of kt: U-Nets in x-t and x-f, a cascade, both domains at once, and coil by coil.

Paper     Prokopenko et al., PIPPI 2023; Qin et al., MRM 2021 (both domains); departures in README.md
Command   sanum train kt-unet-xf --data phantoms -o OUT --precision bf16
Hardware  one of two threads of a core that others used too
Hours     50 s of CPU for 300 steps of one U-Net, 76 s coil by coil, 97 s of three in a row, 122 s of both
          domains
Reached   README.md: validation loss 0.355 (both domains), 0.368 (cascade), 0.419 (x-f), 0.426 (x-t), 0.480
          (coil by coil), lowest at the last step in all
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn

from ....learn.overrides import flat
from ....learn.schedule import LoopConfig
from ...common.recipe import Batch, Recipe
from .loss import recovery_loss
from .model import KtNetConfig
from .sampling import KtSamplingConfig
from .source import KtSource

LOOP = LoopConfig(
    steps=300,
    learning_rate=5e-3,
    warmup=20,
    betas=(0.9, 0.99),
    weight_decay=0.0,
    clip=1.0,
    ema=0.9,
    sheet_every=0,
    save_every=25,
)


@dataclass(frozen=True)
class KtRecipe(Recipe):
    """Recipe of a network `KtNet`.

    Parameters
    ----------
    validation : int
        Samples that are never trained on, by which the state is chosen.
    validate_every : int
        Steps between two looks at them.
    sampling : KtSamplingConfig
        Movies, and which lines of them are measured.
    model : KtNetConfig
        The network.
    """

    method: ClassVar[str] = "kt"
    batch_size: int = 4
    workers: int = 0
    loop: LoopConfig = LOOP
    validation: int = 16
    validate_every: int = 50
    sampling: KtSamplingConfig = field(default_factory=KtSamplingConfig)
    model: KtNetConfig = field(default_factory=KtNetConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("validation", "validate_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if 0 < self.model.coils < self.sampling.coils[1]:
            raise ValueError(
                f"made-up movies have up to {self.sampling.coils[1]} coils, and the network sees "
                f"{self.model.coils}: set sampling.coils or model.coils"
            )

    def prepare(
        self, data: Path, cache: Path, on_prepare: Callable[[int, int], None] | None = None
    ) -> KtSource:
        """Read the raw data, if any.

        Parameters
        ----------
        data : Path
            The word "phantoms", or a folder of fully sampled raw data with maps.
        cache : Path
            Not needed.
        on_prepare : function, optional
            Not called.
        """
        return KtSource(self, data)

    def loss(self, model: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Objective of a batch.

        Parameters
        ----------
        model : Module
            A `KtNet`.
        batch : dict of tensor
            "kspace" (B, C, T, Y, X), "maps" (B, C, Y, X), "mask" (B, T, Y), "truth" (B, T, Y, X).
        """
        return recovery_loss(model(batch["kspace"], batch["maps"], batch["mask"]), batch["truth"]), {}

    def describe(self) -> dict[str, Any]:
        """Method and shape: enough to build the network again."""
        return {**super().describe(), "model": flat(self.model)}


NETWORKS = {
    "unet-xf": KtNetConfig(),
    "unet-xt": KtNetConfig(domains=("xt",)),
    "cascade-xf": KtNetConfig(domains=("xf", "xf", "xf")),
    "complementary": KtNetConfig(domains=("both",), repeats=2),
    "multicoil-xf": KtNetConfig(coils=6),
}
"""Networks by the name of the method of `sanum recover`; recipes and weights are kt-NAME."""

RECIPES = {f"kt-{name}": KtRecipe(f"kt-{name}", model=model) for name, model in NETWORKS.items()}
