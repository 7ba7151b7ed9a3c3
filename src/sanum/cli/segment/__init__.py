"""`sanum segment`: structures of a scan as a continuous function, learned from labelled scans."""

import typer

from . import apply, fit

app = typer.Typer(
    help="Segment scans at any resolution, from few slices too, after learning shapes from labelled ones.",
    no_args_is_help=True,
)
app.command("fit", epilog=fit.EXAMPLE)(fit.command)
app.command("apply", epilog=apply.EXAMPLE)(apply.command)
