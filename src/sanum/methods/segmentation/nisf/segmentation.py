"""What a fitted latent says at any point: another resolution, an oblique plane, a missing slice, any time."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from ....space.grid import Grid
from ....types import FloatArray
from .coordinates import points_at, time_at, to_unit
from .model import Nisf
from .source import CHUNK, classes_at
from .stacks import SliceStack, Structures


@dataclass(frozen=True, eq=False)
class Segmentation:
    """A subject as a continuous function.

    Parameters
    ----------
    net : Nisf
        The prior, or a copy that was fitted with the latent.
    latent : (1, width) tensor
        Of the subject.
    structures : Structures
        Of the classes.
    frame : Grid
        That coordinates are of.
    stack : SliceStack
        What it was fitted to.
    """

    net: Nisf
    latent: torch.Tensor
    structures: Structures
    frame: Grid
    stack: SliceStack

    def at(self, points_mm: npt.ArrayLike, phase: float | None = None) -> FloatArray:
        """Probabilities of the background and of each structure at points, (…, classes).

        Outside of the field of the prior all is background.

        Parameters
        ----------
        points_mm : (…, 3) float
            World positions.
        phase : float, optional
            Time in a cycle, in [0, 1), where frame n of N has (n + ½)/N; a stack without time needs none.
        """
        points_mm = np.asarray(points_mm, dtype=np.float64)
        points = self._points(points_mm.reshape(-1, 3), phase)
        inside = self.net.in_field(points.to(self.latent.device)).cpu()
        found = torch.zeros(len(points), len(self.structures.values) + 1)
        found[:, 0] = 1
        if inside.any():
            found[inside] = classes_at(self.net, points[inside], self.latent)
        probabilities: FloatArray = found.numpy().reshape(*points_mm.shape[:-1], -1)
        return probabilities

    @torch.no_grad()
    def intensity_at(self, points_mm: npt.ArrayLike, phase: float | None = None) -> FloatArray:
        """Reconstructed intensity in [0, 1] at points, (…).

        Parameters
        ----------
        points_mm : (…, 3) float
            World positions.
        phase : float, optional
            As of `at`.
        """
        points_mm = np.asarray(points_mm, dtype=np.float64)
        points = self._points(points_mm.reshape(-1, 3), phase)
        device = self.latent.device
        parts = [self.net(p[None].to(device), self.latent)[0][0].sigmoid().cpu() for p in points.split(CHUNK)]
        image: FloatArray = torch.cat(parts).numpy().reshape(points_mm.shape[:-1])
        return image

    def on(self, grid: Grid, phase: float | None = None) -> tuple[npt.NDArray[np.uint8], FloatArray]:
        """Labels (X, Y, Z) and probabilities (X, Y, Z, classes) on a grid, which may be any.

        Parameters
        ----------
        grid : Grid
            The scan's own, a finer one, a plane.
        phase : float, optional
            As of `at`.
        """
        probabilities = np.empty((*grid.shape, len(self.structures.values) + 1), np.float32)
        for i in range(grid.shape[0]):
            places = np.moveaxis(np.indices((1, *grid.shape[1:])), 0, -1)[0] + [i, 0, 0]
            probabilities[i] = self.at(places @ grid.affine[:3, :3].T + grid.affine[:3, 3], phase)
        return self.structures.labels_of(probabilities.argmax(-1)), probabilities

    def volumes_ml(self, grid: Grid, phase: float | None = None) -> dict[str, float]:
        """Volume of each structure by name, counted on a grid.

        Parameters
        ----------
        grid : Grid
            Where points are asked.
        phase : float, optional
            As of `at`.
        """
        labels, _ = self.on(grid, phase)
        named = zip(self.structures.names, self.structures.values, strict=True)
        return {name: float((labels == value).sum()) * grid.voxel_volume_ml for name, value in named}

    def _points(self, points_mm: npt.NDArray[np.float64], phase: float | None) -> torch.Tensor:
        return points_at(points_mm, to_unit(self.frame), time_at(phase))
