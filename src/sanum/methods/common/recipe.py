"""What a method brings to training: a recipe says everything that decides its weights.

`training.py` runs any of them, with the same loop, devices and checkpoints. A recipe is a frozen dataclass of
plain values; what it makes of a folder of data is a `TrainingSource`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from torch import nn

from ...learn.loop import Draw, Kept
from ...learn.overrides import LATER
from ...learn.schedule import LoopConfig
from ...learn.step import Batch, Terms
from ...learn.step_config import StepConfig
from ...learn.turns import Turn

if TYPE_CHECKING:
    import torch
    from lightning_fabric import Fabric

__all__ = ["Batch", "Looks", "Persons", "Recipe", "TrainingSource"]


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


@dataclass(frozen=True, eq=False)
class Persons:
    """Those whose data a training learns from, each a unit of privacy: what private steps sample.

    Parameters
    ----------
    count : int
        N.
    batches : function
        Gets the numbers of the samples of each step, and gives a batch for each step: sample n is of person
        n mod N, and depends on nobody else. Where there are no numbers, the batch has no tensors.
    shared : tuple of str
        What of a batch is not of any sample, such as the seed of draws.
    public : tuple of str
        What else the weights learn from, in words: it is not counted, and taken as known to everybody.
    """

    count: int
    batches: Callable[[Iterator[Sequence[int]]], Generator[Batch, None, None]]
    shared: tuple[str, ...] = ()
    public: tuple[str, ...] = ()


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

    def people(self) -> Persons:
        """Whose the samples are, for private training.

        Raises
        ------
        ValueError
            It is not known, or more than the gradients is learned from the data.
        """
        raise ValueError("this recipe cannot be trained privately: its samples are not counted by person")

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
    step : StepConfig
        How a step makes its gradient: plainly or privately.
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
    step: StepConfig = field(default_factory=StepConfig, metadata=LATER)

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

    def require_people(self) -> None:
        """Raise ValueError, in a sentence, if it cannot be trained privately on any data."""
        raise ValueError(f"{self.name} cannot be trained privately: its samples are not counted by person")

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
