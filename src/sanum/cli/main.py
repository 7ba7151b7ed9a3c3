"""`sanum`: the command line. Each command lives in a file of its own and imports what it needs when it runs."""

import sys

import typer

from . import demo, info, reconstruct, train
from .messages import complain

app = typer.Typer(
    name="sanum",
    help="One brain scan in; its healthy anatomy, an anomaly map and an uncertainty map out. Research use only.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("reconstruct", epilog=reconstruct.EXAMPLE)(reconstruct.command)
app.command("demo", epilog=demo.EXAMPLE)(demo.command)
app.command("train", epilog=train.EXAMPLE)(train.command)
app.command("info", epilog=info.EXAMPLE)(info.command)


def main() -> None:
    """Entry point: exit code 0, 1 (some scan failed) or 2 (wrong use); 130 when interrupted."""
    try:
        app()
    except KeyboardInterrupt:
        complain("interrupted; files that were finished are whole")
        sys.exit(130)
