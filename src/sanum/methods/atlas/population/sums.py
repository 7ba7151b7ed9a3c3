"""What is added up over subjects, each where its field of view reaches."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from ....types import FloatArray, Mask

_LEAST = 1e-6
"""Weights below it are nobody's."""

Sum = npt.NDArray[np.float64]


@dataclass(eq=False)
class Moments:
    """Weighted sums of one map over subjects.

    Parameters
    ----------
    first, second : (X, Y, Z) float64
        Of the values, and of their squares.
    """

    first: Sum
    second: Sum

    @classmethod
    def none(cls, shape: Sequence[int]) -> "Moments":
        """Of nobody.

        Parameters
        ----------
        shape : sequence of int
            Of the map.
        """
        return cls(np.zeros(shape), np.zeros(shape))

    def add(self, values: npt.NDArray[np.floating], weight: npt.NDArray[np.floating]) -> None:
        """One subject more.

        Parameters
        ----------
        values, weight : (X, Y, Z) float
            Its map, and how much of it counts.
        """
        part = weight.astype(np.float64) * values
        self.first += part
        self.second += part * values


@dataclass(eq=False)
class Sums:
    """What is added up, each subject where its field of view reaches; all maps (X, Y, Z).

    Parameters
    ----------
    image : Moments
        Of the intensities.
    growth : Moments
        Of the logarithm of each subject's volume over the template's.
    weight, squares : float64
        Sum of the subjects' weights, and of their squares.
    counts : (K, X, Y, Z) float32 tensor or None
        Of labels.
    shift : (3, X, Y, Z) float32 tensor or None
        Of the displacements from the template to the subjects, before their affines.
    number : int
        Subjects so far.
    """

    image: Moments
    growth: Moments
    weight: Sum
    squares: Sum
    counts: torch.Tensor | None = None
    shift: torch.Tensor | None = None
    number: int = 0

    @classmethod
    def none(cls, shape: Sequence[int], labels: int = 0) -> "Sums":
        """Of nobody.

        Parameters
        ----------
        shape : sequence of int
            Of the template.
        labels : int
            How many are counted.
        """
        counts = torch.zeros(labels, *shape) if labels else None
        return cls(Moments.none(shape), Moments.none(shape), np.zeros(shape), np.zeros(shape), counts)

    @property
    def mean(self) -> FloatArray:
        """Of the intensities; 0 where nobody sees anything."""
        return (self.image.first / np.maximum(self.weight, _LEAST)).astype(np.float32)

    @property
    def spread(self) -> FloatArray:
        """Standard deviation of the intensities over subjects."""
        return self._deviation(self.image)

    @property
    def growth_sd(self) -> FloatArray:
        """Standard deviation over subjects of the logarithm of a voxel's volume."""
        return self._deviation(self.growth)

    @property
    def standard_error(self) -> FloatArray:
        """Of the mean: what another draw of as many subjects would change it by."""
        squares = np.where(self.weight > 0, self.squares, 1)
        return (self.spread / np.sqrt(np.maximum(self.weight**2 / squares, 1))).astype(np.float32)

    def seen(self, share: float) -> Mask:
        """Where at least a share of the subjects, and two, have something in their fields of view.

        Parameters
        ----------
        share : float
            In [0, 1].
        """
        return np.asarray(self.weight >= max(share * self.number, 2) - 1e-3)

    def left_vox(self, region: Mask) -> float:
        """Mean length of the mean displacement: 0 where nobody pulls the template more than the others.

        Parameters
        ----------
        region : (X, Y, Z) bool
            Where it is looked at.
        """
        if self.shift is None:
            return 0.0
        return float((self.shift / self.number).norm(dim=0).numpy()[region].mean())

    @property
    def shares(self) -> FloatArray | None:
        """Of the labels, in [0, 1]."""
        if self.counts is None:
            return None
        weight: FloatArray = np.maximum(self.weight, _LEAST).astype(np.float32)
        found = np.asarray(self.counts.numpy() / weight, np.float32)
        return found

    def _deviation(self, moments: Moments) -> FloatArray:
        """With n − 1 where all weights are 1."""
        weight = np.maximum(self.weight, _LEAST)
        free = weight - self.squares / weight
        variance = (moments.second - moments.first**2 / weight) / np.maximum(free, _LEAST)
        return np.sqrt(np.where(free > 0.5, np.maximum(variance, 0), 0)).astype(np.float32)
