"""One straight training loop on any number of devices, for one optimizer or several in turns.

    batches → each turn: gradient, checked, then its optimizer's step → running mean (EMA) → log, checkpoint

A run that is stopped, or killed at any moment, goes on where its last checkpoint was.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from .average import Average
from .checkpoint import FORMAT, checkpoint_in, load_checkpoint, misfit, remove_partials, save_checkpoint
from .interruption import Interruption
from .logs import Logs
from .pace import Pace, TrainingProgress
from .schedule import LoopConfig
from .snapshot import Snapshot
from .step import Batch
from .turns import RunningTurn, Turn, batches_before, batches_per_step, set_up

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Batches = Callable[[int], Generator[Batch, None, None]]
Draw = Callable[[nn.Module], npt.NDArray[np.uint8]]


@dataclass(frozen=True)
class Run:
    """Where a run leaves its files, and how it goes on.

    Parameters
    ----------
    folder : Path
        Gets `checkpoint.pt`, `log.csv`, `tensorboard/` and `sheets/`, from the first process.
    recipe : mapping
        Plain values by name; a run is resumed only by the same.
    assumed : mapping
        What `recipe` of a checkpoint made before a key was there had in its place.
    renamed : mapping
        Key of today by the key that older checkpoints have.
    batch_size : int
        Samples of a batch, over all processes; for the speed alone.
    compiled : bool
        Run the network through torch.compile.
    resume : bool
        Go on from the checkpoint; without it, an existing checkpoint is an error.
    stop_after : int, optional
        Save and stop after this many steps of this call.
    go_on : str
        How the caller resumes, for the sentence of a run that stops.
    """

    folder: Path
    recipe: Mapping[str, Any] = field(default_factory=dict)
    assumed: Mapping[str, Any] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    batch_size: int = 1
    compiled: bool = False
    resume: bool = False
    stop_after: int | None = None
    go_on: str = "go on with --resume"

    def load(self) -> dict[str, Any]:
        """State of the checkpoint, or that of a new run; raises as `fit` does."""
        checkpoint = checkpoint_in(self.folder, resume=self.resume)
        if not self.resume:
            return {"step": 0, "logs": {}}
        return load_checkpoint(checkpoint, self.recipe, assumed=self.assumed, renamed=self.renamed)


class Kept(Protocol):
    """What a caller keeps of a training, such as its best state: the checkpoint has it too."""

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`.

        Parameters
        ----------
        state : dict
            As `state_dict` returned it.
        """


@dataclass(frozen=True)
class Callbacks:
    """What the first process calls.

    Parameters
    ----------
    on_step : function, optional
        After each step.
    draw : function, optional
        Makes the sheet of validation images, (height, width, 3) uint8, from the network, which then has the
        averaged weights.
    on_interrupt : function, optional
        At the first signal that asks the training to stop, while its step goes on.
    look : function, optional
        Gets the network, with the averaged weights and in evaluation mode, and the number of steps done: to
        measure it on validation and keep the best.
    look_every : int
        Steps between two looks; the last step is always looked at.
    kept : Kept, optional
        What `look` keeps.
    """

    on_step: Callable[[TrainingProgress], None] | None = None
    draw: Draw | None = None
    on_interrupt: Callable[[], None] | None = None
    look: Callable[[nn.Module, int], None] | None = None
    look_every: int = 1
    kept: Kept | None = None


class TrainingStopped(RuntimeError):
    """The loop stopped before its last step; the checkpoint is saved."""


class StepWentWrong(TrainingStopped):
    """The loop stopped at a step that gave no number, or leapt; the checkpoint is of the state before it."""


