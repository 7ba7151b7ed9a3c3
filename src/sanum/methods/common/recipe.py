"""What a method brings to training: a recipe says everything that decides its weights.

`training.py` runs any of them, with the same loop, devices and checkpoints. A recipe is a frozen dataclass of
plain values; what it makes of a folder of data is a `TrainingSource`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from torch import nn

from ...learn.loop import Draw, Kept
from ...learn.schedule import LoopConfig
from ...learn.step import Batch, Terms
from ...learn.turns import Turn

if TYPE_CHECKING:
    import torch
    from lightning_fabric import Fabric

__all__ = ["Batch", "Looks", "Recipe", "TrainingSource"]


@dataclass(frozen=True, eq=False)
class Looks:
    """What is looked at while a network learns, and what is kept of it.

    Parameters
    ----------
    look : function
        Gets the network, in evaluation mode, and the number of steps done.
    every : int
        Steps between two looks.
    kept : Kept
        The checkpoint has it too.
    """

    look: Callable[[nn.Module, int], None]
    every: int
    kept: Kept


class TrainingSource(ABC):
    """The training data of a recipe, prepared: network, batches, pictures."""

    @abstractmethod
    def build(self) -> nn.Module:
        """Network with its initial weights; it may keep averages of the data.

        The global generator of PyTorch is seeded before.
        """

    @abstractmethod
    def batches(self, numbers: Iterator[range]) -> Generator[Batch, None, None]:
        """Batches of the samples with these numbers, without end; closing it stops what makes them.

        A sample is a function of the recipe's seed and its number alone: then a resumed run sees what an
        unbroken one would have.

        Parameters
        ----------
        numbers : iterator of range
            Samples of each micro-batch of this process, all of one size.
        """

    def finish(self, model: nn.Module) -> None:
        """Let a network know what it needs of all training data, once its weights are what they are.

        Parameters
        ----------
        model : Module
            In evaluation mode; trained, or as it is looked at in between.
        """
        return

    def describe(self) -> dict[str, Any]:
        """What the run's folder and the header of the weights say of the data, such as who was held out."""
        return {}

    def looks(self) -> Looks | None:
        """What is looked at while the network learns, such as validation; `finish` may take the best."""
        return None

    def draw(self) -> Draw | None:
        """Function that draws a sheet of validation images; None: there is none."""
        return None

    def require_memory(self, model: nn.Module, fabric: "Fabric", samples: int) -> None:
        """Raise ValueError, with what would fit, if a step needs more memory than is free.

        Parameters
        ----------
        model : Module
            Not yet on the device.
        fabric : Fabric
            Launched.
        samples : int
            Of a micro-batch.
        """
        return


@dataclass(frozen=True)
class Recipe(ABC):
    """Everything that decides the weights; a method subclasses it.

    Parameters
    ----------
    name : str
        Of the recipe, and of the weight file that it makes.
    seed : int
        Of the samples and of the initial weights.
    batch_size : int
        Samples of a batch, over all devices.
    workers : int
        Processes that make samples, for each device; 0: made between the steps.
    compile : bool
        torch.compile: needs a C++ compiler.
    loop : LoopConfig
        Steps, optimizer and learning rate.
    """

    method: ClassVar[str] = ""
    renamed: ClassVar[Mapping[str, str]] = {}
    """Key of today by the key that older checkpoints have."""

    name: str
    seed: int = 1
    batch_size: int = 1
    workers: int = 1
    compile: bool = False
    loop: LoopConfig = field(default_factory=LoopConfig)

    def __post_init__(self) -> None:
        for name, least in (("batch_size", 1), ("workers", 0), ("seed", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")

    def check(self, data: Path) -> list[str]:
        """What the user should know about the data, in sentences; nothing is prepared yet.

        Parameters
        ----------
        data : Path
            Folder of data.

        Raises
        ------
        ValueError
            What is missing, all of it.
        """
        return []

    @abstractmethod
    def prepare(
        self, data: Path, cache: Path, on_prepare: Callable[[int, int], None] | None = None
    ) -> TrainingSource:
        """Read and prepare the training data; every process does, the first one first.

        Parameters
        ----------
        data : Path
            Folder of data.
        cache : Path
            Folder to keep what takes long to prepare.
        on_prepare : function, optional
            Called with how many of how many are done.
        """

    def turns(self) -> tuple[Turn, ...]:
        """Optimizers of the training; here one, of all weights, with `loss`. A GAN returns two."""
        return (Turn(self.loss),)

    def loss(self, model: nn.Module, batch: Batch) -> "tuple[torch.Tensor, Terms]":
        """Mean over the samples of a batch, and what it consists of, each a detached scalar.

        Parameters
        ----------
        model : Module
            As `TrainingSource.build` made it, on its device.
        batch : dict of tensor
            As `TrainingSource.batches` made it, on the same device.
        """
        raise NotImplementedError

    def describe(self) -> dict[str, Any]:
        """What the header of the weights says, enough to build the network again."""
        return {"method": self.method, "recipe": self.name}
