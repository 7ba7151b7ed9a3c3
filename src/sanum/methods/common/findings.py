"""What goes into a detector and comes out of it: validation, findings, and what was chosen."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ...learn.pace import TrainingProgress
from ...metrics.ranking import Labels
from ...scan.picture_conform import Square, as_picture
from ...types import FloatArray
from .squares import Images, SquareStack
from .threshold import Threshold

State = dict[str, torch.Tensor]
OnStep = Callable[[TrainingProgress], None]
LABELS, LABEL_FREE = "labels", "label-free"
"""How epoch and threshold were chosen: on labelled validation images, or on held-out normals alone."""

REFERENCE = "map_reference"
"""Fact of a detector: what its map rarely reaches on normals that were held out."""

LARGEST = "map_largest"
"""Fact of a classifier: what its map rarely exceeds on abnormals held out; there an overlay is hottest."""


@dataclass(frozen=True, eq=False)
class Validation:
    """Images that a detector does not learn from: epoch and threshold are chosen on them.

    Parameters
    ----------
    images : iterable of PictureSource, or array
        Normals or, with labels, both.
    labels : (N,) int, optional
        0 normal, 1 abnormal; default all normal. An abnormal is never learned from.
    """

    images: Images
    labels: Sequence[int] | npt.NDArray[np.integer] | None = None


@dataclass(frozen=True, eq=False)
class Held:
    """Validation as a method gets it: squares, and 0 or 1 for each.

    Parameters
    ----------
    stack : SquareStack
        The squares.
    labels : (N,) int
        0 normal, 1 abnormal.
    """

    stack: SquareStack
    labels: Labels

    @property
    def has_both(self) -> bool:
        """Whether it has normals and abnormals."""
        return len(np.unique(self.labels)) == 2

    @property
    def normals(self) -> SquareStack:
        """Its normals."""
        return self.stack.only(np.flatnonzero(self.labels == 0))


@dataclass(frozen=True, eq=False)
class Finding:
    """What a detector says of one picture.

    Parameters
    ----------
    score : float
        Raw: the higher, the more abnormal.
    map : (S, S) float32
        The same for each pixel of the square; 0 where it is not valid.
    square : Square
        What it saw.
    """

    score: float
    map: FloatArray
    square: Square

    @property
    def on_picture(self) -> FloatArray:
        """The map on the picture's own grid (H, W)."""
        return as_picture(self.map, self.square.placement)


@dataclass(frozen=True, eq=False)
class Chosen:
    """A state of a detector, and what was chosen with it.

    Parameters
    ----------
    state : dict of tensor
        What was learned.
    threshold : Threshold or None
        From which score on an image is abnormal.
    facts : mapping
        Plain values: which step it is of, how validation went.
    """

    state: State
    threshold: Threshold | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Learned:
    """What a detector has learned for one validation.

    Parameters
    ----------
    choices : dict of Chosen
        States by how they were chosen.
    history : list of dict
        How validation went during a training.
    """

    choices: dict[str, Chosen]
    history: list[dict[str, float]] = field(default_factory=list)
