"""Train any recipe on a folder of data, on any number of devices."""

import os
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, count, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ...data.split import require_data, split_masks, split_subjects
from ...learn import memory
from ...learn.checkpoint import checkpoint_in, load_checkpoint, misfit
from ...learn.devices import Precision, open_devices, share, share_size
from ...learn.loop import Callbacks, Run, fit
from ...learn.overrides import flat
from ...learn.pace import TrainingProgress
from ...learn.turns import Turn
from ...report.sheet import contact_sheet
from ...synth.anatomy import Anatomy, prepare
from ...synth.contrast import Preset
from ...synth.patient import Patient, patients_in
from ...synth.sampling import SamplingConfig
from ...synth.stream import SampleTensors, Stream, TrainingSet
from ...weights.file import WeightsError, load_weights, save_weights
from ...weights.store import resolve, write_digest
from .recipe import Batch, Recipe

if TYPE_CHECKING:
    from lightning_fabric import Fabric

SHEET: dict[str, Preset] = {"T1w": "t1w", "T2w": "t2w", "FLAIR": "flair", "CT": "ct"}  # a subject each
SHEET_SEED = 7
LEAST_EDGE = 16  # voxels; networks blur over some
WORKER_BYTES = 700_000_000  # of a process that makes samples (docs/generator.md)


def train(
    recipe: Recipe,
    data: Path,
    folder: Path,
    *,
    resume: bool = False,
    start_from: Path | None = None,
    device: str = "cpu",
    devices: int | None = None,
    precision: Precision = "auto",
    on_note: Callable[[str], None] | None = None,
    on_prepare: Callable[[int, int], None] | None = None,
    on_step: Callable[[TrainingProgress], None] | None = None,
    stop_after: int | None = None,
) -> Path:
    """Train and write `<recipe>.safetensors` into `folder`, its SHA-256 beside it; returns its path.

    With `devices` > 1, Lightning Fabric starts the command again for each of the others.

    Parameters
    ----------
    start_from : Path, optional
        Weights to begin with, a file or a name of `learn.store` (a new schedule, a new optimizer); the atlas
        is that of `data`.
    device, devices, precision
        Of `learn.devices.open_devices`.
    on_note : function, optional
        Told in one sentence what was left out.

    Raises
    ------
    ValueError
        Data that are missing; a batch that cannot be shared out; too little memory; `start_from` is not
        weights of this network; what `learn.loop.fit` says of a checkpoint.
    FileExistsError
        There are a checkpoint or weights already, and `resume` was not asked for.
    """
    begin = None if start_from is None or resume else load_weights(resolve(start_from))[0]
    path = folder / f"{recipe.name}.safetensors"
    checkpoint = checkpoint_in(folder, resume=resume)  # all this before anatomies are prepared: minutes
    if resume:
        load_checkpoint(checkpoint, flat(recipe))
    elif path.exists():
        raise FileExistsError(f"{path} exists: choose another folder, or remove it")
    skipped = require_data(data, masks=recipe.sampling.bank)
    fabric = open_devices(device, devices, precision)
    parts = recipe.loop.accumulate
    size = share_size(recipe.batch_size, parts, fabric.world_size)
    fabric.launch()
    if skipped and on_note and fabric.is_global_zero:
        on_note(f"{len(skipped)} subjects without labels are left out: {', '.join(skipped)}")

    pairs, bank = split_subjects(data)[0], split_masks(data)[0]
    bank = bank + 2 * [m for m in bank if m.name.startswith("ms-")]  # few masks, but small lesions matter
    anatomies: list[Anatomy] = []
    with fabric.rank_zero_first():
        for n, pair in enumerate(pairs):
            anatomies.append(prepare(*pair, folder.parent / "cache"))
            if on_prepare:
                on_prepare(n + 1, len(pairs))
    patients = patients_of(recipe, data)
    torch.manual_seed(recipe.seed)  # initial weights only; samples have generators of their own
    model = recipe.build(anatomies).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    if begin is not None:
        start_at(model, begin, start_from)
    require_memory(recipe, model, anatomies, samples=size, fabric=fabric)

    def batches(start: int) -> Generator[Batch, None, None]:
        mine = partial(
            share, batch=recipe.batch_size, parts=parts, rank=fabric.global_rank, world=fabric.world_size
        )
        shares = (mine(step, part=part) for step in count(start) for part in range(parts))
        stream = Stream(
            TrainingSet(anatomies, bank, patients),
            seed=recipe.seed,
            flipped_too=recipe.flipped_too,
            box=recipe.box.grid(),
            sampling=recipe.sampling,
        )
        items = stream.prefetched(recipe.workers, chain.from_iterable(shares))
        try:
            while True:
                samples = list(islice(items, size))
                yield {name: torch.stack([s[name] for s in samples]) for name in samples[0]}
        finally:
            items.close()

    run = Run(
        folder,
        recipe=flat(recipe),
        batch_size=recipe.batch_size,
        compiled=recipe.compile,
        resume=resume,
        stop_after=stop_after,
    )
    draw = drawing(recipe, data, folder.parent / "cache") if fabric.is_global_zero else None
    weights = fit(fabric, model, [Turn(recipe.loss)], batches, recipe.loop, run, Callbacks(on_step, draw))
    if fabric.is_global_zero:
        path.with_suffix(".sha256").unlink(missing_ok=True)  # of an earlier end, before a run went on
        write_digest(path, save_weights(path, weights, **recipe.describe(), steps=recipe.loop.steps))
    return path


