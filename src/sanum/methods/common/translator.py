"""A translator as one uses it: learn from pairs, then translate scans, with how unsure that is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import nn

from ...data.pairs import ScanPair
from ...files import sha256
from ...learn.devices import open_devices, share
from ...learn.draws import drawn_from
from ...learn.loop import Callbacks, Run, fit
from ...learn.overrides import flat, override, rebuilt
from ...learn.threads import one_thread
from ...scan import Scan, ScanError
from ...scan.names import printable
from ...weights.file import load_weights, save_weights, weights_of
from .findings import OnStep
from .training import finished
from .translation import TranslationRecipe
from .translation_images import padded, ramps, range_of, told_of
from .translation_source import TranslationSource, require_thick, target_range_of
from .translation_windows import overlap_average

CHECKPOINT = "checkpoint.pt"
VERSION = 1
"""Of the meaning of a model file."""
SHIFT = 5
"""Voxels that a shifted view begins earlier: no multiple of what networks halve."""
FAR_SPACING = 0.25
"""Share by which a scan's voxels may differ from those that were learned from, without a warning."""
SYNTHETIC = "synthetic: sanum translate"
"""In the header of a translation's file, for its name reads like that of a scan."""
ABOUT = ("contrasts", "target_range", "spacing_mm", "scans", "groups")


@dataclass(frozen=True, eq=False)
class Translated:
    """A translation.

    Parameters
    ----------
    image : Scan
        On the input's grid, in the unit of the training targets (HU of a CT).
    uncertainty : Scan
        Standard deviation over `samples`, in the same unit.
    spread_of : str
        What the standard deviation is over, in words.
    warnings : tuple of str
        What a user should know.
    """

    image: Scan
    uncertainty: Scan
    spread_of: str
    warnings: tuple[str, ...] = ()


