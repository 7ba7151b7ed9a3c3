"""Recipes of UNA: `una-compact` (the model that ships, below), as published, at 1 mm, and the ablations.

Paper     UNA, CVPR 2025 (arXiv 2501.13370); departures in README.md
Command   sanum train una-compact --data ../shared/data -o runs/una-compact --compile
Data      56 IXI subjects, 89 stroke and 14 MS masks; the last 8 subjects and stroke-090…099 are held out
Hardware  two cores of an AMD EPYC with AVX512-BF16, shared with other work
Shipped   The weights that ship went on from those of the six runs below for 15,000 steps with the draws of
          the world (World), the rule of the two witnesses and the calibration of the uncertainty in the
          header. `Time` and `Reached` are about the six runs, before `told` and these draws: 50 % real, 15 %
          healthy, the usual draws (`--set told=false --set sampling.draws=usual --set sampling.real=0.5 --set
          sampling.healthy=0.15`)
Time      5.8 h: 34,500 steps at 0.5–1 s, in six runs, each from the weights of the one before (`--from`),
          with a rate and an optimizer of its own; the command makes as many steps in one run, and was not run
          as a whole:
          1. 6,000 steps, without the atlas and the term `whole`; peak rate 3e-3, later 1e-3
          2. 9,500 steps, seed 4, peak rate 1e-3, with both; the new weights of the wider last layer at 0
          3. 8,000 steps, seed 5, peak rate 1e-3; λp 3 instead of 1, skull on in 60 % instead of 50 %,
             alignment errors 0.2–0.9 instead of 0.3–1.5, the atlas read in float32 instead of bfloat16
          4. 1,000 steps, seed 6, peak rate 4e-4; T1w darker below the fluid's mean, as real ones are
          5. 6,000 steps, seed 7, peak rate 1e-3; lesions of CT in Hounsfield units, one in ten anomalies
             against the sign rule instead of one in five; surface coils, iron in more nuclei than the
             pallidum, T1w with the low contrast of spin echo
          6. 4,000 steps, seed 8, peak rate 7e-4; the contrastive term with λc 0.05, the anomaly head's
             weight 1 instead of 0.6, and the usual draws as they are now (DWI, widths, ghosts, published
             resolutions, T1w with bright fat); on one of the two cores from step 1,124 on
Reached   From file to results, stripped: T1w 33.30 dB, SSIM 0.989, Dice 0.82; T2w-like 29.25, 0.961, 0.41;
          FLAIR-like 27.71, 0.934, 0.58; CT-like 27.28, 0.926, 0.74; healthy scans 0.00 % anomalous (whole
          heads, intervals and the rest: docs/evaluation.md). Stage 6 alone, eight samples each, dB and Dice
          before and after: T1w 31.45 and 0.856, 31.65 and 0.859; T2w 26.10 and 0.283, 26.28 and 0.267; FLAIR
          26.92 and 0.555, 26.84 and 0.515; CT 26.75 and 0.717, 26.78 and 0.716. Most of what was gained since
          the last release is the box that takes the scan's own voxels (scan/conform.py)
World     1. 6,000 steps, told the contrast in 70 %, the draws of the world but for soft images and bright
             fat, seed 11, peak rate 7e-4, one thread, 75 min. Dice on real lesions, before and after: glioma1
             T1w .24, .63, T2w .57, .70, FLAIR .73, .76; glioma2 T1w .59, .67, T2w .35, .59, FLAIR .77, .69;
             stroke2 T2w .59, .67; ms1 T1w .36, .38, T2w .17, .22, FLAIR .50, .45; old FLAIR .08, .31 and .10,
             .46. False anomaly of old T1w 109, 31 and 65, 10 mL; of healthy T1w 0.2 at most, 5.3 mL.
             Simulated, four stripped scans each, dB and Dice: T1w 30.1 and .67, 29.3 and .62; FLAIR 25.4 and
             .74, 25.2 and .71; T2w 26.7 and .52, 26.9 and .54
          2. 9,000 steps, seed 12, peak rate 1e-3, all draws of the world, 2 h. At step 5,100 healthy T1w had
             0.0 mL and old T1w 43 and 11 mL, the ventricle of the wider one (79 mL) in part. One head in
             twenty had ventricles above 75 mL then; from step 6,268 on one in five has (ageing.py). At the
             end: old T1w 12 and 11 mL, healthy T1w 0.01 at most
Tried     After World, not taken. Eight stripped scans each, dB in the brain and Dice; false anomaly of two
          old T1w; Dice of two old FLAIR; with the rule that ships.
          The weights that ship: T1w 24.8 and .79, T2w 22.3 and .28, FLAIR 20.2 and .55; 11, 7 mL; .71, .56
          1. Weights between those before World and those that ship (Wortsman et al. 2022, arXiv 2109.01903),
             told as they ship. A fifth of the way back: 25.1 and .81, 22.3 and .33, 20.2 and .56; 21, 10 mL;
             .57, .56. Two fifths: 25.4 and .84, 22.4 and .35, 20.1 and .56; 38, 24 mL; .37, .56; glioma1 T1w
             .62 to .55. What they gain they lose on old people
          2. 4,500 steps from the first of these, real T1w in 45 % of the samples, seed 14, peak rate 5e-4,
             decay of the mean .999, 1 h: 24.9 and .77, 22.1 and .31, 20.3 and .49; 17, 12 mL; .73, .58.
             Patients: from -.04 (T2w of glioma2) to +.03 (stroke2; T2w of ms1); FLAIR of glioma2 .79 to .81
Noticed   The pose matters: registering the scan itself to the atlas, from where the predicted anatomy left
          off, halved the error (README.md); reading the atlas in the true pose gave random modality with a
          skull 1 dB (8 samples) over a pose that is 2 mm off.
          Rate: 3e-3 was too high; within 100 steps of 1e-3 the brain term fell from 0.44 to 0.33.
          With plain ReLUs and no norm after stem and down-sampling, at 2.5e-3, 64 of 64 channels of one
          decoder level and 171 of 192 of the deepest encoder level were dead after 937 steps.
          Without the first guess (guess.py) T1w and T2w cores stayed at an L1 of 0.057 and 0.14 after 3,300
          steps (four samples each), where one quadratic function of the scan leaves 0.014 and 0.034: the
          network did not distinguish modalities. The guess alone has about 0.06 and 0.07.
          Most of the squared error is at the border of the brain: with the true mask in place of the
          predicted one, whole heads of stage 2 would gain 3.5 dB (T1w) and 1.5 dB (random modality).
          Earlier targets also had the tissue that a tight skull-stripping had removed from the input.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from torch import nn

from ....learn.schedule import LoopConfig
from ....space.box import Box
from ....synth.anatomy import Anatomy
from ....synth.average import atlas, average_anatomy
from ....synth.sampling import SamplingConfig
from ....weights.file import load_weights
from ....weights.store import resolve
from ...common import budget
from ...common.anatomy_recipe import AnatomyRecipe
from ...common.recipe import Batch, Recipe
from .fine_recipe import FINE as SECOND
from .loss import Weights, objective
from .model import SHIPPED_BOX, Una

PUBLIC = "una-compact"


@dataclass(frozen=True)
class UnaRecipe(AnatomyRecipe):
    """Recipe of the network `Una`.

    Parameters
    ----------
    weights : Weights
        Of the terms of the objective.
    plain : bool
        The published kind of network, see `Una`.
    told : bool
        The network is told the contrast of the scan, or that this is unknown.
    """

    method: ClassVar[str] = "una"

    weights: Weights = field(default_factory=Weights)
    plain: bool = False
    told: bool = False

    @property
    def public(self) -> tuple[str, ...]:
        """The averages that are kept with the network."""
        return (f"the average anatomy and the atlas of {PUBLIC}",)

    def build(self, anatomies: Sequence[Anatomy]) -> nn.Module:
        """Make the network, with the averages of `anatomies`; of a private training with those that ship.

        Parameters
        ----------
        anatomies : sequence of Anatomy
            Of the training.
        """
        if self.step.private:  # averages of a few people tell of each of them
            shipped, _ = load_weights(resolve(PUBLIC))
            average, aligned = shipped["average"][0], shipped["atlas"][0]
        else:
            average = torch.from_numpy(average_anatomy(anatomies, seed=self.seed))
            aligned = torch.from_numpy(atlas(anatomies))
        return Una(self.widths, average, aligned, self.box.spacing_mm, self.plain, self.told)

    def loss(self, model: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The objective of UNA with our terms, see `loss`.

        Parameters
        ----------
        model : Module
            As `build` made it.
        batch : dict of Tensor
            Of `synth.stream.Stream`.
        """
        return objective(model(batch["image"], batch["to_atlas"], batch["contrast"]), batch, self.weights)

    def show(self, model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        """Scan, truth, anatomy, anomaly and where it is.

        Parameters
        ----------
        model : Module
            As `build` made it.
        batch : dict of Tensor
            Of `synth.stream.Stream`.
        """
        output = model(batch["image"], batch["to_atlas"], batch["contrast"])
        return {
            "scan": batch["image"][:, :1],
            "healthy T1w": batch["t1w"],
            "predicted": output.t1w * output.brain.sigmoid(),
            "anomaly": output.anomaly.sigmoid(),
            "lesion": batch["lesion"],
        }

    def describe(self) -> dict[str, Any]:
        """As of any recipe, but `shape` is that of the box to predict in, which holds a whole head."""
        multiple = self.multiple
        head = (math.ceil(mm / self.box.spacing_mm / multiple) * multiple for mm in SHIPPED_BOX.size_mm)
        return {
            **super().describe(),
            "shape": tuple(max(pair) for pair in zip(self.box.shape, head, strict=True)),
            "plain": self.plain,
            "told": self.told,
            "mirror": self.sampling.mirror,
        }


COMPACT = UnaRecipe(
    "una-compact",
    weights=Weights(lambda_p=3.0, lambda_c=0.05, anomaly=1.0),
    sampling=SamplingConfig(real=0.35, healthy=0.2, draws="world"),
    told=True,
    **vars(budget.COMPACT),
)
# published: 64 maps that double on each of 5 levels, 160³ at 1 mm, batch 4; a rate of 1e-4 for 300,000 steps,
# then 1e-5 for 100,000; half synthetic, half real; about 14 days on one A100. Not run here
PUBLISHED = UnaRecipe(
    "una",
    widths=(64, 128, 256, 512, 1024),
    plain=True,
    box=Box((160, 160, 160), 1.0),
    batch_size=4,
    workers=8,
    flipped_too=False,
    loop=LoopConfig(steps=400_000, learning_rate=1e-4, warmup=0, schedule="step"),
)
# eight times the voxels of una-compact, for a GPU and subjects of 1 mm; not run here
FINE = replace(COMPACT, name="una-1mm", box=Box((160, 192, 160), 1.0), workers=4, flipped_too=False)
# with λc = 2, as published, the T1w overshoots in lesions (README.md)
SMALL = UnaRecipe("una-small", weights=Weights(lambda_c=0.05), **vars(budget.SMALL))
RECIPES: dict[str, Recipe] = {
    r.name: r
    for r in (
        COMPACT,
        PUBLISHED,
        FINE,
        SECOND,
        SMALL,
        replace(SMALL, name="una-small-no-fluid", sampling=SamplingConfig(fluid=False)),
        replace(SMALL, name="una-small-noise-only", sampling=SamplingConfig(bank=False)),
        replace(SMALL, name="una-small-no-mirror", sampling=SamplingConfig(mirror=False)),
        replace(SMALL, name="una-small-no-contrast", weights=Weights(lambda_c=0.0)),
        replace(SMALL, name="una-small-published", weights=Weights()),
    )
}
