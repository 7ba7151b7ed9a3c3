"""`sanum atlas`: what a group of people looks like, and one scan beside it."""

import typer

from . import build, compare

app = typer.Typer(
    help="Build an unbiased atlas of a group of scans, and compare a scan with one.", no_args_is_help=True
)
app.command("build", epilog=build.EXAMPLE)(build.command)
app.command("compare", epilog=compare.EXAMPLE)(compare.command)
