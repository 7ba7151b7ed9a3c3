"""`sanum demo`: the main job on a real scan with a lesion whose truth is known."""

import time
from pathlib import Path
from typing import Annotated

import typer

from . import options as shared
from .messages import complain
from .progress import ItemProgress
from .threads import use_threads

EXAMPLE = "Example:  sanum demo -o demo/"


def command(
    output: shared.Output = Path("demo"),
    seed: Annotated[int, typer.Option(help="Which lesion.")] = 7,
    device: shared.Device = "auto",
    threads: shared.Threads = 0,
    quiet: shared.Quiet = False,
) -> None:
    """Grow a lesion into the ICBM152 T1w, reconstruct it, and measure against the truth."""
    from ..healthy.demo import run, table
    from ..scan import ScanError

    use_threads(threads)
    try:
        with ItemProgress(1, quiet=quiet) as progress:
            errors = run(output, seed=seed, device=device, on_step=lambda step: progress.step("demo", step))
            progress.ended("demo", None, time.monotonic() - progress.began)
    except (ScanError, ValueError) as error:
        complain(str(error))
        raise typer.Exit(2) from None
    typer.echo(table(errors))
    typer.echo(f"report: {errors.report}")
