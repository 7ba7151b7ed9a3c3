"""What a network of pictures brings to training: a recipe, and the pictures as endless batches of views."""

from abc import abstractmethod
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import nn

from ...data.augment import AugmentConfig, apply_views, draw_view
from ...learn.draws import drawn_from
from ...learn.overrides import flat
from ...learn.private_checks import require_no_batch_norm
from ...scan.picture_conform import PictureConfig
from ...scan.read_picture import PictureReading
from .detector_config import require_shares
from .recipe import Batch, Persons, Recipe, TrainingSource
from .squares import BATCH, SquareStack

TOGETHER = (
    "{} cannot be trained privately: it learns from all pictures together, and not by gradients of single "
    "people alone"
)


@dataclass(frozen=True)
class PictureRecipe(Recipe):
    """Recipe of a network that sees pictures.

    Parameters
    ----------
    name, seed, batch_size, workers, compile, loop, step
        As of `Recipe`; views are made between the steps.
    picture : PictureConfig
        How a picture becomes a square.
    reading : PictureReading
        How files are read.
    augment : AugmentConfig
        What views of the training pictures are drawn from.
    hold_out : float
        Share of the pictures that is held out where no validation is given.
    validate_every : int
        Steps between two looks at validation; 0: the last state is taken.
    precision : "32" or "auto"
        Of `fit`: "auto" is bfloat16 where the device computes in it. `sanum train` has an option.
    """

    of_scoring: ClassVar[tuple[str, ...]] = ()
    workers: int = 0
    picture: PictureConfig = field(default_factory=PictureConfig)
    reading: PictureReading = field(default_factory=PictureReading)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    hold_out: float = 0.2
    validate_every: int = 20
    precision: Literal["32", "auto"] = "32"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_shares(self, ("hold_out",))
        if self.validate_every < 0:
            raise ValueError(f"validate_every must be at least 0, got {self.validate_every}")

    @abstractmethod
    def build(self, channels: int) -> nn.Module:
        """Network with its initial weights, drawn from PyTorch's global generator.

        Parameters
        ----------
        channels : int
            Of the pictures.
        """

    def objective(self, model: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Loss of a batch and its terms, each a detached scalar; of a method with one turn.

        Parameters
        ----------
        model : Module
            As `build` made it.
        batch : dict of tensor
            "image" (B, C, S, S) as the network sees it, "valid" (B, 1, S, S) 0 or 1, "seed" (1,).
        """
        raise NotImplementedError

    def settle(self, model: nn.Module, parts: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Let a trained network know what it needs of all training pictures; most need nothing.

        Parameters
        ----------
        model : Module
            In evaluation mode; without gradients.
        parts : iterable of tensor, tensor
            (B, C, S, S), as the network sees it, and (B, 1, S, S) 0 or 1: every training picture once,
            without views.
        """
        return

    def compare(self, model: nn.Module, parts: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Let a settled network know how it does on pictures that it has not learned from; most need not.

        Parameters
        ----------
        model : Module
            In evaluation mode; without gradients.
        parts : iterable of tensor, tensor
            As of `settle`, of the normals that are held out; of those it learned from, where none are.
        """
        return

    def require_people(self) -> None:
        """Raise ValueError if it learns from all pictures together, or has batch norm."""
        alone = (PictureRecipe.settle, PictureRecipe.compare)
        if (type(self).settle, type(self).compare) != alone:
            raise ValueError(TOGETHER.format(self.method))
        with torch.device("meta"):
            require_no_batch_norm(self.build(1))

    def loss(self, model: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """`objective`, with all that is drawn in it decided by the batch.

        Parameters
        ----------
        model : Module
            As `build` made it.
        batch : dict of tensor
            As of `objective`.
        """
        with drawn_from(int(batch["seed"]), batch["seed"].device):
            return self.objective(model, batch)

    def seen(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels in [0, 1] as the network sees them.

        Parameters
        ----------
        pixels : tensor
            Of any shape.
        """
        return pixels * 2 - 1 if self.picture.signed else pixels

    def parts(self, stack: SquareStack, device: torch.device) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Pictures as the network sees them, and where they are, some at a time.

        Parameters
        ----------
        stack : SquareStack
            Any.
        device : device
            Of the network.
        """
        pixels, valid = self.seen(stack.pixels).to(device), stack.valid[:, None].float().to(device)
        return list(zip(pixels.split(BATCH), valid.split(BATCH), strict=True))

    def describe(self) -> dict[str, Any]:
        """Method and configuration: enough to build the network again, with the number of channels."""
        return {**super().describe(), "config": flat(self)}


class PictureSourceOfBatches(TrainingSource):
    """Pictures as batches of views: sample n is a view of the n-th picture of endless shuffled rounds.

    Parameters
    ----------
    recipe : PictureRecipe
        Of the method.
    stack : SquareStack
        Those to learn from.
    """

    def __init__(self, recipe: PictureRecipe, stack: SquareStack) -> None:
        self.recipe, self.stack = recipe, stack
        self.whose: Sequence[str] = [str(n) for n in stack.sources]
        """Person of each square; those of one picture, or volume, are of one."""
        self.alone = True
        """No normals are held out: those learned from are what a network is compared with."""
        self.pixels, self.valid = stack.pixels, stack.valid[:, None].float()
        self.windowed = torch.tensor([square.placement.windowed for square in stack.squares])

    def build(self) -> nn.Module:
        """The recipe's network, for the pictures' channels."""
        return self.recipe.build(self.stack.channels)

    def finish(self, model: nn.Module) -> None:
        """As the recipe settles it, by every picture once; and compares it, where no others are held out.

        Parameters
        ----------
        model : Module
            In evaluation mode.
        """
        device = next(model.parameters()).device
        parts = self.recipe.parts(self.stack, device)
        self.recipe.settle(model, parts)
        if self.alone:
            self.recipe.compare(model, parts)

    def describe(self) -> dict[str, Any]:
        """Channels, and how many pictures."""
        return {"channels": self.stack.channels, "pictures": len(self.stack)}

    def batches(self, numbers: Iterator[range]) -> Generator[Batch, None, None]:
        """Batches of the samples with these numbers.

        Parameters
        ----------
        numbers : iterator of range
            Samples of each batch.
        """
        for samples in numbers:
            yield self.batch(samples)

    def batch(self, samples: range) -> Batch:
        """One batch.

        Parameters
        ----------
        samples : range
            Numbers of its samples.
        """
        return self._views(samples, self.places(samples))

    def _views(self, samples: Sequence[int], places: list[int]) -> Batch:
        recipe = self.recipe
        views = [draw_view(np.random.default_rng([recipe.seed, 1, n]), recipe.augment) for n in samples]
        pixels, valid = apply_views(self.pixels[places], self.valid[places], views)
        if recipe.picture.scale == "each":
            kept = self.windowed[places][:, None, None, None]
            pixels = torch.where(kept, pixels, rescaled(pixels, valid))
        return {"image": recipe.seen(pixels), "valid": valid, "seed": self.seed_of(samples)}

    def people(self) -> Persons:
        """Each person by a view of one of their pictures, drawn for each sample.

        Raises
        ------
        ValueError
            The method learns from all pictures together, too.
        """
        self.recipe.require_people()
        if type(self) is not PictureSourceOfBatches:
            raise ValueError(TOGETHER.format(self.recipe.method))
        own: dict[str, list[int]] = {}
        for place, person in enumerate(self.whose):
            own.setdefault(person, []).append(place)
        of = list(own.values())

        def place_of(sample: int) -> int:
            places = of[sample % len(of)]
            return places[int(np.random.default_rng([self.recipe.seed, 3, sample]).integers(len(places)))]

        def batches(numbers: Iterator[Sequence[int]]) -> Generator[Batch, None, None]:
            for some in numbers:
                yield self._views(some, [place_of(n) for n in some]) if some else {}

        return Persons(len(of), batches, shared=("seed",))

    def seed_of(self, samples: Sequence[int]) -> torch.Tensor:
        """What the draws of a batch's loss are decided by, (1,).

        Parameters
        ----------
        samples : sequence of int
            Numbers of its samples, at least one.
        """
        seed = np.random.default_rng([self.recipe.seed, 2, samples[0]]).integers(1 << 62)
        return torch.tensor([int(seed)])

    def places(self, samples: range) -> list[int]:
        """Which picture each of some samples is a view of.

        Parameters
        ----------
        samples : range
            Numbers of the samples.
        """
        return [self._picture(n) for n in samples]

    def _picture(self, sample: int) -> int:
        turn, place = divmod(sample, len(self.stack))
        order = np.random.default_rng([self.recipe.seed, 0, turn]).permutation(len(self.stack))
        return int(order[place])


def rescaled(pixels: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Each image to [0, 1] by its own valid range, over all channels; 0 where it is not valid.

    Parameters
    ----------
    pixels : (B, C, S, S) float
        Any.
    valid : (B, 1, S, S) float
        1 where an image is.
    """
    outside = valid == 0
    low = pixels.masked_fill(outside, torch.inf).amin((1, 2, 3), keepdim=True)
    high = pixels.masked_fill(outside, -torch.inf).amax((1, 2, 3), keepdim=True)
    width = torch.where(high > low, high - low, torch.ones_like(high))
    return ((pixels - torch.where(high > low, low, torch.zeros_like(low))) / width).masked_fill(outside, 0.0)
