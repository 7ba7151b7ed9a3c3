"""Recipe of the second stage, `una-fine`: 1 mm patches, on the frozen outputs of the first.

Command   python bench/label_heads.py -o runs/heads-1mm
          sanum train una-fine --data ../shared/data -o runs/una-fine --compile
Data      14 whole heads rendered from labels, head-1, head-3, normal-2; held out: label-15, label-16, and
          head-2 and head-4, which are what is measured
Time      CPU of one thread, busy machine, bfloat16: about 3.4 s to draw a sample (no single step above
          0.6 s), 2.0 s for the first stage and its fields, 0.35 s a patch; 11 s for all 16 patches. These
          hold 69 % brain and see each voxel of it 1.8 times: more of them would see the same again.
          The weights that ship: 4,600 steps, 40 minutes beside other work (of 6,000 that were begun: at 3,113
          the end was moved, so that the rate falls to zero earlier)
Reached   real T1w of 1 mm that no training has (bench/fine.py: error in the brain, white matter at 1; length
          of the gradient over the truth's), 2 mm -> 1 mm: head-2 .091 -> .065, .64 -> .86; head-4 .064 ->
          .042, .48 -> .66. As 5 mm slices: .115 -> .108 and .079 -> .071, where cubic interpolation of the
          slices has .078 and .060 (asked: 15 % below it). After 2,300 steps .063, .044, .107 and .073.
          Since the anatomy agrees with the slices (healthy/slices.py, not learned): .071 and .055.
          Made scans of held-out heads, two a contrast (bench/fine_made.py), PSNR in the brain, Dice of the
          network's anomaly at 0.5: T1w 16.9 -> 19.2, .43 -> .33; T1wCE 15.7 -> 17.5; T2w 16.4 -> 17.3, .41 ->
          .28; FLAIR 16.1 -> 17.1, .26 -> .19; PD 13.3 -> 13.4; CT 12.4 -> 12.9. So the anomaly stays that of
          the first stage.
          Real T2w and FLAIR of patients against their own T1w: PSNR from -.6 to +.5 dB, grey/white contrast
          lower in five of six (FLAIR of sub-ms1 .08 -> .02), and two anatomies of one person 2 to 5 dB less
          alike: detail of the scan that is none of the T1w. So other contrasts than T1w stay at 2 mm.
Limits    cubic interpolation keeps the T1w's own grey values; the network's differ from them by a curve, and
          that is most of what is left of its error. 14 of the 17 heads are rendered from labels, without
          the texture of a scan.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from itertools import tee
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from ....data.split import split_masks
from ....learn.schedule import LoopConfig
from ....space.box import Box
from ....synth.anatomy import Anatomy, cropped, prepare
from ....synth.sampling import SamplingConfig
from ....synth.stream import Stream, TrainingSet
from ....synth.subjects import ixi_pairs
from ....weights.store import resolve
from ...common.recipe import Batch, Recipe, TrainingSource
from .fine_data import each_once, patch_of, with_first_stage
from .fine_loss import FineWeights, objective
from .fine_model import FineUna
from .predict import UnaPredictor

RENDERED = "labels/*_dseg.nii.gz"
HELD_OUT = 2  # of the label maps
MARGIN_MM = 35.0  # around the brain: scalp and skull, and no more to keep in memory
BOX = Box((160, 192, 160), 1.0)


@dataclass(frozen=True)
class FineRecipe(Recipe):
    """Recipe of `FineUna`.

    Parameters
    ----------
    widths : tuple of int
        Feature maps of each level.
    patch : int
        Edge of a patch in voxels of 1 mm.
    patches : int
        Of each sample: samples take longer than steps.
    heads : str
        Folder of T1w of 1 mm with labels (`bench/label_heads.py`); empty: rendered heads alone.
    first : str
        Weights of the first stage: a name that `sanum weights list` knows, or a file.
    sampling : SamplingConfig
        What samples are made of.
    weights : FineWeights
        Of the terms of the objective.
    """

    method: ClassVar[str] = "una-fine"

    widths: tuple[int, ...] = (32, 48, 64)
    patch: int = 64
    patches: int = 16
    heads: str = "runs/heads-1mm"
    first: str = "una-compact"
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    weights: FineWeights = field(default_factory=FineWeights)
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=10_000, warmup=200))

    def __post_init__(self) -> None:
        super().__post_init__()
        multiple = 2 ** len(self.widths)
        if self.patch % multiple or self.patch < multiple:
            raise ValueError(f"patch must be a multiple of {multiple}, got {self.patch}")
        if self.patches % self.batch_size:
            raise ValueError(f"patches must be a multiple of batch_size, got {self.patches}")

    def prepare(
        self, data: Path, cache: Path, on_prepare: Callable[[int, int], None] | None = None
    ) -> "FineSource":
        """Prepare the heads of 1 mm.

        Parameters
        ----------
        data : Path
            Folder with labels/ and lesions/.
        cache : Path
            Folder to keep prepared anatomies.
        on_prepare : function, optional
            Called with how many of how many heads are done.
        """
        rendered = sorted(data.glob(RENDERED))
        pairs: list[tuple[Path | None, Path]] = [(None, labels) for labels in rendered[:-HELD_OUT]]
        pairs += ixi_pairs(Path(self.heads)) if self.heads else []
        if not pairs:
            raise ValueError(f"no heads of 1 mm: {data} has no {RENDERED}, and heads is empty")
        anatomies = []
        for n, (t1w, labels) in enumerate(pairs):
            anatomies.append(cropped(prepare(t1w, labels, cache), MARGIN_MM))
            if on_prepare:
                on_prepare(n + 1, len(pairs))
        held = [labels.name for labels in rendered[-HELD_OUT:]]
        return FineSource(self, data, anatomies, held)

    def loss(self, model: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The objective of the second stage, see `fine_loss`.

        Parameters
        ----------
        model : Module
            `FineUna`.
        batch : dict of Tensor
            Of `FineSource.batches`.
        """
        return objective(model(batch["inputs"], batch["contrast"]), batch, self.weights)

    def describe(self) -> dict[str, Any]:
        """What the header of the weights says, enough to build the network again."""
        return {**super().describe(), "widths": self.widths, "shape": BOX.shape, "spacing_mm": BOX.spacing_mm}


