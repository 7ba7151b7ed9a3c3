"""Pictures as networks compute with them: a stack of squares of one size and one number of channels."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from ...scan.errors import ScanError
from ...scan.picture_conform import Square, conform
from ...scan.read_picture import PictureSource, read_pictures
from .detector_config import PictureSettings

BATCH = 16
"""Squares that a network sees at a time, where all of them are gone through."""


@dataclass(frozen=True, eq=False)
class SquareStack:
    """Squares of the same shape.

    Parameters
    ----------
    squares : tuple of Square
        At least one.
    sources : tuple of int
        Which of the images that were given each is of: a volume has many.
    """

    squares: tuple[Square, ...]
    sources: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.squares)

    @property
    def channels(self) -> int:
        """Of each."""
        return len(self.squares[0].pixels)

    @property
    def pixels(self) -> torch.Tensor:
        """(N, C, S, S) float32."""
        return torch.from_numpy(np.stack([square.pixels for square in self.squares]))

    @property
    def valid(self) -> torch.Tensor:
        """(N, S, S) bool."""
        return torch.from_numpy(np.stack([square.valid for square in self.squares]))

    def only(self, numbers: Iterable[int]) -> "SquareStack":
        """Some of them.

        Parameters
        ----------
        numbers : iterable of int
            Places, from 0.
        """
        chosen = list(numbers)
        return SquareStack(tuple(self.squares[n] for n in chosen), tuple(self.sources[n] for n in chosen))

    def parts(self, size: int) -> Iterator["SquareStack"]:
        """All of them, some at a time.

        Parameters
        ----------
        size : int
            At most so many at once.
        """
        for first in range(0, len(self), size):
            yield self.only(range(first, min(first + size, len(self))))


Images = Iterable[PictureSource] | np.ndarray[Any, Any]
"""What detectors take: paths, arrays, pictures; or one array with the images along its first axis."""


def stack_of(images: Images, config: PictureSettings, *, whole: bool = False) -> SquareStack:
    """Squares of images, each read, conformed and let go before the next.

    Parameters
    ----------
    images : iterable of PictureSource, or array
        A volume gives its slices; an array (N, H, W), or (N, C, H, W), the images along its first axis.
    config : PictureSettings
        How they are read and seen.
    whole : bool
        All slices of a volume, not those alone that are learned from.

    Raises
    ------
    ScanError
        One cannot be used; they differ in their number of channels; there are none.
    """
    squares: list[Square] = []
    sources: list[int] = []
    reading = config.reading.whole if whole else config.reading
    if isinstance(images, np.ndarray) and images.ndim == 4 and reading.channel_axis is None:
        reading = replace(reading, channel_axis=0)
    for n, picture in (
        (n, picture) for n, one in enumerate(_checked(images)) for picture in read_pictures(one, reading)
    ):
        square = conform(picture, config.picture)
        if squares and len(square.pixels) != len(squares[0].pixels):
            raise ScanError(
                f"{picture.name} has {len(square.pixels)} channels and the first picture "
                f"{len(squares[0].pixels)}: expected the same number; convert them, or read all as grey "
                "(picture.grey=true)"
            )
        squares.append(square)
        sources.append(n)
    if not squares:
        raise ScanError("there are no images: expected at least one")
    return SquareStack(tuple(squares), tuple(sources))


def stacks_of(images: Images, config: PictureSettings, size: int) -> Iterator[SquareStack]:
    """Squares of images, of some images at a time, so that thousands need no memory; all slices of volumes.

    Parameters
    ----------
    images : iterable of PictureSource, or array
        As of `stack_of`.
    config : PictureSettings
        How they are read and seen.
    size : int
        Images, or volumes, at a time.
    """
    every = images if isinstance(images, np.ndarray) else list(_checked(images))
    for first in range(0, max(len(every), 1), size):
        yield stack_of(every[first : first + size], config, whole=True)


def _checked(images: Images) -> Images:
    """`images`, unless it is one image where several are expected."""
    if isinstance(images, str) or not isinstance(images, Iterable):
        raise ScanError("expected several images, got one: put it in a list")
    return images
