"""Pairs as endless patches: the source, and its own target, or a patch of any target, or both."""

import hashlib
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from ...data.pairs import ScanPair, contrasts_of
from ...scan import Scan, ScanError
from ...scan.names import printable
from .recipe import Batch, TrainingSource
from .translation import TranslationRecipe
from .translation_images import EMPTY, ValueRange, padded, ramps, range_of

TRIES = 8
LEAST_FILLED = 0.1
"""Share of a patch that is to show something; after `TRIES` draws any patch is taken."""


@dataclass(frozen=True, eq=False)
class TranslationImages:
    """One or two scans, cut.

    Parameters
    ----------
    images : (N, K, *spatial) tensor
        In [−1, 1]; K is 2 of a pair, source first, else 1.
    slices : (M,) int64
        Those that show something.
    ends : tuple of (float, float)
        What −1 and 1 stand for, of each.
    """

    images: torch.Tensor
    slices: np.ndarray[Any, Any]
    ends: tuple[tuple[float, float], ...]


class TranslationSource(TrainingSource):
    """Pairs to learn from.

    Parameters
    ----------
    recipe : TranslationRecipe
        Everything else that decides the weights.
    pairs : sequence of ScanPair
        Read.

    Raises
    ------
    ScanError
        The recipe learns from pairs, and there is none; scans thinner than a patch of volumes; contrasts
        that are not clear.
    """

    def __init__(self, recipe: TranslationRecipe, pairs: Sequence[ScanPair]) -> None:
        self.recipe = recipe
        self.contrasts = contrasts_of(pairs, recipe.source_contrast, recipe.target_contrast)
        whole = [p for p in pairs if p.is_whole]
        paired = recipe.pairing != "unpaired"
        if paired and not whole:
            raise ScanError(
                f"{recipe.name} learns from pairs, and no source has its target: expected both scans of a "
                "person on one grid, or a method for unpaired scans, such as cut"
            )
        self.used = whole if paired else list(pairs)
        sources = [p.source for p in self.used if p.source is not None]
        targets = [p.target for p in (pairs if recipe.pairing != "paired" else whole) if p.target is not None]
        if not sources or not targets:
            raise ScanError("expected scans of both contrasts, got those of one")
        self.pairs = [self._cut([p.source, p.target]) for p in whole] if paired else []
        self.sources = [] if paired else [self._cut([scan], first=0) for scan in sources]
        self.targets = [self._cut([scan], first=1) for scan in targets] if recipe.pairing != "paired" else []
        ends = [x.ends[-1] for x in (self.targets or self.pairs)]
        self.target_range = tuple(float(x) for x in np.median(ends, axis=0))
        spacing = [recipe.frame.grid(scan.grid).spacing_mm for scan in sources]
        self.spacing_mm = [round(float(x), 4) for x in np.median(spacing, axis=0)]

    def _cut(self, scans: Sequence[Scan | None], first: int = 0) -> TranslationImages:
        recipe, made, ends = self.recipe, [], []
        for which, scan in enumerate(scans, first):
            assert scan is not None
            own = range_of(scan, self.contrasts[which], recipe.ct_range)
            require_thick(recipe, scan)
            made.append(recipe.frame.images(scan, own.unit(scan.voxels)))
            ends.append((own.low, own.high))
        images = padded(torch.stack(made, 1), recipe.patch)
        filled = (images[:, -1] > EMPTY).flatten(1).float().mean(1)
        slices = np.flatnonzero(filled.numpy() > 0.02)
        return TranslationImages(images, slices if len(slices) else np.arange(len(images)), tuple(ends))

    def build(self) -> nn.Module:
        """The recipe's networks."""
        return self.recipe.build()

    def batches(self, numbers: Iterator[range]) -> Generator[Batch, None, None]:
        """Batches of the samples with these numbers, without end.

        Parameters
        ----------
        numbers : iterator of range
            Samples of each batch.
        """
        for samples in numbers:
            items = [self.sample(n) for n in samples]
            batch = {key: torch.stack([item[key] for item in items]) for key in items[0]}
            yield {**batch, "seed": torch.tensor(samples[0])}

    def sample(self, number: int) -> Batch:
        """Patches: "source" (channels, *patch), and "target" or "other" (1, *patch), or both.

        Parameters
        ----------
        number : int
            Of the sample.
        """
        rng = np.random.default_rng([self.recipe.seed, number])
        out: Batch = {}
        first = self.pairs or self.sources
        chosen, where = self._patch(first[rng.integers(len(first))], rng)
        out["source"] = torch.cat([chosen[:1], *where])
        if self.pairs:
            out["target"] = chosen[1:2]
        if self.targets:
            out["other"] = self._patch(self.targets[rng.integers(len(self.targets))], rng)[0][-1:]
        return {key: x.clone() for key, x in out.items()}

    def _patch(
        self, of: TranslationImages, rng: np.random.Generator
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """A patch that shows something, and of volumes where it lies."""
        patch, shape = self.recipe.patch, tuple(of.images.shape[2:])
        for _ in range(TRIES):
            image = of.images[int(rng.choice(of.slices))]
            start = tuple(int(rng.integers(n - k + 1)) for n, k in zip(shape, patch, strict=True))
            box = tuple(slice(s, s + k) for s, k in zip(start, patch, strict=True))
            part = image[(slice(None), *box)]
            if float((part[-1] > EMPTY).float().mean()) >= LEAST_FILLED:
                break
        where = [ramps(shape, start, patch)] if self.recipe.dims == 3 else []
        axis = self.recipe.frame.mirror_axis
        if axis is not None and rng.random() < self.recipe.mirror:
            turned = torch.tensor([-1.0, 1, 1])[:, None, None, None]  # of the mirrored volume's own ramps
            part, where = part.flip(axis), [turned * w.flip(axis) for w in where]
        return part, where

    def digest(self) -> str:
        """SHA-256 of all that is learned from, as the network sees it."""
        digest = hashlib.sha256(repr(self.describe()).encode())
        for cut in (*self.pairs, *self.sources, *self.targets):
            digest.update(repr((tuple(cut.images.shape), cut.ends)).encode())
            digest.update(cut.images.numpy().tobytes())
        return digest.hexdigest()

    def describe(self) -> dict[str, Any]:
        """Contrasts, range of the target, and what was learned from."""
        return {
            "contrasts": list(self.contrasts),
            "target_range": list(self.target_range),
            "spacing_mm": self.spacing_mm,
            "scans": len(self.used),
            "groups": len({pair.group for pair in self.used}),
        }


def require_thick(recipe: TranslationRecipe, scan: Scan) -> None:
    """Raise ScanError if a volume is thinner than a patch; slices are padded instead.

    Parameters
    ----------
    recipe : TranslationRecipe
        With the patch.
    scan : Scan
        To be cut.
    """
    if recipe.dims != 3:
        return
    shape = recipe.frame.grid(scan.grid).shape
    if any(n < k for n, k in zip(shape, recipe.patch, strict=True)):
        name = printable(scan.path.name) if scan.path else "the scan"
        sizes = (" × ".join(map(str, x)) for x in (shape, recipe.patch))
        raise ScanError(
            f"{name} has {next(sizes)} voxels as the network sees it, and is thinner than the 3-D patch of "
            f"{next(sizes)}: use a model of slices, or fit one with a smaller patch (--set patch=…)"
        )


def target_range_of(about: dict[str, Any]) -> ValueRange:
    """What −1 and 1 of a model's answers stand for.

    Parameters
    ----------
    about : dict
        Of `TranslationSource.describe`.
    """
    low, high = about["target_range"]
    return ValueRange(float(low), float(high))
