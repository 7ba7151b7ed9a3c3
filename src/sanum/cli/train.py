"""`sanum train`: make the weights of a recipe."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import options as shared
from .messages import complain
from .progress import ProgressBar, duration
from .threads import use_threads

if TYPE_CHECKING:
    from ..learn.pace import TrainingProgress

EXAMPLE = (
    "Example:  sanum train una-compact --data ../shared/data -o runs/una-compact "
    "--set loop.steps=100 --set widths=16,32,64"
)
_TASK = "preparing data"
PRECISIONS = ("auto", "32", "bf16", "fp16")


def command(
    recipe: Annotated[str, typer.Argument(help="Name of the recipe, such as una-compact.")],
    data: Annotated[
        Path,
        typer.Option(
            help="Folder with ixi/ and lesions/, of subjects (BIDS, FreeSurfer), of x-rays, of raw data, "
            "or a table; the word phantoms for kt."
        ),
    ],
    output: Annotated[Path, shared.folder("Folder for checkpoint, logs and weights.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Another value in the recipe, as key=value; repeatable.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Short for --set loop.steps=…", min=1)] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in OUTPUT.")] = False,
    start_from: Annotated[
        Path | None, typer.Option("--from", help="Weights to begin with, as of an earlier training.")
    ] = None,
    labels: shared.Labels = "",
    hold_out: shared.HoldOut = "",
    ignore_unknown: shared.IgnoreUnknown = False,
    seed: Annotated[int | None, typer.Option(help="Short for --set seed=…", min=0)] = None,
    device: shared.Device = "auto",
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
    quiet: shared.Quiet = False,
) -> None:
    """Train RECIPE on DATA; stopping it (Ctrl-C, SIGTERM) saves a checkpoint that --resume goes on from."""
    from ..learn.devices import DeviceConfig, first_process, resolve_device
    from ..learn.loop import TrainingStopped
    from ..learn.overrides import override
    from ..methods import registry
    from ..methods.common.training import Reports, Start, train

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
    short: dict[str, object] = {"loop.steps": steps, "seed": seed, "compile": compiled or None}
    subjects = {"labels": labels, "hold_out": hold_out, "ignore_unknown": ignore_unknown}
    short |= {f"subjects.{name}": value or None for name, value in subjects.items()}
    progress = _Progress(quiet=quiet or not first_process())
    try:
        plan = override(known, [f"{k}={v}" for k, v in short.items() if v is not None] + (settings or []))
        with progress.bar:
            path = train(
                plan,
                data,
                output,
                start=Start(resume=resume, weights=start_from),
                devices=DeviceConfig(resolve_device(device), devices, precision),  # type: ignore[arg-type]
                reports=Reports(complain, progress.prepared, progress.stepped),
            )
    except TrainingStopped as stopped:
        if first_process():  # the others stop with it, and are not to be taken for broken
            complain(str(stopped))
            raise typer.Exit(1) from None
        return
    except (ValueError, OSError, ModuleNotFoundError) as error:
        complain(str(error))
        raise typer.Exit(2) from None
    if first_process():
        typer.echo(str(path))


class _Progress:
    """What is prepared, then steps."""

    def __init__(self, *, quiet: bool) -> None:
        self.bar = ProgressBar(_TASK, quiet=quiet)

    def prepared(self, done: int, total: int) -> None:
        self.bar.update(_TASK, done, total, f"prepared {done} of {total}")

    def stepped(self, now: "TrainingProgress") -> None:
        losses = ", ".join(f"{k} {v:.3f}" for k, v in now.values.items() if k.endswith("loss"))
        text = f"{losses}, {now.samples_per_second:.2f} samples/s, {now.waiting:.0%} waiting for data"
        if "epsilon" in now.values:
            text += f", ε {now.values['epsilon']:.3g} at δ {now.values['delta']:.3g}"
        line = f"step {now.step}/{now.steps}, {text}, {duration(now.seconds_left)} left"
        self.bar.update(_TASK, now.step, now.steps, line, description=text)
