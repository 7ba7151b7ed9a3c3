"""`sanum classify`: which of many 2-D images are abnormal, learned from examples of both classes."""

import typer

from . import crossval, fit, score

app = typer.Typer(
    help="Tell normal from abnormal 2-D images, by a network that learns from examples of both.",
    no_args_is_help=True,
)
app.command("fit", epilog=fit.EXAMPLE)(fit.command)
app.command("score", epilog=score.EXAMPLE)(score.command)
app.command("crossval", epilog=crossval.EXAMPLE)(crossval.command)
