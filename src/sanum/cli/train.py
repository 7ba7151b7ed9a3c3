"""`sanum train`: make the weights of a recipe."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .messages import complain
from .threads import use_threads

if TYPE_CHECKING:
    from ..learn.pace import TrainingProgress

EXAMPLE = (
    "Example:  sanum train una-compact --data ../shared/data -o runs/una-compact "
    "--set loop.steps=100 --set widths=16,32,64"
)
PRECISIONS = ("auto", "32", "bf16", "fp16")


def command(
    recipe: Annotated[str, typer.Argument(help="Name of the recipe, such as una-compact.")],
    data: Annotated[Path, typer.Option(help="Folder with ixi/ and lesions/.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for checkpoint, logs and weights.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Another value in the recipe, as key=value; repeatable.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Short for --set loop.steps=…", min=1)] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in OUTPUT.")] = False,
    start_from: Annotated[
        Path | None, typer.Option("--from", help="Weights to begin with, as of an earlier training.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Short for --set seed=…", min=0)] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:n or mps.")] = "auto",
    devices: Annotated[
        int | None, typer.Option(help="Processes on this machine; default 1, or as torchrun says.", min=1)
    ] = None,
    precision: Annotated[
        str, typer.Option(help="auto (bf16 where it is native, else 32), 32, bf16 or fp16.")
    ] = "auto",
    threads: Annotated[int, typer.Option(help="CPU threads of each process; 0: all.", min=0)] = 0,
    compiled: Annotated[
        bool, typer.Option("--compile", help="Short for --set compile=true; needs a C++ compiler.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Train RECIPE on DATA; stopping it (Ctrl-C, SIGTERM) saves a checkpoint that --resume goes on from."""
    from ..learn.devices import first_process, resolve_device
    from ..learn.loop import TrainingStopped
    from ..learn.overrides import override
    from ..methods import registry
    from ..methods.common.training import train

    try:
        known = registry.recipe(recipe)
    except ValueError as error:
        complain(str(error))
        raise typer.Exit(2) from None
    if precision not in PRECISIONS:
        complain(f'unknown precision "{precision}": known are {", ".join(PRECISIONS)}')
        raise typer.Exit(2)
    if threads:
        os.environ["OMP_NUM_THREADS"] = str(threads)  # or Fabric divides the cores by the processes
    use_threads(threads)
    short = {"loop.steps": steps, "seed": seed, "compile": compiled or None}
    shown = _Shown(quiet or not first_process())
    try:
        plan = override(known, [f"{k}={v}" for k, v in short.items() if v is not None] + (settings or []))
        path = train(
            plan,
            data,
            output,
            resume=resume,
            start_from=start_from,
            device=resolve_device(device),
            devices=devices,
            precision=precision,  # type: ignore[arg-type]  # checked above
            on_note=complain,
            on_prepare=shown.prepared,
            on_step=shown.stepped,
        )
    except TrainingStopped as stopped:
        if first_process():  # the others stop with it, and are not to be taken for broken
            complain(str(stopped))
            raise typer.Exit(1) from None
        return
    except (ValueError, OSError, ModuleNotFoundError) as error:
        complain(str(error))
        raise typer.Exit(2) from None
    finally:
        shown.bar.stop()
    if first_process():
        typer.echo(str(path))


class _Shown:
    """Progress on stderr: a bar on a terminal, a line a minute elsewhere."""

    def __init__(self, quiet: bool) -> None:
        console = Console(stderr=True)
        self.lines = not quiet and not console.is_terminal
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.bar = Progress(*columns, console=console, disable=quiet or self.lines)
        self.bar.start()
        self.task = self.bar.add_task("preparing anatomies", total=None)
        self.told = 0.0

    def prepared(self, done: int, total: int) -> None:
        self.bar.update(self.task, completed=done, total=total)
        self._line(f"prepared {done} of {total} anatomies")

    def stepped(self, now: "TrainingProgress") -> None:
        loss, speed = now.values["loss"], now.samples_per_second
        text = f"loss {loss:.3f}, {speed:.2f} samples/s, {now.waiting:.0%} waiting for data"
        self.bar.update(self.task, description=text, completed=now.step, total=now.steps)
        self._line(f"step {now.step}/{now.steps}, {text}, {_duration(now.seconds_left)} left")

    def _line(self, text: str) -> None:
        if self.lines and time.monotonic() - self.told > 60:
            self.told = time.monotonic()
            complain(text)


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
