"""`sanum`: the command line; each command is a file of its own that imports what it needs when it runs."""

import sys
from typing import Annotated

import typer

from .. import __version__
from ..extras import MissingExtra
from . import (
    atlas,
    audit,
    bids,
    classify,
    demo,
    detect,
    detect_findings,
    evaluate,
    generate,
    info,
    lesions,
    methods,
    node,
    reconstruct,
    recover,
    register,
    segment,
    train,
    translate,
    view,
    weights,
)
from .messages import complain

_INTERRUPTED = 130
# click's UsageError; where typer keeps it depends on the version
_WrongUse: type[typer.BadParameter] = typer.BadParameter.__bases__[0]

app = typer.Typer(
    name="sanum",
    help="One brain scan in; its healthy anatomy, an anomaly and an uncertainty map out. Research use only.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("reconstruct", epilog=reconstruct.EXAMPLE)(reconstruct.command)
app.command("register", epilog=register.EXAMPLE)(register.command)
app.command("recover", epilog=recover.EXAMPLE)(recover.command)
app.command("lesions", epilog=lesions.EXAMPLE)(lesions.command)
app.command("bids", epilog=bids.EXAMPLE, cls=bids.SpacedLabels)(bids.command)
app.command("view", epilog=view.EXAMPLE)(view.command)
app.add_typer(node.app, name="node")
app.command("demo", epilog=demo.EXAMPLE)(demo.command)
app.command("train", epilog=train.EXAMPLE)(train.command)
app.command("generate", epilog=generate.EXAMPLE)(generate.command)
app.command("evaluate", epilog=evaluate.EXAMPLE)(evaluate.command)
app.command("audit", epilog=audit.EXAMPLE)(audit.command)
app.command("methods", epilog=methods.EXAMPLE)(methods.command)
app.add_typer(detect.app, name="detect")
app.command("detect-findings", epilog=detect_findings.EXAMPLE)(detect_findings.command)
app.add_typer(classify.app, name="classify")
app.add_typer(segment.app, name="segment")
app.add_typer(translate.app, name="translate")
app.add_typer(atlas.app, name="atlas")
app.add_typer(weights.app, name="weights")
app.command("info", epilog=info.EXAMPLE)(info.command)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sanum {__version__}")
        raise typer.Exit


@app.callback()
def _before(
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", "-v", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """What comes before a command."""


def main() -> None:
    """Entry point: exit code 0, 1 (some scan failed) or 2 (wrong use); 130 when interrupted."""
    try:
        code = app(sys.argv[1:] or ["--help"], prog_name="sanum", standalone_mode=False)
    except _WrongUse as error:
        reason = error.format_message().rstrip(".").replace(": Value error, ", ": ")
        complain(f"{reason}; see {_command_path(error)} --help")
        sys.exit(2)
    except MissingExtra as error:
        complain(str(error))
        sys.exit(2)
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    if code == _INTERRUPTED:
        complain("interrupted; files that were finished are whole")
    sys.exit(code or 0)


def _command_path(error: typer.BadParameter) -> str:
    return error.ctx.command_path if error.ctx else "sanum"
