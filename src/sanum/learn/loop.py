"""One straight training loop on any number of devices: AdamW, EMA, checkpoints that survive a kill."""

import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from .checkpoint import checkpoint_in, load_checkpoint, misfit, remove_partials, save_checkpoint
from .logs import Logs
from .schedule import LoopConfig, rate_at
from .watch import Watch

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Batch = dict[str, torch.Tensor]
Loss = Callable[[nn.Module, Batch], tuple[torch.Tensor, dict[str, torch.Tensor]]]
Draw = Callable[[nn.Module], npt.NDArray[np.uint8]]
PACE_STEPS = 50  # that speed is told of


@dataclass(frozen=True)
class Progress:
    """What a caller may show after a step; speed and `waiting`, a share of time, are of the last 50."""

    step: int
    steps: int
    values: dict[str, float]
    seconds_per_step: float
    samples_per_second: float
    waiting: float

    @property
    def seconds_left(self) -> float:
        """Estimate of the time left."""
        return (self.steps - self.step) * self.seconds_per_step


class TrainingStopped(RuntimeError):
    """The loop stopped before its last step; the checkpoint is saved."""


def fit(
    fabric: "Fabric",
    model: nn.Module,
    loss: Loss,
    batches: Callable[[int], Generator[Batch, None, None]],
    config: LoopConfig,
    folder: Path,
    *,
    batch_size: int = 1,
    recipe: Mapping[str, Any] | None = None,
    compiled: bool = False,
    resume: bool = False,
    on_step: Callable[[Progress], None] | None = None,
    draw: Draw | None = None,
    stop_after: int | None = None,
) -> dict[str, torch.Tensor]:
    """Train `model`; returns the averaged (EMA) weights. Every process of a launched `fabric` calls it.

    Parameters
    ----------
    loss : function
        Mean over the samples of a batch, and what it consists of, detached.
    batches : function
        Micro-batches of this process from step n on, `config.accumulate` a step, without end: a resumed run
        goes on where it stopped.
    folder : Path
        Gets `checkpoint.pt`, `log.csv`, `tensorboard/` and `sheets/`, from the first process.
    batch_size : int
        Samples of a step, over all processes; told as speed.
    recipe : dict, optional
        Plain values by name; a run is resumed only by the same.
    compiled : bool
        Run the network through torch.compile.
    resume : bool
        Go on from the checkpoint; without it, an existing checkpoint is an error.
    draw : function, optional
        Makes the sheet of validation images from the network, which then has the averaged weights.
    stop_after : int, optional
        Save and stop after this many steps of this call.

    Raises
    ------
    TrainingStopped
        On SIGTERM or SIGINT, `stop_after`, or a step gone wrong (`watch`), which is not taken: the state is
        that before it, but for what a forward pass itself changes (batch norm, which no method here has).
    FileExistsError, FileNotFoundError
        When `resume` does not fit what is in the folder.
    ValueError
        The checkpoint is damaged, of another recipe or of another network.
    """
    checkpoint, first = checkpoint_in(folder, resume=resume), fabric.is_global_zero
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, betas=(0.9, 0.99), weight_decay=config.weight_decay
    )
    new: dict[str, Any] = {"step": 0, "recent": (), "logs": {}}
    state = load_checkpoint(checkpoint, recipe or {}) if resume else new
    scaler = getattr(fabric.strategy.precision, "scaler", None)
    start, watch = state["step"], Watch(state["recent"], scaled=scaler is not None)
    if resume and (difference := misfit(state["model"], model.state_dict())):
        raise ValueError(f"{checkpoint} is of another network: {difference}; choose another folder")
    asked: Any = torch.compile(model) if compiled else model
    objective, stepper = fabric.setup(_Objective(asked, loss), optimizer)
    average = {k: v.detach().clone() for k, v in model.state_dict().items()}
    if resume:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        fabric.strategy.precision.load_state_dict(state["scaler"])
        for name, value in state["average"].items():
            average[name].copy_(value)
    logs = None
    if first:
        folder.mkdir(parents=True, exist_ok=True)
        remove_partials(folder)
        logs = Logs(folder, state["logs"])

    def save(step: int) -> None:
        if logs:
            now = {
                "step": step,
                "model": model.state_dict(),
                "average": average,
                "optimizer": optimizer.state_dict(),
                "scaler": fabric.strategy.precision.state_dict(),
                "recent": list(watch.recent),
                "logs": logs.marks(),
                "recipe": dict(recipe or {}),
            }
            save_checkpoint(checkpoint, now)
        fabric.barrier()

    pace = _Pace()
    model.train()
    with (
        _Interruption() as interrupted,
        closing(batches(start)) as source,
        closing(logs) if logs else nullcontext(),
    ):
        for step in range(start, config.steps):
            for group in optimizer.param_groups:
                group["lr"] = rate_at(step, config)
            stepper.zero_grad(set_to_none=True)
            parts = []
            for part in range(config.accumulate):
                batch = fabric.to_device(pace.wait_for(source))
                with fabric.no_backward_sync(objective, enabled=part + 1 < config.accumulate):
                    value, terms = objective(batch)
                    fabric.backward(value / config.accumulate)
                parts.append(torch.stack([value.detach(), *terms.values()]).float())
            done = step + 1
            stopping = interrupted.is_set() or (stop_after is not None and done - start >= stop_after)
            told = torch.cat([torch.stack(parts).mean(0), parts[0].new_tensor([stopping])])
            told = fabric.strategy.all_reduce(told, reduce_op="mean")
            *means, stopping = told.tolist()  # all stop if one does
            values = dict(zip(["loss", *terms], means, strict=True))
            norm: Any = fabric.clip_gradients(
                objective, stepper, max_norm=config.clip, error_if_nonfinite=False
            )
            norm = norm.item()
            if trouble := watch.trouble(values["loss"], norm):
                save(step)
                raise TrainingStopped(
                    f"step {done} went wrong: {trouble}; the state before it is saved in {checkpoint}, go on "
                    "with --resume, with a lower loop.learning_rate or loop.clip if it goes wrong again"
                )
            stepper.step()
            _average(average, model, min(config.ema, (1 + step) / (10 + step)))
            pace.lap()
            seconds = pace.seconds_per_step
            now = Progress(done, config.steps, values, seconds, batch_size / seconds, pace.waiting)
            if logs:
                speed = {"samples_per_s": now.samples_per_second, "waiting": now.waiting}
                logs.row(done, {**values, "rate": rate_at(step, config), "gradient_norm": norm, **speed})
            if on_step and first:
                on_step(now)
            if done % config.save_every == 0 or done == config.steps or stopping:
                save(done)
            due = config.sheet_every and (done % config.sheet_every == 0 or done == config.steps)
            if logs and draw and due:
                with fabric.autocast():
                    logs.sheet(done, _drawn(draw, model, average))
            if stopping and done < config.steps:
                raise TrainingStopped(f"stopped after step {done} of {config.steps}; go on with --resume")
    return average


