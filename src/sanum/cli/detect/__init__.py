"""`sanum detect`: which of many 2-D images are abnormal, learned from normals alone."""

import typer

from . import crossval, export, fit, score

app = typer.Typer(
    help="Find abnormal 2-D images and where, by detectors that learn from normal ones alone.",
    no_args_is_help=True,
)
app.command("fit", epilog=fit.EXAMPLE)(fit.command)
app.command("score", epilog=score.EXAMPLE)(score.command)
app.command("crossval", epilog=crossval.EXAMPLE)(crossval.command)
app.command("export", epilog=export.EXAMPLE)(export.command)
