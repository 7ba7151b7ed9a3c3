"""`sanum view`: look at the results of a folder in a browser, and say what is good."""

import signal
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from .messages import complain

EXAMPLE = "Example:  sanum view results"


def command(
    output: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of results.")],
    port: Annotated[
        int, typer.Option(metavar="N", help="Port of this machine; 0: one that is free.", min=0, max=65535)
    ] = 0,
    scans: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="What the run was given: scans in NIfTI are then shown beside their results at full "
            "resolution.",
        ),
    ] = None,
) -> None:
    """Show all results of OUT in a browser: reports, images at full resolution, next and previous.

    It prints an address that works on this machine alone, and ends with
    Ctrl-C. Nothing is changed but the verdicts (pass, unsure, fail, and a
    note) that you save to qc.tsv.

    Exit code: 0, or 2 for wrong use.
    """
    from ..cohort.view.server import ResultsServer

    if scans is not None and not scans.is_dir():
        complain(f"--scans {scans} is no folder")
        raise typer.Exit(2)
    if not output.is_dir():
        complain(f"{output} is no folder of results: expected what -o of another command named")
        raise typer.Exit(2)
    try:
        server = ResultsServer(output, port, scans)
    except OSError as error:
        complain(f"port {port} cannot be used: {error.strerror or error}; leave --port out to get a free one")
        raise typer.Exit(2) from None
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with server, suppress(KeyboardInterrupt):
        typer.echo(f"{server.address}\nOpen it in a browser; Ctrl-C ends it.")
        server.serve_forever()
