"""`sanum translate`: from one contrast to another, learned from pairs of scans, or from two sets of scans."""

import typer

from . import apply, evaluate, fit

app = typer.Typer(
    help="Translate scans from one contrast to another, after learning from scans of both.",
    no_args_is_help=True,
)
app.command("fit", epilog=fit.EXAMPLE)(fit.command)
app.command("apply", epilog=apply.EXAMPLE)(apply.command)
app.command("evaluate", epilog=evaluate.EXAMPLE)(evaluate.command)
