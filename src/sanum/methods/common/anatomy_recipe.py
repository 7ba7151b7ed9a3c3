"""Recipes of networks that turn any brain scan into its healthy T1w: a box of voxels, samples of `synth`."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from itertools import chain, islice, tee
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import nn

from ...data.split import SubjectsConfig, require_data, split_masks, split_subjects
from ...learn.loop import Draw
from ...learn.schedule import LoopConfig
from ...space.box import Box
from ...synth.anatomy import Anatomy, at_spacing, prepare
from ...synth.box import DEFAULT_BOX
from ...synth.patient import Patient, patients_in
from ...synth.sampling import SamplingConfig
from ...synth.stream import Stream, TrainingSet
from ...synth.subjects import Pair, subject_of
from .recipe import Batch, Persons, Recipe, TrainingSource
from .step_memory import LEAST_EDGE, require_memory

if TYPE_CHECKING:
    from lightning_fabric import Fabric

FINEST_MM = 2.0  # heads of finer voxels are kept at these, for there may be a hundred in memory


@dataclass(frozen=True)
class AnatomyRecipe(Recipe):
    """A recipe on synthetic and real scans of healthy heads with anomalies; a method subclasses it.

    Parameters
    ----------
    loop : LoopConfig
        Steps, optimizer and learning rate.
    widths : tuple of int
        Feature maps of each level of the network.
    box : Box
        Of the samples, in voxels and millimetres.
    sampling : SamplingConfig
        What samples are made of.
    flipped_too : bool
        Each sample serves twice, the second time left-right flipped: on few cores making samples takes time.
    subjects : SubjectsConfig
        Which labels, and who is held out.
    """

    renamed: ClassVar = {
        "shape": "box.shape",
        "spacing_mm": "box.spacing_mm",
        **{f"mix.{f.name}": f"sampling.{f.name}" for f in fields(SamplingConfig)},
    }

    widths: tuple[int, ...] = (32, 64, 128, 192)
    box: Box = DEFAULT_BOX
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    flipped_too: bool = True
    subjects: SubjectsConfig = field(default_factory=SubjectsConfig)
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=30_000, warmup=200))

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.widths or min(self.widths) < 1:
            raise ValueError(f"widths must be above 0, got {self.widths}")
        if any(n % self.multiple for n in self.box.shape):
            raise ValueError(
                f"box.shape must be in multiples of {self.multiple} for {len(self.widths)} widths, "
                f"got {self.box.shape}"
            )

    @property
    def multiple(self) -> int:
        """What each side of the box is a multiple of, in voxels: the network halves it so often."""
        return int(2 ** len(self.widths))

    @property
    def public(self) -> tuple[str, ...]:
        """What a private training takes as known to everybody, beside the lesion masks."""
        return ()

    def build(self, anatomies: Sequence[Anatomy]) -> nn.Module:
        """Make the network with its initial weights.

        Parameters
        ----------
        anatomies : sequence of Anatomy
            Of the training; the network may keep averages of them.
        """
        raise NotImplementedError

    def show(self, model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        """Images (B, 1, X, Y, Z) by title, for the sheet of validation samples.

        Parameters
        ----------
        model : Module
            With the averaged weights, in evaluation mode.
        batch : dict of tensor
            Held-out samples, see `Stream`.
        """
        raise NotImplementedError

    def describe(self) -> dict[str, Any]:
        """What the header of the weights says, enough to build the network again."""
        return {
            **super().describe(),
            "widths": self.widths,
            "shape": self.box.shape,
            "spacing_mm": self.box.spacing_mm,
        }

    def check(self, data: Path) -> list[str]:
        """Say who is left out, for want of labels, and whether the rest are few.

        Parameters
        ----------
        data : Path
            Folder with ixi/ (or of the subjects) and lesions/, see `data.split`.

        Raises
        ------
        ValueError
            What is missing, all of it.
        """
        return require_data(data, masks=self.sampling.bank, config=self.subjects)

    def require_people(self) -> None:
        """Raise ValueError if patients are trained on, too."""
        if self.sampling.patients:
            raise ValueError("private training counts healthy subjects alone: set sampling.patients=0")

    def anatomy(self, pair: Pair, cache: Path) -> Anatomy:
        """Anatomy of a subject, on voxels of at least `FINEST_MM` where the box's are no finer.

        Parameters
        ----------
        pair : (Path, Path)
            T1w and labels.
        cache : Path
            Folder to keep prepared anatomies.
        """
        whole = prepare(*pair, cache, ignore_unknown=self.subjects.ignore_unknown)
        return at_spacing(whole, min(self.box.spacing_mm, FINEST_MM))

    def prepare(
        self, data: Path, cache: Path, on_prepare: Callable[[int, int], None] | None = None
    ) -> "AnatomySource":
        """Prepare the anatomies of the training subjects, and read the patients if the sampling asks for any.

        Parameters
        ----------
        data : Path
            Folder with ixi/, lesions/ and patients/.
        cache : Path
            Folder to keep prepared anatomies.
        on_prepare : function, optional
            Called with how many of how many subjects are done.
        """
        pairs, held = split_subjects(data, self.subjects)
        anatomies = []
        for n, pair in enumerate(pairs):
            anatomies.append(self.anatomy(pair, cache))
            if on_prepare:
                on_prepare(n + 1, len(pairs))
        whose = [subject_of(t1w) for t1w, _ in pairs]
        return AnatomySource(self, data, cache, anatomies, patients_of(self, data), held, whose)


@dataclass(frozen=True, eq=False)
class AnatomySource(TrainingSource):
    """Training data of an `AnatomyRecipe`.

    Parameters
    ----------
    recipe : AnatomyRecipe
        Whose data they are.
    data : Path
        Folder of data.
    cache : Path
        Folder of prepared anatomies.
    anatomies : list of Anatomy
        Of the training subjects.
    patients : list of Patient
        May be none.
    held_out : list of (Path, Path)
        T1w and labels of those who are not trained on.
    whose : list of str
        Subject of each anatomy.
    """

    recipe: AnatomyRecipe
    data: Path
    cache: Path
    anatomies: list[Anatomy]
    patients: list[Patient]
    held_out: list[Pair]
    whose: list[str]

    def describe(self) -> dict[str, Any]:
        """Names of the subjects that were not trained on."""
        return {"held_out": list(dict.fromkeys(subject_of(t1w) for t1w, _ in self.held_out))}

    def build(self) -> nn.Module:
        """Network with its initial weights, ordered in memory as 3-D convolutions are fastest."""
        net = self.recipe.build(self.anatomies)
        ordered: nn.Module = net.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        return ordered

    def batches(self, numbers: Iterator[range]) -> Generator[Batch, None, None]:
        """Batches of `Stream`.

        Parameters
        ----------
        numbers : iterator of range
            Samples of each micro-batch of this process, all of one size.
        """
        yield from self._made(TrainingSet(self.anatomies, self._bank(), self.patients), numbers)

    def people(self) -> Persons:
        """Each subject by a sample of one of their heads.

        Raises
        ------
        ValueError
            Patients are trained on, too.
        """
        self.recipe.require_people()
        own: dict[str, list[int]] = {}
        for place, subject in enumerate(self.whose):
            own.setdefault(subject, []).append(place)
        made_of = TrainingSet(self.anatomies, self._bank(), people=[tuple(places) for places in own.values()])
        masks = ("the lesion masks of lesions/",) if self.recipe.sampling.bank else ()
        return Persons(len(own), partial(self._made, made_of), public=(*masks, *self.recipe.public))

    def _bank(self) -> list[Path]:
        bank = split_masks(self.data)[0]
        return bank + 2 * [m for m in bank if m.name.startswith("ms-")]  # few masks, but small lesions matter

    def _made(self, made_of: TrainingSet, numbers: Iterator[Sequence[int]]) -> Generator[Batch, None, None]:
        stream = Stream(
            made_of,
            seed=self.recipe.seed,
            flipped_too=self.recipe.flipped_too and not made_of.people,
            box=self.recipe.box.grid(),
            sampling=self.recipe.sampling,
        )
        own, ahead = tee(numbers)
        items = stream.prefetched(self.recipe.workers, chain.from_iterable(ahead))
        try:
            for some in own:
                samples = list(islice(items, len(some)))
                yield {name: torch.stack([s[name] for s in samples]) for name in (samples or [{}])[0]}
        finally:
            items.close()

    def draw(self) -> Draw | None:
        """Function that draws the sheet of validation samples, always the same; None if none is wanted."""
        recipe = self.recipe
        if not recipe.loop.sheet_every:
            return None
        from .anatomy_sheet import ROWS, drawing, held_out_samples  # here, for they load matplotlib

        anatomies = [recipe.anatomy(pair, self.cache) for pair in self.held_out[: len(ROWS)]]
        masks = split_masks(self.data)[1]
        samples = held_out_samples(anatomies, masks, box=recipe.box, mirror=recipe.sampling.mirror)
        return drawing(samples, recipe.show, name=recipe.name)

    def require_memory(self, model: nn.Module, fabric: "Fabric", samples: int) -> None:
        """Raise ValueError, with a box that fits, if a step needs more memory than is free.

        Parameters
        ----------
        model : Module
            Not yet on the device.
        fabric : Fabric
            Launched.
        samples : int
            Of a micro-batch.
        """
        recipe = self.recipe
        edge = max(recipe.multiple, LEAST_EDGE)
        cube = Box((2 * edge, 2 * edge, 2 * edge), recipe.box.spacing_mm)
        stream = Stream(
            TrainingSet(self.anatomies[:1]), seed=recipe.seed, box=cube.grid(), sampling=recipe.sampling
        )
        require_memory(
            model,
            recipe.loss,
            {name: x[None] for name, x in stream.item(0).items()},
            box=recipe.box,
            multiple=recipe.multiple,
            samples=samples,
            workers=recipe.workers,
            fabric=fabric,
        )


def patients_of(recipe: AnatomyRecipe, data: Path) -> list[Patient]:
    """Patients that the sampling asks for; none if it asks for none.

    Parameters
    ----------
    recipe : AnatomyRecipe
        Its sampling says the share of patients, and who is left out.
    data : Path
        Folder with patients/.

    Raises
    ------
    ValueError
        It asks for some and there are none.
    """
    if recipe.sampling.patients == 0:
        return []
    root = data / "patients"
    found = patients_in(root, leave_out=recipe.sampling.leave_out, spacing_mm=recipe.box.spacing_mm)
    if not found:
        raise ValueError(
            f"no patient under {root} has a stripped T1w and a lesion mask, or all are left out: "
            "set sampling.patients=0"
        )
    return found