class _Objective(nn.Module):
    """Network and loss as one module: its gradients are shared once, however often the network is asked."""

    def __init__(self, model: nn.Module, loss: Loss) -> None:
        super().__init__()
        self.model, self.loss = model, loss

    def forward(self, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        return self.loss(self.model, batch)


@torch.no_grad()
def _average(average: dict[str, torch.Tensor], model: nn.Module, decay: float) -> None:
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            average[name].lerp_(value, 1 - decay)
        else:
            average[name].copy_(value)


@torch.no_grad()
def _drawn(draw: Draw, model: nn.Module, average: dict[str, torch.Tensor]) -> npt.NDArray[np.uint8]:
    """Draw with the averaged weights; the model's own come back to the last bit."""
    own = {k: v.clone() for k, v in model.state_dict().items()}
    model.load_state_dict(average)
    model.eval()
    try:
        return draw(model)
    finally:
        model.load_state_dict(own)
        model.train()


@dataclass
class _Pace:
    """How long the last steps took, and how much of that was waiting for data."""

    laps: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=PACE_STEPS))
    began: float = field(default_factory=time.monotonic)
    waited: float = 0.0

    def wait_for(self, source: Iterator[Batch]) -> Batch:
        began = time.monotonic()
        batch = next(source)
        self.waited += time.monotonic() - began
        return batch

    def lap(self) -> None:
        now = time.monotonic()
        self.laps.append((now - self.began, self.waited))
        self.began, self.waited = now, 0.0

    @property
    def seconds_per_step(self) -> float:
        return sum(s for s, _ in self.laps) / len(self.laps)

    @property
    def waiting(self) -> float:
        return sum(w for _, w in self.laps) / sum(s for s, _ in self.laps)


class _Interruption:
    """SIGINT and SIGTERM set a flag while the loop runs (main thread only)."""

    def __enter__(self) -> threading.Event:
        self.flag = threading.Event()
        self.before = {}
        if threading.current_thread() is threading.main_thread():
            for s in (signal.SIGINT, signal.SIGTERM):
                self.before[s] = signal.signal(s, lambda *_: self.flag.set())
        return self.flag

    def __exit__(self, *_: object) -> None:
        for s, handler in self.before.items():
            signal.signal(s, handler)
