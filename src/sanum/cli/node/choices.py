"""Options of `sanum node`."""

from pathlib import Path
from typing import Annotated

import typer

from ..options import RESULTS, folder

LISTENING, FETCHING, DECIDING = "Who may send", "What is fetched", "What is worked on"
"""Groups of options in the help."""

Folder = Annotated[
    Path | None,
    folder("Of the node: what came, states, results."),
]
Title = Annotated[
    str, typer.Option(metavar="AET", help="Its own application entity title.", rich_help_panel=LISTENING)
]
Port = Annotated[
    int, typer.Option(metavar="N", help="That it listens at.", min=1, max=65535, rich_help_panel=LISTENING)
]
Host = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS",
        help="That it listens at; the default is seen by this machine alone, 0.0.0.0 by all.",
        rich_help_panel=LISTENING,
    ),
]
Known = Annotated[
    list[str] | None,
    typer.Option(
        "--known",
        metavar="AET",
        help="Title of one who may send to it, beside the peers; can be given several times.",
        rich_help_panel=LISTENING,
    ),
]
Peers = Annotated[
    list[str] | None,
    typer.Option(
        "--peer",
        metavar="PEER",
        help="Who gets the results: AET@host:port, or the https address of a DICOMweb server; can be given "
        "several times.",
        rich_help_panel=RESULTS,
    ),
]
Watched = Annotated[
    list[Path] | None,
    typer.Option(
        "--watch",
        metavar="FOLDER",
        help="DICOM files that appear in it are taken too; can be given several times.",
        rich_help_panel=FETCHING,
    ),
]
RemoveWatched = Annotated[
    bool,
    typer.Option(
        "--remove-watched",
        help="Remove them from watched folders, once they are here.",
        rich_help_panel=FETCHING,
    ),
]
Pulled = Annotated[
    list[str] | None,
    typer.Option(
        "--pull",
        metavar="URL",
        help="A DICOMweb server that is asked every minute for new series; can be given several times.",
        rich_help_panel=FETCHING,
    ),
]
PullDays = Annotated[
    int,
    typer.Option(
        "--pull-days",
        metavar="DAYS",
        help="Studies may be so many days old.",
        min=0,
        rich_help_panel=FETCHING,
    ),
]
Ask = Annotated[
    str | None,
    typer.Option(
        metavar="PEER",
        help="Who says how many objects a series has (C-FIND, QIDO-RS); default: the first peer. nobody: do "
        "not ask.",
        rich_help_panel=DECIDING,
    ),
]
Quiet = Annotated[
    float,
    typer.Option(
        "--quiet-s",
        metavar="S",
        help="A series is looked at when nothing of it came for so many seconds.",
        min=0.1,
        rich_help_panel=DECIDING,
    ),
]
Patience = Annotated[
    float,
    typer.Option(
        "--patience-s",
        metavar="S",
        help="A series that lacks planes is waited for so many seconds; then it is an error until more come.",
        min=0.1,
        rich_help_panel=DECIDING,
    ),
]
RulesFile = Annotated[
    Path | None,
    typer.Option(
        "--rules",
        metavar="FILE",
        help="Which series are worked on, in TOML; --print-rules prints the default.",
        rich_help_panel=DECIDING,
    ),
]
PrintRules = Annotated[
    bool, typer.Option("--print-rules", help="Print the default rules, and end.", rich_help_panel=DECIDING)
]
KeepDays = Annotated[
    float,
    typer.Option(
        "--keep-days",
        metavar="DAYS",
        help="What is at its end is removed after so many days, results too; 0: never.",
        min=0,
        rich_help_panel=RESULTS,
    ),
]
KeepFree = Annotated[
    float,
    typer.Option(
        "--keep-free-gb",
        metavar="GB",
        help="What arrives is refused where it would leave less of the disk free.",
        min=0,
        rich_help_panel=LISTENING,
    ),
]
Associations = Annotated[
    int,
    typer.Option(
        metavar="N", help="At the same time; others are told to wait.", min=1, rich_help_panel=LISTENING
    ),
]
LargestMb = Annotated[
    float,
    typer.Option(
        "--largest-mb",
        metavar="MB",
        help="Of one object or file; an association that sends more is ended.",
        min=1,
        rich_help_panel=LISTENING,
    ),
]
Certificate = Annotated[
    Path | None,
    typer.Option(
        "--certificate",
        metavar="FILE",
        help="Of this node in PEM, for TLS both ways, with --key and --authority.",
        rich_help_panel=LISTENING,
    ),
]
Key = Annotated[
    Path | None,
    typer.Option("--key", metavar="FILE", help="Of the certificate.", rich_help_panel=LISTENING),
]
Authority = Annotated[
    Path | None,
    typer.Option(
        "--authority",
        metavar="FILE",
        help="Certificates of those who signed the peers'.",
        rich_help_panel=LISTENING,
    ),
]
