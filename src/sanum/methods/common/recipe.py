"""What a method brings to training: a recipe says everything that decides its weights.

`methods/common/training.py` runs any of them: the same loop, the same data, the same budget.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import nn

from ...learn.schedule import LoopConfig
from ...space.box import Box
from ...synth.anatomy import Anatomy
from ...synth.box import DEFAULT_BOX
from ...synth.sampling import SamplingConfig

Batch = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights; a method subclasses it.

    Parameters
    ----------
    name : str
        Of the recipe, and of the weight file that it makes.
    widths : tuple of int
        Feature maps of each level of the network.
    shape, spacing_mm : tuple of int, float
        Box of the samples, in voxels and millimetres.
    sampling : SamplingConfig
        What samples are made of.
    seed : int
        Of the samples and of the initial weights.
    batch_size : int
        Samples of a step, over all devices.
    workers : int
        Processes that make samples, for each device; 0: made between the steps.
    flipped_too : bool
        Each sample serves twice, the second time left-right flipped: on few cores making samples takes time.
    compile : bool
        torch.compile: needs a C++ compiler.
    """

    method: ClassVar[str] = ""

    name: str
    widths: tuple[int, ...] = (32, 64, 128, 192)
    shape: tuple[int, int, int] = DEFAULT_BOX.shape
    spacing_mm: float = DEFAULT_BOX.spacing_mm
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    seed: int = 1
    batch_size: int = 1
    workers: int = 1
    flipped_too: bool = True
    compile: bool = False
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=30_000, warmup=200))

    def __post_init__(self) -> None:
        multiple = 2 ** len(self.widths)
        if any(n < multiple or n % multiple for n in self.shape):
            raise ValueError(
                f"shape must be in multiples of {multiple} for {len(self.widths)} widths, got {self.shape}"
            )
        for name, least in (("batch_size", 1), ("workers", 0), ("seed", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not self.widths or min(self.widths) < 1 or not self.spacing_mm > 0:
            raise ValueError(
                f"widths and spacing_mm must be above 0, got {self.widths} and {self.spacing_mm}"
            )

    @property
    def box(self) -> Box:
        """Of the samples."""
        return Box(self.shape, self.spacing_mm)

    def build(self, anatomies: Sequence[Anatomy]) -> nn.Module:
        """Make the network with its initial weights; it may keep averages of the training `anatomies`."""
        raise NotImplementedError

    def loss(self, model: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Mean over the samples of a batch of `Stream`, and what it consists of, each a detached scalar."""
        raise NotImplementedError

    def show(self, model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        """Images (B, 1, X, Y, Z) by title, for the sheet of validation samples."""
        raise NotImplementedError

    def describe(self) -> dict[str, Any]:
        """What the header of the weights says, enough to build the network again."""
        return {
            "method": self.method,
            "recipe": self.name,
            "widths": self.widths,
            "shape": self.shape,
            "spacing_mm": self.spacing_mm,
        }


def budget_of(recipe: Recipe) -> dict[str, Any]:
    """What decides how much a training costs; a rival that is compared with `recipe` gets the same."""
    names = ("widths", "shape", "spacing_mm", "seed", "batch_size", "flipped_too", "loop")
    return {name: getattr(recipe, name) for name in names}
