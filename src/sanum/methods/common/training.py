"""Train any recipe on a folder of data, on any number of devices, for any method and any kind of data."""

import json
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ...files import parse_json, whole_file
from ...learn.checkpoint import misfit
from ...learn.devices import DeviceConfig, open_devices, share, share_size
from ...learn.loop import Callbacks, Run, fit
from ...learn.overrides import flat, later
from ...learn.pace import TrainingProgress
from ...learn.schedule import LoopConfig
from ...learn.step import Batch
from ...learn.turns import Turn
from ...weights.file import WeightsError, load_weights, save_weights
from ...weights.store import resolve, write_digest
from .private import private_training, require_recipe
from .recipe import Recipe, TrainingSource

if TYPE_CHECKING:
    from lightning_fabric import Fabric

# of recipes in checkpoints from before there was a choice
ASSUMED: dict[str, Any] = {
    "loop.optimizer": "adamw",
    "loop.betas": (0.9, 0.99),
    "subjects.labels": "",
    "subjects.hold_out": "",
    "subjects.ignore_unknown": False,
}
ABOUT_DATA = "data.json"  # in the folder of a run


STOPPING = "stopping: the step that is computed now ends first, and a checkpoint is saved"


@dataclass(frozen=True)
class Start:
    """Where a training begins and ends.

    Parameters
    ----------
    resume : bool
        Go on from the checkpoint in its folder.
    weights : Path, optional
        Weights to begin with, a file or a name of `weights.store` (a new schedule, a new optimizer); buffers,
        such as an atlas, are those of the data. Of no use with `resume`.
    stop_after : int, optional
        Save and stop after this many steps.
    """

    resume: bool = False
    weights: Path | None = None
    stop_after: int | None = None


@dataclass(frozen=True)
class Reports:
    """What the caller hears of.

    Parameters
    ----------
    on_note : function, optional
        Gets a sentence on what was left out.
    on_prepare : function, optional
        Gets how many of how many subjects or files are prepared.
    on_step : function, optional
        Gets the progress after each step.
    """

    on_note: Callable[[str], None] | None = None
    on_prepare: Callable[[int, int], None] | None = None
    on_step: Callable[[TrainingProgress], None] | None = None


def train(
    recipe: Recipe,
    data: Path,
    folder: Path,
    *,
    start: Start | None = None,
    devices: DeviceConfig | None = None,
    reports: Reports | None = None,
) -> Path:
    """Train and write `<recipe>.safetensors` into `folder`, its SHA-256 beside it; returns its path.

    With several devices, Lightning Fabric starts the command again for each of the others.

    Parameters
    ----------
    recipe : Recipe
        Everything that decides the weights.
    data : Path
        Folder of data, as the recipe wants it.
    folder : Path
        Of the run; what takes long to prepare is kept beside it, in `cache`.
    start : Start, optional
        Default: from the beginning to the end.
    devices : DeviceConfig, optional
        Default: one CPU.
    reports : Reports, optional
        Default: silence.

    Raises
    ------
    ValueError
        Data that are missing; a batch that cannot be shared out; too little memory; weights to begin with
        that are not of this network; what `learn.loop.fit` says of a checkpoint.
    FileExistsError
        There are a checkpoint or weights already, and it was not asked to go on.
    """
    require_recipe(recipe)
    start, reports = start or Start(), reports or Reports()
    begin = None if start.weights is None or start.resume else load_weights(resolve(start.weights))[0]
    run = Run(
        folder,
        recipe=flat(recipe),
        assumed=_assumed(recipe),
        renamed=recipe.renamed,
        batch_size=recipe.batch_size,
        compiled=recipe.compile,
        resume=start.resume,
        stop_after=start.stop_after,
    )
    path = folder / f"{recipe.name}.safetensors"
    state = run.load()  # this and all checks before data are prepared: that takes minutes
    if not start.resume and path.exists():
        raise FileExistsError(f"{path} exists: choose another folder, or remove it")
    notes = recipe.check(data)
    fabric = open_devices(**vars(devices or DeviceConfig()))
    size = share_size(recipe.batch_size, recipe.loop.accumulate, fabric.world_size)
    fabric.launch()
    for note in notes if reports.on_note and fabric.is_global_zero else ():
        reports.on_note(note)  # type: ignore[misc]
    with fabric.rank_zero_first():
        source = recipe.prepare(data, folder.parent / "cache", reports.on_prepare)
    torch.manual_seed(recipe.seed)  # initial weights only; samples have generators of their own
    model = source.build()
    if begin is not None:
        start_at(model, begin, start.weights)
    source.require_memory(model, fabric, 1 if recipe.step.private else size)
    callbacks = _callbacks(source, reports, first=fabric.is_global_zero)
    about = source.describe()
    _keep(about, folder, first=fabric.is_global_zero, resume=start.resume)
    plan = _planned(recipe, source, model, fabric, state, reports)
    weights = fit(fabric, model, plan.turns, plan.batches, plan.loop, run, callbacks)
    if fabric.is_global_zero:
        weights = finished(source, model, weights)
        path.with_suffix(".sha256").unlink(missing_ok=True)  # of an earlier end, before a run went on
        about |= {**plan.spent(), "steps": plan.loop.steps}
        write_digest(path, save_weights(path, weights, **recipe.describe(), **about))
    return path