@dataclass(frozen=True, eq=False)
class FineSource(TrainingSource):
    """Patches of samples of 1 mm, with what the first stage says of them.

    Parameters
    ----------
    recipe : FineRecipe
        Whose data they are.
    data : Path
        Folder of data.
    anatomies : list of Anatomy
        Heads of 1 mm.
    held_out : list of str
        Who is not trained on.
    """

    recipe: FineRecipe
    data: Path
    anatomies: list[Anatomy]
    held_out: list[str]

    def describe(self) -> dict[str, Any]:
        """Who was held out, and which first stage it goes with."""
        return {"held_out": self.held_out, "first_sha256": self._first().state_sha256}

    def _first(self) -> UnaPredictor:
        return UnaPredictor(weights=resolve(self.recipe.first))

    def build(self) -> nn.Module:
        """Network with its initial weights."""
        net = FineUna(self.recipe.widths)
        net.net.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        return net

    def batches(self, numbers: Iterator[range]) -> Generator[Batch, None, None]:
        """Batches of patches: item n is patch n % `patches` of sample n // `patches`.

        Parameters
        ----------
        numbers : iterator of range
            Items of each micro-batch of this process.
        """
        recipe, first = self.recipe, self._first().net
        bank = split_masks(self.data)[0]
        bank += 2 * [m for m in bank if m.name.startswith("ms-")]
        stream = Stream(
            TrainingSet(self.anatomies, bank),
            seed=recipe.seed,
            box=BOX.grid(),
            sampling=recipe.sampling,
        )
        own, ahead = tee(numbers)
        samples = stream.prefetched(recipe.workers, each_once(ahead, recipe.patches))
        at, whole = -1, dict[str, torch.Tensor]()
        try:
            for some in own:
                patches = []
                for n in some:
                    if n // recipe.patches != at:
                        at, whole = n // recipe.patches, with_first_stage(next(samples), first)
                    patches.append(patch_of(whole, np.random.default_rng([recipe.seed, n, 2]), recipe.patch))
                yield {name: torch.stack([p[name] for p in patches]) for name in patches[0]}
        finally:
            samples.close()


FINE = FineRecipe(
    "una-fine",
    batch_size=2,
    sampling=SamplingConfig(real=0.35, healthy=0.2, draws="world", thick=0.35, mirror=True),
)
