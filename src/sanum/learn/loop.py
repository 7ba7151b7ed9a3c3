"""One straight training loop: AdamW, warm-up and cosine decay, EMA, checkpoints that survive a kill."""

import csv
import math
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from .files import replace_whole

Batch = dict[str, torch.Tensor]
StepFunction = Callable[[nn.Module, Batch], tuple[torch.Tensor, dict[str, float]]]


@dataclass(frozen=True)
class LoopConfig:
    """How long and how fast.

    Parameters
    ----------
    steps : int
    learning_rate : float
        Peak of AdamW's rate.
    warmup : int
        Steps of linear rise.
    weight_decay : float
    clip : float
        Largest norm of the gradient.
    ema : float
        Decay of the running mean of the weights, reached gradually.
    save_every : int
        Steps between checkpoints.
    """

    steps: int = 6000
    learning_rate: float = 1e-3
    warmup: int = 100
    weight_decay: float = 1e-2
    clip: float = 5.0
    ema: float = 0.998
    save_every: int = 100


@dataclass(frozen=True)
class Progress:
    """What a caller may show after a step."""

    step: int
    steps: int
    values: dict[str, float]
    seconds_per_step: float

    @property
    def seconds_left(self) -> float:
        """Estimate of the time left."""
        return (self.steps - self.step) * self.seconds_per_step


class TrainingStopped(RuntimeError):
    """The loop stopped before its last step; the checkpoint is saved."""


def rate_at(step: int, config: LoopConfig) -> float:
    """Learning rate of a step: linear rise, then half a cosine down to 1 % of the peak."""
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    done = (step - config.warmup) / max(1, config.steps - config.warmup)
    return config.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))


def checkpoint_in(folder: Path, *, resume: bool) -> Path:
    """Where the checkpoint of `folder` is; raises FileExistsError or FileNotFoundError as `fit` does."""
    checkpoint = folder / "checkpoint.pt"
    if checkpoint.exists() and not resume:
        raise FileExistsError(f"{checkpoint} exists: pass --resume to go on, or choose another folder")
    if resume and not checkpoint.exists():
        raise FileNotFoundError(f"nothing to resume: {checkpoint} is missing; leave out --resume")
    return checkpoint


def fit(
    model: nn.Module,
    stream: Callable[[int], Iterable[Batch]],
    step_function: StepFunction,
    config: LoopConfig,
    folder: Path,
    *,
    resume: bool = False,
    on_step: Callable[[Progress], None] | None = None,
    stop_after: int | None = None,
) -> dict[str, torch.Tensor]:
    """Train `model`; returns the averaged (EMA) weights.

    Parameters
    ----------
    stream : function
        Batches from item number n on: a resumed run goes on where it stopped.
    folder : Path
        Gets `checkpoint.pt` (model, average, optimizer, step) and `log.csv`.
    resume : bool
        Go on from the checkpoint; without it, an existing checkpoint is an error.
    stop_after : int, optional
        Save and stop after this many steps of this call.

    Raises
    ------
    TrainingStopped
        On SIGTERM or SIGINT, `stop_after`, or a loss that is not finite.
    FileExistsError, FileNotFoundError
        When `resume` does not fit what is in the folder.
    ValueError
        The checkpoint is damaged, or of another network.
    """
    checkpoint = checkpoint_in(folder, resume=resume)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, betas=(0.9, 0.99), weight_decay=config.weight_decay
    )
    average = {k: v.detach().clone() for k, v in model.state_dict().items()}
    start = 0
    if resume:
        try:
            state = torch.load(checkpoint, weights_only=True)
            model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
            average, start = state["average"], int(state["step"])
        except (pickle.UnpicklingError, RuntimeError, EOFError, LookupError, TypeError, ValueError) as error:
            raise ValueError(
                f"{checkpoint} is damaged or of another network; remove it and start again without --resume"
            ) from error

    def save(step: int) -> None:
        state = {
            "model": model.state_dict(),
            "average": average,
            "optimizer": optimizer.state_dict(),
            "step": step,
            "config": asdict(config),
        }
        replace_whole(checkpoint, lambda p: torch.save(state, p))

    folder.mkdir(parents=True, exist_ok=True)
    model.train()
    done, began = start, time.monotonic()
    with _Interruption() as interrupted, (folder / "log.csv").open("a", newline="") as log:
        for step, batch in zip(range(start, config.steps), _numbered(stream(start)), strict=False):
            for group in optimizer.param_groups:
                group["lr"] = rate_at(step, config)
            loss, values = step_function(model, batch)
            if not torch.isfinite(loss):
                save(step)
                raise TrainingStopped(
                    f"the loss of step {step} is {loss.item()}; the state before it is saved in {checkpoint}"
                )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), config.clip)
            optimizer.step()
            _average(average, model, min(config.ema, (1 + step) / (10 + step)))
            done = step + 1
            _log(log, done, {"loss": loss.item(), **values})
            if on_step:
                on_step(
                    Progress(
                        done,
                        config.steps,
                        {"loss": loss.item(), **values},
                        (time.monotonic() - began) / (done - start),
                    )
                )
            stopping = interrupted.is_set() or (stop_after is not None and done - start >= stop_after)
            if done % config.save_every == 0 or done == config.steps or stopping:
                save(done)
            if stopping and done < config.steps:
                raise TrainingStopped(f"stopped after step {done} of {config.steps}; go on with --resume")
        if done < config.steps:
            save(done)
            raise TrainingStopped(f"the stream ended after step {done} of {config.steps}")
    return average


def _numbered(batches: Iterable[Batch]) -> Iterator[Batch]:
    return iter(batches)


@torch.no_grad()
def _average(average: dict[str, torch.Tensor], model: nn.Module, decay: float) -> None:
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            average[name].lerp_(value, 1 - decay)
        else:
            average[name].copy_(value)


def _log(handle, step: int, values: dict[str, float]) -> None:
    writer = csv.writer(handle)
    if handle.tell() == 0:
        writer.writerow(["step", *values])
    writer.writerow([step, *(f"{v:.5g}" for v in values.values())])
    handle.flush()


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
