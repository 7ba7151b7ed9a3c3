"""Recipe `una-compact`: the model that ships.

Paper     UNA, CVPR 2025 (arXiv 2501.13370); departures in README.md
Command   sanum train una-compact --data ../shared/data -o runs/una-compact --compile
Data      56 IXI subjects, 89 stroke and 14 MS masks; the last 8 subjects and stroke-090…099 are held out
Hardware  two cores of an AMD EPYC with AVX512-BF16, shared with other work
Time      4.7 h: 30,500 steps at 0.5–0.7 s, in five runs, each from the weights of the one before (`--from`),
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
Reached   T1w as scanned, whole head (stripped): 29.24 (33.59) dB, SSIM 0.967 (0.989), Dice 0.729
          (0.728), error in the lesion 0.104 (0.095) of 0.322; random modality, mild: 24.96 (27.34) dB, 0.905
          (0.936), 0.530 (0.542); healthy scans 0.00 % anomalous (all of it in MODEL_CARD.md)
Noticed   The pose matters: registering the scan itself to the atlas, from where the predicted anatomy left
          off, halved the error (README.md); reading the atlas in the true pose gave random modality with a
          skull 1 dB (8 samples) over a pose that is 2 mm off.
          Rate: 3e-3 was too high; within 100 steps of 1e-3 the brain term fell from 0.44 to 0.33.
          With plain ReLUs and no norm after stem and down-sampling, at 2.5e-3, 64 of 64 channels of one
          decoder level and 171 of 192 of the deepest encoder level were dead after 937 steps.
          Without the first guess (guess.py) T1w and T2w cores stayed at an L1 of 0.057 and 0.14 after 3,300
          steps (four samples each), where one quadratic function of the scan leaves 0.014 and 0.034: the
          network did not tell modalities apart. The guess alone has about 0.06 and 0.07.
          Most of the squared error lies at the border of the brain: with the true mask in place of the
          predicted one, whole heads of stage 2 would gain 3.5 dB (T1w) and 1.5 dB (random modality).
          Earlier targets also held what a tight stripping had taken away from the input.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from ...learn.loop import LoopConfig, Progress, checkpoint_in, fit
from ...learn.weights import WeightsError, load_weights, save_weights
from ...synth.anatomy import Anatomy, ixi_pairs, prepare
from ...synth.average import atlas, average_anatomy
from ...synth.stream import Stream
from .loss import objective
from .model import Una

HELD_OUT_SUBJECTS = 8
HELD_OUT_MASKS = range(90, 100)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights."""

    widths: tuple[int, ...] = (32, 64, 128, 192)
    seed: int = 1
    workers: int = 1
    flipped_too: bool = True  # two cores: each sample serves twice, once flipped
    compile: bool = False  # torch.compile: needs a C++ compiler
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=30_000, warmup=200))


def split_subjects(data: Path) -> tuple[list[tuple[Path, Path]], list[tuple[Path, Path]]]:
    """Training and validation subjects: the last 8 in sorted order are never trained on."""
    pairs = ixi_pairs(data / "ixi")
    return pairs[:-HELD_OUT_SUBJECTS], pairs[-HELD_OUT_SUBJECTS:]


def split_masks(data: Path) -> tuple[list[Path], list[Path]]:
    """Training and validation lesion masks: stroke-090 to stroke-099 are never trained on."""
    masks = sorted((data / "lesions").glob("*_mask.nii.gz"))
    held = {f"stroke-{n:03d}_mask.nii.gz" for n in HELD_OUT_MASKS}
    return [m for m in masks if m.name not in held], [m for m in masks if m.name in held]


def train(
    data: Path,
    folder: Path,
    recipe: Recipe | None = None,
    *,
    resume: bool = False,
    start_from: Path | None = None,
    device: str = "cpu",
    on_prepare: Callable[[int, int], None] | None = None,
    on_step: Callable[[Progress], None] | None = None,
    stop_after: int | None = None,
) -> Path:
    """Train and write `una-compact.safetensors` into `folder`; returns its path.

    Parameters
    ----------
    start_from : Path, optional
        Weights to begin with (a new schedule, a new optimizer); the atlas is that of `data`.

    Raises
    ------
    ValueError
        Too few subjects; `start_from` is not weights of this network.
    """
    recipe = recipe or Recipe()
    begin = None if start_from is None or resume else load_weights(start_from)[0]
    checkpoint_in(folder, resume=resume)  # before the anatomies are prepared, which takes minutes
    pairs, bank = split_subjects(data)[0], split_masks(data)[0]
    if not pairs:
        raise ValueError(
            f"too few subjects under {data / 'ixi'}: the last {HELD_OUT_SUBJECTS} are held out, so at least "
            f"{HELD_OUT_SUBJECTS + 1} are needed"
        )
    bank = bank + 2 * [m for m in bank if m.name.startswith("ms-")]  # few masks, but small lesions matter
    anatomies: list[Anatomy] = []
    for n, pair in enumerate(pairs):
        anatomies.append(prepare(*pair, folder.parent / "cache"))
        if on_prepare:
            on_prepare(n + 1, len(pairs))
    average = torch.from_numpy(average_anatomy(anatomies, seed=recipe.seed))
    aligned = torch.from_numpy(atlas(anatomies))
    torch.manual_seed(recipe.seed)  # initial weights only; samples have generators of their own
    model = Una(recipe.widths, average, aligned).to(device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    if begin is not None:
        start_at(model, begin, start_from)
    if recipe.compile:
        model.net.compile()

    def batches(start: int) -> Iterator[dict[str, torch.Tensor]]:
        stream = Stream(anatomies, bank, seed=recipe.seed, start=start, flipped_too=recipe.flipped_too)
        items = stream.made_by(recipe.workers) if recipe.workers else iter(stream)
        try:
            for item in items:
                yield {name: x[None] for name, x in item.items()}
        finally:
            items.close()

    def step(net: nn.Module, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, float]]:
        batch = {k: v.to(device) for k, v in batch.items()}
        with torch.autocast(torch.device(device).type, torch.bfloat16):
            prediction = net(batch["image"], batch["to_atlas"])
        return objective(prediction, batch)

    weights = fit(
        model, batches, step, recipe.loop, folder, resume=resume, on_step=on_step, stop_after=stop_after
    )
    path = folder / "una-compact.safetensors"
    save_weights(path, weights, method="una", widths=recipe.widths, steps=recipe.loop.steps)
    return path


def start_at(model: Una, state: dict[str, torch.Tensor], path: Path | None) -> None:
    """Give `model` the learned weights of `state`; it keeps its own atlas."""
    own = dict(model.named_buffers())
    try:
        model.load_state_dict({**state, **own})
    except RuntimeError as error:
        raise WeightsError(
            f"{path} does not fit the network una-compact ({str(error).splitlines()[-1].strip()}): "
            "choose other weights to start from"
        ) from error