def _callbacks(source: TrainingSource, reports: Reports, *, first: bool) -> Callbacks:
    """What the loop calls: of the first process the sheet, too."""
    told = partial(reports.on_note, STOPPING) if first and reports.on_note else None
    callbacks = Callbacks(reports.on_step, source.draw() if first else None, told)
    if looks := source.looks():
        return replace(callbacks, look=looks.look, look_every=looks.every, kept=looks.kept)
    return callbacks


def _assumed(recipe: Recipe) -> dict[str, Any]:
    """What older checkpoints of a recipe had without saying so."""
    plain = flat(recipe)
    return {key: value for key, value in ASSUMED.items() if key in plain} | later(recipe)


@dataclass(frozen=True, eq=False)
class _Plan:
    """What the loop gets, and what the header says of privacy afterwards."""

    loop: LoopConfig
    turns: Sequence[Turn]
    batches: Callable[[int], Generator[Batch, None, None]]
    spent: Callable[[], dict[str, Any]] = dict


def _planned(
    recipe: Recipe,
    source: TrainingSource,
    model: nn.Module,
    fabric: "Fabric",
    state: dict[str, Any],
    reports: Reports,
) -> _Plan:
    """As the recipe says, or by private steps; the steps are those that the budget lasts for."""
    if not recipe.step.private:
        return _Plan(recipe.loop, recipe.turns(), _batches(source, recipe, fabric))
    private = private_training(recipe, source, model, fabric, state)
    if reports.on_note:
        reports.on_note(private.note)
    loop = replace(recipe.loop, steps=private.step.plan.steps)
    return _Plan(loop, [private.turn], private.batches, lambda: {"privacy": private.describe()})


def finished(
    source: TrainingSource, model: nn.Module, weights: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """State of a network with these weights, and with what it needs to know of all training data.

    Parameters
    ----------
    source : TrainingSource
        Of the training.
    model : Module
        Its network; has the weights afterwards, in evaluation mode.
    weights : dict of tensor
        State after the last step.
    """
    model.load_state_dict(weights)
    model.eval()
    with torch.no_grad():
        source.finish(model)
    return {name: x.detach().cpu().clone() for name, x in model.state_dict().items()}


def _keep(about: dict[str, Any], folder: Path, *, first: bool, resume: bool) -> None:
    """Write what is known of the data beside the checkpoint; ValueError if a run goes on with other data."""
    if not about:
        return
    kept = folder / ABOUT_DATA
    if resume and kept.is_file():
        then = parse_json(kept.read_bytes())
        if changed := [k for k in about if isinstance(then, dict) and k in then and then[k] != about[k]]:
            raise ValueError(
                f"{kept} says that the run began with another {', '.join(changed)}: give the same data and "
                "--hold-out, or choose another folder"
            )
    if first:
        with whole_file(kept) as partial:
            partial.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def _batches(
    source: TrainingSource, recipe: Recipe, fabric: "Fabric"
) -> Callable[[int], Generator[Batch, None, None]]:
    """Micro-batches of this process from a batch on, as `fit` wants them."""
    parts = recipe.loop.accumulate

    def batches(first: int) -> Generator[Batch, None, None]:
        return source.batches(
            share(
                number,
                batch=recipe.batch_size,
                part=part,
                parts=parts,
                rank=fabric.global_rank,
                world=fabric.world_size,
            )
            for number in count(first)
            for part in range(parts)
        )

    return batches


def start_at(model: nn.Module, state: dict[str, torch.Tensor], path: Path | None) -> None:
    """Give `model` learned weights; it keeps its own buffers, such as an atlas, but for those of batch norm.

    Parameters
    ----------
    model : Module
        With its initial weights.
    state : dict of tensor
        Weights by name.
    path : Path, optional
        Where they are from, for the sentence if they do not fit.
    """
    own = {
        f"{name}.{key}" if name else key: x
        for name, part in model.named_modules()
        if not isinstance(part, nn.modules.batchnorm._BatchNorm)
        for key, x in part.named_buffers(recurse=False)
    }
    state = {**state, **own}
    if difference := misfit(state, model.state_dict()):
        raise WeightsError(
            f"{path} does not fit the network: {difference}; choose other weights to start from"
        )
    model.load_state_dict(state)