def patients_of(recipe: Recipe, data: Path) -> list[Patient]:
    """Patients under `data` that the sampling asks for; ValueError if it asks and there are none."""
    if recipe.sampling.patients == 0:
        return []
    root = data / "patients"
    found = patients_in(root, leave_out=recipe.sampling.leave_out, spacing_mm=recipe.spacing_mm)
    if not found:
        raise ValueError(
            f"no patient under {root} has a stripped T1w and a lesion mask, or all are left out: "
            "set sampling.patients=0"
        )
    return found


def start_at(model: nn.Module, state: dict[str, torch.Tensor], path: Path | None) -> None:
    """Give `model` the learned weights of `state`; it keeps its own buffers, such as an atlas."""
    state = {**state, **dict(model.named_buffers())}
    if difference := misfit(state, model.state_dict()):
        raise WeightsError(
            f"{path} does not fit the network: {difference}; choose other weights to start from"
        )
    model.load_state_dict(state)


def require_memory(
    recipe: Recipe, model: nn.Module, anatomies: Sequence[Anatomy], *, samples: int, fabric: "Fabric"
) -> None:
    """Raise ValueError, with a box that fits, if a step of `samples` at a time needs more than is free."""
    free = memory.available(fabric.device)
    if free is None:
        return
    here = int(os.environ.get("LOCAL_WORLD_SIZE", fabric.world_size)) if fabric.device.type == "cpu" else 1
    free = free // here - (recipe.workers * WORKER_BYTES if fabric.device.type == "cpu" else 0)
    multiple = 2 ** len(recipe.widths)
    edge = max(multiple, LEAST_EDGE)
    item = Stream(
        TrainingSet(anatomies[:1]),
        seed=recipe.seed,
        box=replace(recipe, shape=(2 * edge,) * 3).box.grid(),
        sampling=recipe.sampling,
    ).item(0)
    large = {name: x[None] for name, x in item.items()}
    small = {k: x[..., :edge, :edge, :edge] if x.ndim == 5 else x for k, x in large.items()}
    half = fabric.strategy.precision.precision != "32-true"
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        kept = [memory.kept_by_autograd(model, partial(recipe.loss, model, b)) for b in (small, large)]
    per_voxel = (kept[1] - kept[0]) / (7 * edge**3)
    parameters = sum(p.numel() for p in model.parameters())

    def needed(shape: Sequence[int]) -> int:
        return memory.need(parameters, per_voxel, shape, samples)

    if needed(recipe.shape) <= free:
        return
    fits = memory.largest_shape(recipe.shape, multiple, lambda shape: needed(shape) <= free)
    instead = "choose narrower widths"
    if fits:
        instead = f"--set shape={','.join(map(str, fits))} needs {needed(fits) / 1e9:.1f} GB"
    raise ValueError(
        f"a training step needs {needed(recipe.shape) / 1e9:.1f} GB, but {max(free, 0) / 1e9:.1f} GB "
        f"are free on {fabric.device}: {instead}"
    )


def drawing(recipe: Recipe, data: Path, cache: Path) -> Callable[[nn.Module], npt.NDArray[np.uint8]] | None:
    """Function that draws the sheet of validation samples, always the same; None if none is wanted."""
    if not recipe.loop.sheet_every:
        return None
    pairs, masks = split_subjects(data)[1], split_masks(data)[1]
    items: dict[str, SampleTensors] = {}
    for n, (name, preset) in enumerate(SHEET.items()):
        real, mirror = float(preset == "t1w"), recipe.sampling.mirror
        sampling = SamplingConfig(real=real, healthy=0.0, presets=(preset,), level="mild", mirror=mirror)
        anatomy = prepare(*pairs[n], cache)
        items[name] = Stream(
            TrainingSet([anatomy], masks), seed=SHEET_SEED, lost=0, box=recipe.box.grid(), sampling=sampling
        ).item(n)

    def draw(model: nn.Module) -> npt.NDArray[np.uint8]:
        device = next(model.parameters()).device
        rows = {}
        for name, item in items.items():
            shown = recipe.show(model, {k: v[None].to(device) for k, v in item.items()})
            rows[name] = {title: x[0, 0].float().cpu().numpy() for title, x in shown.items()}
        most = [int(item["lesion"].sum(dim=(0, 1, 2)).argmax()) for item in items.values()]
        title = f"{recipe.name}: held-out subjects, at most lesion; their right is on the left; white is 1.2"
        return contact_sheet(rows, at=most, title=title)

    return draw