def fit(
    fabric: "Fabric",
    model: nn.Module,
    turns: Sequence[Turn],
    batches: Batches,
    config: LoopConfig,
    run: Run,
    callbacks: Callbacks | None = None,
) -> dict[str, torch.Tensor]:
    """Train `model`; returns the averaged (EMA) weights. Every process of a launched `fabric` calls it.

    Parameters
    ----------
    fabric : Fabric
        Launched; see `learn.devices`.
    model : Module
        Trained in place.
    turns : sequence of Turn
        In each step every turn moves its weights, in the order given. Most networks have one: `[Turn(loss)]`.
    batches : function
        Micro-batches of this process from batch n on, `config.accumulate` a batch, without end: a resumed run
        goes on where it stopped. A step takes one batch, or as many as the turn with the most repeats.
    config : LoopConfig
        How long and how fast.
    run : Run
        Folder, recipe, resume.
    callbacks : Callbacks, optional
        Progress and pictures.

    Raises
    ------
    TrainingStopped
        On SIGTERM or SIGINT, or `stop_after`.
    StepWentWrong
        See `watch`. The step is not taken: the state is that before it, buffers such as those of batch norm
        included.
    FileExistsError, FileNotFoundError
        When `resume` does not fit what is in the folder.
    ValueError
        The checkpoint is damaged, of another recipe, of other turns or of another network.
    """
    state = run.load()
    if run.resume and (difference := misfit(state["model"], model.state_dict())):
        raise ValueError(
            f"{run.folder / 'checkpoint.pt'} is of another network: {difference}; choose another folder"
        )
    told = callbacks or Callbacks()
    loop = _Loop(fabric, model, turns, config, run, told.kept)
    if run.resume:
        loop.load_state_dict(state)
    if fabric.is_global_zero:
        run.folder.mkdir(parents=True, exist_ok=True)
        remove_partials(run.folder)
        loop.logs = Logs(run.folder, state["logs"])
    start = state["step"]
    model.train()
    with (
        Interruption(told.on_interrupt) as interrupted,
        closing(batches(batches_before(turns, start))) as source,
        closing(loop.logs) if loop.logs else nullcontext(),
        loop,
    ):
        for step in range(start, config.steps):
            due = run.stop_after is not None and step + 1 - start >= run.stop_after
            values, stopping = loop.take(step, source, partial(_either, due, interrupted))
            loop.report(step + 1, values, told, last=stopping)
            if stopping and step + 1 < config.steps:
                raise TrainingStopped(f"stopped after step {step + 1} of {config.steps}; {run.go_on}")
    return loop.average.state


def _either(due: bool, interrupted: Event) -> bool:
    return due or interrupted.is_set()


