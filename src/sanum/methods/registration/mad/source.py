"""T1w heads of a folder as endless pairs; who is held out is never among them."""

from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import ndimage

from ....data.split import split_subjects
from ....learn.threads import one_thread
from ....scan import read
from ....space.components import largest_component
from ....space.grid import covering
from ....space.resample import resample
from ....synth.subjects import subject_of
from ...common.recipe import Batch, TrainingSource
from .model import MadNet
from .pairs import draw_pair, make_pair

if TYPE_CHECKING:
    from .recipe import MadRecipe

HEAD_MM = 6.4
"""Voxels of the heads that contrasts are made of: finer than what the network sees."""

AIR = 0.06
"""Below it, in parts of the 99th percentile, a T1w shows air."""


class CoarseHead:
    """A T1w on coarse voxels, with head and brain.

    Parameters
    ----------
    t1w, labels : Path
        The image, and a parcellation on any grid.
    """

    def __init__(self, t1w: Path, labels: Path) -> None:
        scan, parcels = read(t1w), read(labels)
        grid = covering(scan.grid, HEAD_MM)
        values = resample(scan.voxels, scan.grid, grid)
        unit = np.clip(values / np.percentile(values, 99), 0, 1).astype(np.float32)
        head = ndimage.binary_fill_holes(largest_component(ndimage.binary_opening(unit > AIR)))
        share = resample((parcels.voxels > 0).astype(np.float32), parcels.grid, grid)
        brain = ndimage.binary_closing(share > 0.3, iterations=2)
        self.image = torch.from_numpy(unit)
        self.masks = torch.from_numpy(np.stack([head | brain, brain]))


class MadSource(TrainingSource):
    """Heads to learn from.

    Parameters
    ----------
    recipe : MadRecipe
        Everything else that decides the weights.
    data : Path
        Folder with ixi/, or of the subjects.
    on_prepare : function, optional
        Called with how many of how many heads are read.
    """

    def __init__(
        self, recipe: "MadRecipe", data: Path, on_prepare: Callable[[int, int], None] | None = None
    ) -> None:
        self.recipe = recipe
        kept, held = split_subjects(data, recipe.subjects)
        self.held_out = [subject_of(t1w) for t1w, _ in held]
        self.heads: list[CoarseHead] = []
        for n, pair in enumerate(kept):
            self.heads.append(CoarseHead(*pair))
            if on_prepare:
                on_prepare(n + 1, len(kept))

    def build(self) -> MadNet:
        """The recipe's network."""
        return MadNet(self.recipe.widths, self.recipe.keypoints)

    def batches(self, numbers: Iterator[range]) -> Generator[Batch, None, None]:
        """Batches of the samples with these numbers.

        Parameters
        ----------
        numbers : iterator of range
            Samples of each batch.
        """
        for samples in numbers:
            with one_thread(), torch.no_grad():
                items = [self.sample(n) for n in samples]
            yield {key: torch.stack([item[key] for item in items]) for key in items[0]}

    def sample(self, number: int) -> Batch:
        """A pair: "images" (2, 32, 32, 32) and "apart" (12,).

        Parameters
        ----------
        number : int
            Of the sample.
        """
        rng = np.random.default_rng([self.recipe.seed, number])
        head = self.heads[int(rng.integers(len(self.heads)))]
        pair = draw_pair(rng, self.recipe.pairs.at(number))
        images = make_pair(head.image, head.masks, HEAD_MM, pair)
        return {"images": images, "apart": torch.tensor(pair.apart, dtype=torch.float32)}

    def describe(self) -> dict[str, Any]:
        """Who was held out, and of how many heads it learned."""
        return {"held_out": self.held_out, "heads": len(self.heads)}
