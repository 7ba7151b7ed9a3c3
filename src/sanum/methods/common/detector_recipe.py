"""What a detector with a network brings to training: a recipe.

A method's recipe says which network, which loss and what the trained network makes of an image. It is trained
in two ways: by `Detector.fit`, with validation, and by `sanum train` on a folder of normals.
"""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import torch
from torch import nn

from ...data.pictures import find_pictures, load_pictures
from .detector_config import OF_POOLING, require_shares
from .picture_recipe import TOGETHER, PictureRecipe, PictureSourceOfBatches
from .pooling import PoolingConfig
from .squares import SquareStack, stack_of

__all__ = ["DetectorRecipe", "PictureSourceOfBatches"]


@dataclass(frozen=True)
class DetectorRecipe(PictureRecipe):
    """Recipe of a detector with a network.

    Parameters
    ----------
    name, seed, batch_size, workers, compile, loop, step, picture, reading, augment, hold_out,
    validate_every, precision
        As of `PictureRecipe`; of the normals a share is held out.
    pooling : PoolingConfig
        How a map becomes a score.
    alpha : float
        Share of normals that the label-free threshold may call abnormal.
    """

    of_scoring: ClassVar[tuple[str, ...]] = OF_POOLING
    other_scores: ClassVar[tuple[str, ...]] = ()
    pooling: PoolingConfig = field(default_factory=PoolingConfig)
    alpha: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        require_shares(self, ("alpha",))

    @abstractmethod
    def respond(
        self, model: nn.Module, image: torch.Tensor, valid: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Maps (B, S, S) and, if the method has a formula of its own, scores (B,), of the trained network.

        Parameters
        ----------
        model : Module
            In evaluation mode.
        image : (B, C, S, S) float32
            As the network sees it.
        valid : (B, S, S) bool
            Pixels that count.
        """

    @property
    def not_exported(self) -> str:
        """Why there is no graph of it for other programs, as a sentence; empty where there is."""
        return ""

    def reconstruct(self, model: nn.Module, image: torch.Tensor, valid: torch.Tensor) -> torch.Tensor | None:
        """What the trained network makes of an image, (B, C, S, S) as it sees images; None: it makes none.

        Parameters
        ----------
        model : Module
            In evaluation mode.
        image : (B, C, S, S) float32
            As the network sees it.
        valid : (B, S, S) bool
            Pixels that count.
        """
        return None

    def normal_loss(self, model: nn.Module, image: torch.Tensor, valid: torch.Tensor) -> torch.Tensor | None:
        """What epochs are chosen by without labels, (B,), of normals held out; None: their scores.

        Parameters
        ----------
        model : Module
            In evaluation mode.
        image : (B, C, S, S) float32
            As the network sees it.
        valid : (B, S, S) bool
            Pixels that count.
        """
        return None

    @property
    def validate_after(self) -> int:
        """Steps after which there is something to look at; those of a generator, where there is one."""
        return 0

    def samples(self, model: nn.Module, count: int) -> torch.Tensor | None:
        """Images that its generator makes of codes drawn from PyTorch's global generator; None: it has none.

        Parameters
        ----------
        model : Module
            In evaluation mode.
        count : int
            How many, (count, C, S, S) as the network sees images.
        """
        return None

    def require_people(self) -> None:
        """Raise ValueError if it learns from all pictures together, or has batch norm."""
        if type(self).source is not DetectorRecipe.source:
            raise ValueError(TOGETHER.format(self.method))
        super().require_people()

    def source(self, stack: SquareStack) -> PictureSourceOfBatches:
        """Network and endless batches of pictures.

        Parameters
        ----------
        stack : SquareStack
            Normals to learn from.
        """
        return PictureSourceOfBatches(self, stack)

    def prepare(
        self, data: Path, cache: Path, on_prepare: Callable[[int, int], None] | None = None
    ) -> PictureSourceOfBatches:
        """Read the normals of a folder or of a table, for `sanum train`; abnormals of a table are left aside.

        Parameters
        ----------
        data : Path
            Folder of normals, or a CSV file.
        cache : Path
            Not needed.
        on_prepare : function, optional
            Called with how many of how many are read.
        """
        entries = [entry for entry in find_pictures([data]) if entry.label != 1]
        found = load_pictures(
            entries,
            self.reading,
            near=None,
            on_picture=(lambda n: on_prepare(n, len(entries))) if on_prepare else None,
        )
        stack = stack_of(found.sources, self)
        source = self.source(stack)
        source.whose = [found.groups[n] for n in stack.sources]
        return source