class _Loop:
    """A training under way; as a context, it lets all weights have gradients again at its end."""

    def __init__(
        self,
        fabric: "Fabric",
        model: nn.Module,
        turns: Sequence[Turn],
        config: LoopConfig,
        run: Run,
        kept: Kept | None,
    ) -> None:
        self.fabric, self.model, self.config, self.run, self.kept = fabric, model, config, run, kept
        called: Any = torch.compile(model) if run.compiled else model
        self.turns = set_up(turns, fabric, model, called, config)
        self.average = Average(model)
        self.before = Snapshot(fabric, model)
        self.pace = Pace()
        self.logs: Logs | None = None
        self._rates: dict[str, float] = {}

    def __enter__(self) -> "_Loop":
        return self

    def __exit__(self, *_: object) -> None:
        for turn in self.turns:
            turn.unfreeze()

    def take(
        self, step: int, source: Iterator[Batch], stop: Callable[[], bool]
    ) -> tuple[dict[str, float], bool]:
        """Make one step; returns what to log, and whether any process has to stop."""
        active, batches = self._active(step), self._batches(step)
        self.before.take(active)
        values: dict[str, float] = {}
        rates: dict[str, float] = {}
        stopping = False
        for batch in range(batches):
            parts: Any = self.pace.timed(source, self.config.accumulate)
            taking = [t for t in active if batch >= batches - t.turn.repeats]
            if len(taking) > 1:
                parts = list(parts)
            for turn in taking:
                losses, norm, stopping = self._update(step, turn, parts, stop)
                values |= losses
                rates |= {f"{turn.prefix}rate": turn.rate(step), f"{turn.prefix}gradient_norm": norm}
        self.average.update(self.model, min(self.config.ema, (1 + step) / (10 + step)))
        self.pace.lap()
        self._rates = rates
        return values, stopping

    def _active(self, step: int) -> list[RunningTurn]:
        return [turn for turn in self.turns if turn.turn.takes_part(step)]

    def _batches(self, step: int) -> int:
        return batches_per_step([turn.turn for turn in self.turns], step)

    def _update(
        self, step: int, turn: RunningTurn, parts: Any, stop: Callable[[], bool]
    ) -> tuple[dict[str, float], float, bool]:
        terms, norm = turn.gradient(step, parts)
        own = torch.stack(list(terms.values()))
        means = self.fabric.strategy.all_reduce(torch.cat([own, own.new_tensor([stop()])]), reduce_op="mean")
        *losses, stopping = means.tolist()  # all stop if one does
        if trouble := turn.trouble(losses[0], norm):
            self.before.restore()
            self.save(step)
            raise StepWentWrong(
                f"step {step + 1} went wrong: {trouble}; the state before it is saved in "
                f"{self.run.folder / 'checkpoint.pt'}, {self.run.go_on}, with a lower loop.learning_rate "
                "or loop.clip if it goes wrong again"
            )
        turn.turn.step.update(turn.work)
        names = [turn.prefix + name for name in terms]
        return dict(zip(names, losses, strict=True)), norm, bool(stopping)

    def report(self, done: int, values: dict[str, float], callbacks: Callbacks, *, last: bool) -> None:
        """Log step number `done`, counted from 1; save and draw when it is time."""
        config, seconds = self.config, self.pace.seconds_per_step
        speed = self.run.batch_size * self._batches(done - 1) / seconds
        now = TrainingProgress(done, config.steps, values, seconds, speed, self.pace.waiting)
        if self.logs:
            speeds = {"samples_per_s": now.samples_per_second, "waiting": now.waiting}
            active = self._active(done - 1)
            phase = "" if len(active) == len(self.turns) else "-".join(turn.turn.name for turn in active)
            self.logs.row(done, {**values, **self._rates, **speeds}, phase)
        if callbacks.on_step and self.fabric.is_global_zero:
            callbacks.on_step(now)
        if callbacks.look and (done % callbacks.look_every == 0 or done == config.steps):
            with self.fabric.autocast(), torch.no_grad(), self.average.in_place_of(self.model):
                callbacks.look(self.model, done)
        if done % config.save_every == 0 or done == config.steps or last:
            self.save(done)
        due = config.sheet_every and (done % config.sheet_every == 0 or done == config.steps)
        if self.logs and callbacks.draw and due:
            with self.fabric.autocast(), torch.no_grad(), self.average.in_place_of(self.model):
                self.logs.sheet(done, callbacks.draw(self.model))

    def save(self, step: int) -> None:
        """Write the checkpoint after `step` steps; every process calls it."""
        if self.logs:
            state = {
                "format": FORMAT,
                "step": step,
                "model": self.model.state_dict(),
                "average": self.average.state,
                "turns": {turn.turn.name: turn.state_dict() for turn in self.turns},
                "scaler": self.fabric.strategy.precision.state_dict(),
                "logs": self.logs.marks(),
                "kept": self.kept.state_dict() if self.kept else {},
                "recipe": dict(self.run.recipe),
            }
            save_checkpoint(self.run.folder / "checkpoint.pt", state)
        self.fabric.barrier()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `save` wrote."""
        names = [turn.turn.name for turn in self.turns]
        if list(state["turns"]) != names:
            raise ValueError(
                f"{self.run.folder / 'checkpoint.pt'} is of other turns: they were "
                f"{', '.join(state['turns'])} and are now {', '.join(names)}; choose another folder"
            )
        self.model.load_state_dict(state["model"])
        self.average.load(state["average"])
        for turn in self.turns:
            turn.load_state_dict(state["turns"][turn.turn.name])
        self.fabric.strategy.precision.load_state_dict(state["scaler"])
        if self.kept and state.get("kept"):
            self.kept.load_state_dict(state["kept"])
