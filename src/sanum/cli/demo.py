"""`sanum demo`: the main job on a real scan with a lesion whose truth is known."""

from pathlib import Path
from typing import Annotated

import typer

from .messages import Steps, complain
from .threads import use_threads

EXAMPLE = "Example:  sanum demo -o demo/"


def command(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the results; made if missing.")
    ] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Which lesion.")] = 7,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:n or mps.")] = "auto",
    threads: Annotated[int, typer.Option(help="CPU threads; 0: all.", min=0)] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Grow a lesion into the ICBM152 T1w, reconstruct it, and measure against the truth."""
    from ..healthy.demo import run, table
    from ..scan import ScanError

    use_threads(threads)
    try:
        with Steps("demo", quiet=quiet) as tell:
            outcome = run(output, seed=seed, device=device, on_step=tell)
    except (ScanError, ValueError) as error:
        complain(str(error))
        raise typer.Exit(2) from None
    typer.echo(table(outcome))
    typer.echo(f"report: {outcome.report}")
