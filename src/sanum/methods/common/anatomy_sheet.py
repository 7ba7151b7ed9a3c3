"""The sheet of an `AnatomyRecipe`: the same held-out subjects through the network, again and again."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import nn

from ...learn.loop import Draw
from ...learn.step import Batch
from ...report.sheet import contact_sheet
from ...space.box import Box
from ...synth.anatomy import Anatomy
from ...synth.contrast import Preset
from ...synth.sampling import SamplingConfig
from ...synth.stream import Stream, TrainingSet

ROWS: dict[str, Preset] = {"T1w": "t1w", "T2w": "t2w", "FLAIR": "flair", "CT": "ct"}  # a subject each
SEED = 7


def held_out_samples(
    anatomies: Sequence[Anatomy], masks: Sequence[Path], *, box: Box, mirror: bool
) -> dict[str, Batch]:
    """One sample of each modality, each tensor as of `Stream`, of another subject while there are some.

    Parameters
    ----------
    anatomies : sequence of Anatomy
        Of held-out subjects; one or more.
    masks : sequence of Path
        Held-out lesion masks; none: lesions start from noise.
    box : Box
        Of the samples.
    mirror : bool
        See `SamplingConfig`.
    """
    samples = {}
    for n, (name, preset) in enumerate(ROWS.items()):
        real = float(preset == "t1w")
        sampling = SamplingConfig(real=real, healthy=0.0, presets=(preset,), level="mild", mirror=mirror)
        source = TrainingSet([anatomies[n % len(anatomies)]], masks)
        stream = Stream(source, seed=SEED, lost=0, box=box.grid(), sampling=sampling)
        samples[name] = stream.item(n)
    return samples


def drawing(samples: Mapping[str, Batch], show: Callable[[nn.Module, Batch], Batch], *, name: str) -> Draw:
    """Function that draws the samples, each in the axial slice that shows most of its lesion.

    Parameters
    ----------
    samples : mapping of dict of tensor
        A sample for each row, by the row's title.
    show : function
        (model, batch) → images (B, 1, X, Y, Z) by title.
    name : str
        Of the recipe.
    """
    slices = [int(sample["lesion"].sum(dim=(0, 1, 2)).argmax()) for sample in samples.values()]
    title = f"{name}: held-out subjects, at most lesion; their right is on the left; white is 1.2"

    def draw(model: nn.Module) -> npt.NDArray[np.uint8]:
        device = next(model.parameters()).device
        rows = {}
        for row, sample in samples.items():
            images = show(model, {k: v[None].to(device) for k, v in sample.items()})
            rows[row] = {title: x[0, 0].float().cpu().numpy() for title, x in images.items()}
        return contact_sheet(rows, at=slices, title=title)

    return draw
