"""`sanum weights`: which weights are here, fetching others, and whether they are whole."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from .messages import complain, harmless

if TYPE_CHECKING:
    from ..weights.store import OnBlock

app = typer.Typer(
    help="List, fetch and verify weights. SANUM_WEIGHTS names a folder, which may be read-only, that is "
    "looked into first. The shipped weights need neither that nor a network."
)

Table = Annotated[
    Path | None,
    typer.Option("--table", help="JSON list of name, sha256, size and urls, in place of sanum's own."),
]


@app.command("list", epilog="Example:  sanum weights list")
def list_(table: Table = None) -> None:
    """Names, sizes, SHA-256, and where each lies."""
    from ..weights import store

    try:
        entries = store.known(table or store.TABLE)
    except store.WeightsError as error:
        _refuse(error)
    for name, entry in sorted(entries.items()):
        where = store.find(name) or "not here"
        typer.echo(harmless(f"{name}\t{entry.size / 1e6:.1f} MB\t{entry.sha256[:12]}\t{where}"))


@app.command("fetch", epilog="Example:  sanum weights fetch una-compact")
def fetch(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of sanum weights list.")],
    to: Annotated[Path | None, typer.Option(help="Folder; default the user's cache.")] = None,
    table: Table = None,
) -> None:
    """Download weights that are not here, and print where they are.

    With --to they are put there, copied if they are elsewhere on this machine.
    """
    from ..weights import store

    for name in names:
        try:
            path = store.fetch(name, table=table or store.TABLE, folder=to, on_block=_progress(name))
        except (store.WeightsError, OSError) as error:
            _refuse(error)
        typer.echo(harmless(str(path)))


@app.command("verify", epilog="Example:  sanum weights verify")
def verify(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME...]", help="Default: all here.")] = None,
    table: Table = None,
) -> None:
    """Compare weights with their SHA-256. Exit code 1 if any are damaged or missing."""
    from ..weights import store

    table = table or store.TABLE
    failed = False
    try:
        chosen = names or [name for name in sorted(store.known(table)) if store.find(name)]
    except store.WeightsError as error:
        _refuse(error)
    for name in chosen:
        try:
            typer.echo(harmless(f"{name}\twhole\t{store.resolve(name, table=table)}"))
        except (store.WeightsError, OSError) as error:
            complain(str(error))
            failed = True
    if failed:
        raise typer.Exit(1)


def _refuse(error: Exception) -> NoReturn:
    complain(str(error))
    raise typer.Exit(2) from None


def _progress(name: str) -> "OnBlock":
    """Function that prints the progress of a download on stderr, on a terminal only."""

    def print_progress(done: int, size: int) -> None:
        if sys.stderr.isatty():
            typer.echo(
                f"\r{harmless(name)}: {done / 1e6:.1f} of {size / 1e6:.1f} MB", err=True, nl=done >= size
            )

    return print_progress