class Translator:
    """A recipe, with weights or without.

    Parameters
    ----------
    config : TranslationRecipe
        Frozen; decides everything but the data.
    device : str
        A torch device.
    """

    def __init__(self, config: TranslationRecipe, *, device: str = "cpu") -> None:
        self.config, self.device = config, device
        self.method = config.method
        self.net: nn.Module | None = None
        self.about: dict[str, Any] = {}
        self.weights_name = self.weights_sha256 = ""

    @property
    def learned(self) -> nn.Module:
        """The networks; RuntimeError where nothing was learned."""
        if self.net is None:
            raise RuntimeError("the translator has learned nothing: call fit, or load a model file")
        return self.net

    @property
    def contrasts(self) -> tuple[str, str]:
        """From which contrast to which."""
        source, target = self.about["contrasts"]
        return str(source), str(target)

    def with_settings(self, *settings: str) -> Self:
        """Another one with other values in its configuration; it has learned nothing.

        Parameters
        ----------
        *settings : str
            As `--set` takes them, such as "loop.steps=100".

        Raises
        ------
        ValueError
            No such key, or no such value.
        """
        return type(self)(override(self.config, settings), device=self.device)

    def fit(self, pairs: Sequence[ScanPair], *, folder: Path, on_step: OnStep | None = None) -> Self:
        """Learn from pairs.

        Parameters
        ----------
        pairs : sequence of ScanPair
            Of `data.pairs.read_pair`, or made.
        folder : Path
            Of the run; a training that was stopped goes on from there.
        on_step : function, optional
            Called after each step.

        Raises
        ------
        ScanError
            As of `TranslationSource`.
        TrainingStopped
            As of `learn.loop.fit`.
        """
        recipe = self.config
        recipe.step.require_plain()
        source = TranslationSource(recipe, pairs)
        fabric = open_devices(self.device, precision=recipe.precision)
        fabric.launch()
        with drawn_from(recipe.seed):
            model = source.build()
        run = Run(
            folder,
            recipe=flat(recipe) | {"pairs": [p.name for p in source.used], "data_sha256": source.digest()},
            batch_size=recipe.batch_size,
            resume=(folder / CHECKPOINT).is_file(),
            go_on="the same fit goes on from there",
        )
        parts = recipe.loop.accumulate

        def batches(first: int) -> Any:
            return source.batches(
                share(n, batch=recipe.batch_size, part=part, parts=parts, rank=0, world=1)
                for n in count(first)
                for part in range(parts)
            )

        with one_thread():
            state = fit(fabric, model, recipe.turns(), batches, recipe.loop, run, Callbacks(on_step))
        model.load_state_dict(finished(source, model, state))
        self.net, self.about = model.to(self.device).eval().requires_grad_(False), source.describe()
        return self

    def save(self, path: Path) -> Path:
        """Write what was learned; returns the path.

        Parameters
        ----------
        path : Path
            Of the file; made whole or not at all.
        """
        described = {**self.config.describe(), **self.about, "version": VERSION}
        self.weights_sha256 = save_weights(path, self.learned.state_dict(), half=False, **described)
        self.weights_name = path.name
        return path

    def restore(self, path: Path) -> Self:
        """Be what a file says; returns itself.

        Parameters
        ----------
        path : Path
            Written by `save`, or by `sanum train`.

        Raises
        ------
        WeightsError
            Missing, damaged, of another method or version.
        """
        state, header = load_weights(path)
        with weights_of(path, header, self.method, VERSION):
            self.config = rebuilt(self.config, header["config"])
            self.about = {key: header[key] for key in ABOUT}
            net = self.config.build()
            net.load_state_dict(state)
        self.net = net.to(self.device).eval().requires_grad_(False)
        self.weights_name, self.weights_sha256 = path.name, sha256(path)
        return self

    def check(self, scan: Scan) -> tuple[str, ...]:
        """What a user should know before a scan is translated.

        Parameters
        ----------
        scan : Scan
            To be translated.

        Raises
        ------
        ScanError
            It is of another contrast than the model's source, or thinner than a patch.
        """
        source, target = self.contrasts
        name = printable(scan.path.name) if scan.path else "the scan"
        if scan.contrast not in (None, "unknown", source):
            raise ScanError(
                f"{name} is {scan.contrast}, and the model translates {source} to {target}: choose a model "
                f"for {scan.contrast}, or name the contrast with --contrast if it is wrong"
            )
        require_thick(self.config, scan)
        told = [] if scan.contrast == source else [f"its contrast is not known: taken as {source}"]
        told += told_of(self.config.frame, scan.grid)
        spacing = self.config.frame.grid(scan.grid).spacing_mm
        learned = np.array(self.about["spacing_mm"])
        if np.abs(spacing / learned - 1).max() > FAR_SPACING:
            sizes = (" × ".join(f"{x:.3g}" for x in some) for some in (spacing, learned))
            told.append(f"its voxels are {next(sizes)} mm, and the model learned from {next(sizes)} mm")
        return tuple(told)

    def translate(
        self,
        scan: Scan,
        *,
        samples: int | None = None,
        seed: int = 1,
        on_step: Callable[[str], None] = lambda _: None,
    ) -> Translated:
        """Translate a scan; the same seed gives the same image.

        Parameters
        ----------
        scan : Scan
            Of the model's source contrast.
        samples : int, optional
            Translations that the uncertainty is the spread of; default as the recipe says.
        seed : int
            Of the first sample's noise; the next has the next.
        on_step : function
            Called with the name of each step.

        Raises
        ------
        ScanError
            As of `check`.
        """
        net, told, config = self.learned, self.check(scan), self.config
        wanted = config.samples if samples is None else samples
        own = range_of(scan, self.contrasts[0], config.ct_range)
        images = config.frame.images(scan, own.unit(scan.voxels))
        made = []
        with one_thread(), torch.no_grad():
            views = self._views(wanted, seed)
            for n, view in enumerate(views, 1):
                on_step(f"translation {n} of {len(views)}")
                made.append(self._seen(net, images, view))
        stack = torch.stack(made)
        end = target_range_of(self.about)
        half = (end.high - end.low) / 2
        spread = stack.std(0, correction=0) * half
        maps = (end.values(stack[0].numpy()), spread.numpy())
        image, unsure = (config.frame.back(torch.from_numpy(x), scan.grid) for x in maps)
        out = replace(
            scan.with_voxels(image),
            contrast=self.contrasts[1],
            contrast_by="user",
            description=SYNTHETIC,
        )
        if len(views) == 1:
            told = (*told, "one sample has no spread: the uncertainty is 0 everywhere")
        return Translated(out, out.with_voxels(np.maximum(unsure, 0)), self.spread_of(views), told)

    def spread_of(self, views: "Sequence[_View]") -> str:
        """What the uncertainty is the spread of, in words.

        Parameters
        ----------
        views : sequence of _View
            That were computed.
        """
        if self.config.draws:
            return f"{len(views)} samples, of seeds {views[0].seed} to {views[-1].seed}"
        mirrored = ", mirrored and not" if any(v.mirror for v in views) else ""
        return (
            f"{len(views)} views of the scan, its patches shifted and not{mirrored}: the method draws nothing"
        )

    def _views(self, wanted: int, seed: int) -> "list[_View]":
        if self.config.draws:
            return [_View(seed + n) for n in range(wanted)]
        mirrors = (
            (False, True) if self.config.frame.mirror_axis is not None and self.config.mirror else (False,)
        )
        return [_View(seed, mirrors[n % len(mirrors)], SHIFT * (n // len(mirrors))) for n in range(wanted)]

    def _seen(self, net: nn.Module, images: torch.Tensor, view: "_View") -> torch.Tensor:
        """One translation (N, *spatial) in [−1, 1]."""
        config, axis, size = self.config, self.config.frame.mirror_axis, tuple(images.shape[1:])
        if view.mirror and axis is not None:
            images = images.flip(axis)
        before = [view.shift, 0] * config.dims
        seen = padded(torch.nn.functional.pad(images, before, value=-1.0), config.patch)
        shape = tuple(seen.shape[1:])
        drawn = torch.Generator().manual_seed(view.seed)
        noises = [torch.randn(shape, generator=drawn) for _ in range(config.noise_fields)]
        where = [*ramps(shape)] if config.dims == 3 else []
        channels = [torch.stack([image, *where, *noises]) for image in seen]

        def sees(patches: torch.Tensor, _: list[tuple[int, ...]]) -> torch.Tensor:
            scan, noise = patches.to(self.device).tensor_split([-len(noises)], 1)
            return config.translate(net, scan, noise).clamp(-1, 1)

        made = overlap_average(
            torch.stack(channels), config.patch, sees, overlap=config.overlap, batch=config.apply_batch
        )
        kept = tuple(slice(view.shift, view.shift + n) for n in size)
        made = made[(slice(None), *kept)]
        return made.flip(axis) if view.mirror and axis is not None else made


@dataclass(frozen=True)
class _View:
    """How one of several translations differs from the others."""

    seed: int
    mirror: bool = False
    shift: int = 0
