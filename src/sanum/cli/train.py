"""`sanum train`: make the weights of a recipe."""

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .messages import complain
from .threads import use_threads

if TYPE_CHECKING:
    from ..learn.loop import Progress as Now

EXAMPLE = "Example:  sanum train una-compact --data ../shared/data -o runs/una-compact"


def command(
    recipe: Annotated[str, typer.Argument(help="Name of the recipe, such as una-compact.")],
    data: Annotated[Path, typer.Option(help="Folder with ixi/ and lesions/.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for checkpoint, log and weights.")],
    steps: Annotated[int | None, typer.Option(help="Training steps; default the recipe's.", min=1)] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in OUTPUT.")] = False,
    start_from: Annotated[
        Path | None, typer.Option("--from", help="Weights to begin with, as of an earlier training.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Other samples, other initial weights.", min=0)] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:n or mps.")] = "auto",
    threads: Annotated[int, typer.Option(help="CPU threads; 0: all.", min=0)] = 0,
    compiled: Annotated[
        bool, typer.Option("--compile", help="Compile the network first: faster steps; needs a C++ compiler.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Train RECIPE on DATA; stopping it (Ctrl-C, SIGTERM) saves a checkpoint that --resume goes on from."""
    from ..learn.loop import TrainingStopped
    from ..methods.registry import recipes
    from ..methods.training import train
    from ..reconstruction import resolve_device

    known = recipes()
    if recipe not in known:
        complain(f'unknown recipe "{recipe}": known are {", ".join(known)}')
        raise typer.Exit(2)
    use_threads(threads)
    plan = replace(known[recipe], compile=compiled)
    if seed is not None:
        plan = replace(plan, seed=seed)
    if steps:
        plan = replace(plan, loop=replace(plan.loop, steps=steps))
    shown = _Shown(quiet)
    try:
        path = train(
            plan,
            data,
            output,
            resume=resume,
            start_from=start_from,
            device=resolve_device(device),
            on_prepare=shown.prepared,
            on_step=shown.stepped,
        )
    except TrainingStopped as stopped:
        complain(str(stopped))
        raise typer.Exit(1) from None
    except (ValueError, OSError) as error:
        complain(str(error))
        raise typer.Exit(2) from None
    finally:
        shown.bar.stop()
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

    def stepped(self, now: "Now") -> None:
        text = f"loss {now.values['loss']:.3f}"
        self.bar.update(self.task, description=text, completed=now.step, total=now.steps)
        self._line(
            f"step {now.step}/{now.steps}, {text}, "
            f"{now.seconds_per_step:.2f} s/step, {now.seconds_left / 60:.0f} min left"
        )

    def _line(self, text: str) -> None:
        if self.lines and time.monotonic() - self.told > 60:
            self.told = time.monotonic()
            complain(text)
