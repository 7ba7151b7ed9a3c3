"""What a generator makes of fixed codes, and how like the normals it learned from that is: FID and KID.

The published numbers are of features of Inception; these are of the network of photographs that the package
brings. So they are comparable among themselves alone, and FID only between sets of as many images.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from ...learn.draws import drawn_from
from ...metrics.generated import frechet_distance, kernel_distance
from ...nets.efficientnet_lite import STAGES
from ...types import FloatArray
from .backbone import as_photographs, pretrained
from .detector_recipe import DetectorRecipe
from .squares import BATCH, SquareStack, stack_of

if TYPE_CHECKING:
    from ...scan.read_picture import PictureSource
    from .detector import Detector

MADE = 100
"""Images of a generator that are measured."""

SIDE = 128
"""Pixels of the side of what the network of photographs sees, whatever the size of the squares."""

LOOKS = 6
"""Of a training of a generator, at most."""

TILE, COLUMNS, ROWS, GAP = 64, 8, 4, 12
"""Of a sheet; pixels, images, images, pixels."""

SHEET = COLUMNS * ROWS
"""Images of a sheet."""

FID, KID = "fid", "kid"


def made_of_codes(recipe: DetectorRecipe, model: nn.Module, count: int) -> torch.Tensor | None:
    """Images (count, C, S, S) in [0, 1] of the same codes at every call; None: the recipe has no generator.

    Parameters
    ----------
    recipe : DetectorRecipe
        Of the network.
    model : Module
        In evaluation mode.
    count : int
        How many.
    """
    parts = []
    with torch.no_grad(), drawn_from(recipe.seed):
        for first in range(0, count, BATCH):
            part = recipe.samples(model, min(BATCH, count - first))
            if part is None:
                return None
            parts.append((part + 1) / 2 if recipe.picture.signed else part)
    return torch.cat(parts).clamp(0, 1)


class Likeness:
    """How like normals what a generator makes is, while it learns.

    Parameters
    ----------
    recipe : DetectorRecipe
        Of the network.
    train : SquareStack
        The normals that are learned from, as they are, without views.
    held : SquareStack or None
        Normals that are not: how unlike real ones are to real ones.
    """

    def __init__(self, recipe: DetectorRecipe, train: SquareStack, held: SquareStack | None) -> None:
        self.recipe, self.train, self.held = recipe, train, held
        self.rows: list[dict[str, float]] = []
        self._real: FloatArray | None = None
        self._net: nn.Module | None = None

    def look(self, model: nn.Module, step: int) -> None:
        """Keep FID and KID of a state, if it is time: some while the generator learns, and one of its last.

        Parameters
        ----------
        model : Module
            In evaluation mode.
        step : int
            Steps done.
        """
        end = self.recipe.validate_after
        if not end or len(self.train) < 2 or not self._is_due(step, end):
            return
        made = made_of_codes(self.recipe, model, MADE)
        if made is not None:
            measured = self._against_normals(self._features(made))
            self.rows.append({"step": float(min(step, end)), **measured})

    def facts(self) -> dict[str, float]:
        """Of the last look, with how many images, and the same of normals that were held out."""
        if not self.rows:
            return {}
        last = {name: self.rows[-1][name] for name in (FID, KID)}
        found = {**last, "generated": MADE, "normals": len(self.train)}
        if self.held is None or len(self.held) < 2:
            return found
        of_normals = self._against_normals(self._features(self.held.pixels))
        others = {f"{name}_of_normals": value for name, value in of_normals.items()}
        return {**found, **others, "normals_held_out": len(self.held)}

    def _is_due(self, step: int, end: int) -> bool:
        done = self.rows[-1]["step"] if self.rows else 0.0
        return step >= end > done or (step < end and step - done >= end / LOOKS)

    def _against_normals(self, made: FloatArray) -> dict[str, float]:
        if self._real is None:
            self._real = self._features(self.train.pixels)
        return {FID: frechet_distance(self._real, made), KID: kernel_distance(self._real, made)}

    def _features(self, pixels: torch.Tensor) -> FloatArray:
        if self._net is None:
            net: nn.Module = pretrained("the likeness of generated images")
            self._net = channels_last(net)
        return photograph_features(self._net, pixels)


def channels_last(net: nn.Module) -> nn.Module:
    """The network with its convolutions laid out so that it takes three quarters of the time on a CPU.

    Parameters
    ----------
    net : Module
        Changed in place.
    """
    for part in net.modules():
        if isinstance(part, nn.Conv2d):
            part.weight.data = part.weight.data.contiguous(memory_format=torch.channels_last)
    return net


@torch.no_grad()
def photograph_features(net: nn.Module, pixels: torch.Tensor) -> FloatArray:
    """What the last layer of the network of photographs sees, (B, F): the mean over the image's places.

    Parameters
    ----------
    net : Module
        Of `backbone.pretrained`.
    pixels : (B, C, S, S) float32
        In [0, 1]. One or three channels are one photograph; of others each is one, and F is C times as large.
    """
    rows = []
    for part in pixels.cpu().split(BATCH):
        size = (SIDE, SIDE)
        seen = F.interpolate(part, size=size, mode="bilinear", antialias=part.shape[2] > SIDE)
        photographs = as_photographs(seen).contiguous(memory_format=torch.channels_last)
        (last,) = net.features(photographs, (len(STAGES) - 1,))  # type: ignore[operator]
        rows.append(net.head(last).mean((2, 3)).reshape(len(part), -1))  # type: ignore[operator]
    found: FloatArray = torch.cat(rows).numpy()
    return found


def in_words(facts: Mapping[str, Any]) -> str:
    """What `Likeness.facts` say, as a sentence; empty where they say nothing.

    Parameters
    ----------
    facts : mapping
        Of a detector's state.
    """
    if FID not in facts:
        return ""
    told = (
        f"{facts['generated']} generated images against the {facts['normals']} normals learned from: "
        f"FID {facts[FID]:.4g}, KID {facts[KID]:.3g}"
    )
    if f"{FID}_of_normals" not in facts:
        return told
    return (
        f"{told}; {facts['normals_held_out']} normals held out against the same: "
        f"FID {facts[f'{FID}_of_normals']:.4g}, KID {facts[f'{KID}_of_normals']:.3g}"
    )


def sheet_of(detector: "Detector", normals: "Sequence[PictureSource]") -> bytes | None:
    """What its generator makes of fixed codes, beside normals; None: it has none.

    Parameters
    ----------
    detector : Detector
        Fitted.
    normals : sequence of path, array or Picture
        That it learned from.
    """
    made = detector.generated(SHEET)
    return None if made is None else sheet(made, stack_of(normals[:SHEET], detector.config).pixels)


def sheet(made: torch.Tensor, normals: torch.Tensor | None = None) -> bytes:
    """JPEG of images of a generator, eight in a row, and to their right as many normals.

    Parameters
    ----------
    made : (B, C, S, S) float32
        In [0, 1].
    normals : (N, C, S, S) float32, optional
        In [0, 1].
    """
    grids = [_grid(made)] + ([] if normals is None else [_grid(normals)])
    gap = np.full((ROWS * TILE, GAP, 3), 255, np.uint8)
    row = [piece for grid in grids for piece in (gap, grid)][1:]
    stream = io.BytesIO()
    Image.fromarray(np.concatenate(row, 1)).save(stream, format="JPEG", quality=88, optimize=True)
    return stream.getvalue()


def _grid(images: torch.Tensor) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """(ROWS · TILE, COLUMNS · TILE, 3) of 8 bits; black where there are too few."""
    found = np.zeros((ROWS * TILE, COLUMNS * TILE, 3), np.uint8)
    for n, tile in enumerate(_tiles(images[:SHEET])):
        top, left = TILE * (n // COLUMNS), TILE * (n % COLUMNS)
        found[top : top + TILE, left : left + TILE] = tile
    return found


def _tiles(images: torch.Tensor) -> Iterable[np.ndarray[Any, np.dtype[np.uint8]]]:
    """Three channels are colours, two are red and green, of others the mean is grey."""
    small = F.interpolate(images.cpu().float(), size=(TILE, TILE), mode="bilinear", antialias=True)
    for image in small.clamp(0, 1):
        if len(image) == 2:
            image = torch.cat([image, image.new_zeros(1, TILE, TILE)])
        elif len(image) != 3:
            image = image.mean(0, keepdim=True).expand(3, -1, -1)
        yield (255 * image).round().byte().permute(1, 2, 0).numpy()
