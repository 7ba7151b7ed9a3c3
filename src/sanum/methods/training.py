"""Train any recipe on a folder of data."""

from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import nn

from ..learn.loop import Progress, checkpoint_in, fit
from ..learn.weights import WeightsError, load_weights, save_weights
from ..space.grid import box_around
from ..synth.anatomy import Anatomy, prepare
from ..synth.stream import Stream
from .recipe import Batch, Recipe
from .split import HELD_OUT_SUBJECTS, split_masks, split_subjects


def train(
    recipe: Recipe,
    data: Path,
    folder: Path,
    *,
    resume: bool = False,
    start_from: Path | None = None,
    device: str = "cpu",
    on_prepare: Callable[[int, int], None] | None = None,
    on_step: Callable[[Progress], None] | None = None,
    stop_after: int | None = None,
) -> Path:
    """Train and write `<recipe>.safetensors` into `folder`; returns its path.

    Parameters
    ----------
    start_from : Path, optional
        Weights to begin with (a new schedule, a new optimizer); the atlas is that of `data`.

    Raises
    ------
    ValueError
        Too few subjects; `start_from` is not weights of this network.
    """
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
    torch.manual_seed(recipe.seed)  # initial weights only; samples have generators of their own
    model = recipe.build(anatomies).to(device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    if begin is not None:
        start_at(model, begin, start_from)

    def batches(start: int) -> Iterator[Batch]:
        box = box_around((0, 0, 0), recipe.shape, recipe.spacing_mm)
        stream = Stream(
            anatomies, bank, seed=recipe.seed, start=start, flipped_too=recipe.flipped_too, box=box,
            mix=recipe.mix,
        )  # fmt: skip
        items = stream.made_by(recipe.workers) if recipe.workers else iter(stream)
        try:
            for item in items:
                yield {name: x[None] for name, x in item.items()}
        finally:
            items.close()

    def step(net: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
        batch = {k: v.to(device) for k, v in batch.items()}
        with torch.autocast(torch.device(device).type, torch.bfloat16):
            loss, terms = recipe.loss(net, batch)
        return loss, {name: t.item() for name, t in terms.items()}

    weights = fit(
        model, batches, step, recipe.loop, folder, resume=resume, on_step=on_step, stop_after=stop_after
    )
    path = folder / f"{recipe.name}.safetensors"
    save_weights(path, weights, **recipe.describe(), steps=recipe.loop.steps)
    return path


def start_at(model: nn.Module, state: dict[str, torch.Tensor], path: Path | None) -> None:
    """Give `model` the learned weights of `state`; it keeps its own buffers, such as an atlas."""
    own = dict(model.named_buffers())
    try:
        model.load_state_dict({**state, **own})
    except RuntimeError as error:
        raise WeightsError(
            f"{path} does not fit the network ({str(error).splitlines()[-1].strip()}): "
            "choose other weights to start from"
        ) from error
