"""`sanum node`: a station behind an archive, that takes scans, reconstructs heads, and sends results back."""

import json
import logging
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from . import options as shared
from .messages import complain, harmless, steady_stderr

if TYPE_CHECKING:
    from ..clinic.job import DicomJob
    from ..clinic.node.deliver import Route
    from ..clinic.node.peers import Peer, WebPeer
    from ..healthy.job import ReconstructJob

EXAMPLE = "Example:  sanum node --aet SANUM --port 11112 --peer ORTHANC@127.0.0.1:4242 -o node"
LISTENING, DECIDING = "Who may send", "What is worked on"

app = typer.Typer()

Folder = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FOLDER", help="Of the node: what came, states, results."),
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
        rich_help_panel=shared.RESULTS,
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
        rich_help_panel=shared.RESULTS,
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
        help="Of one object; an association that sends more is ended.",
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


@app.callback(invoke_without_command=True, epilog=EXAMPLE)
def node(
    context: typer.Context,
    output: Folder = None,
    aet: Title = "SANUM",
    port: Port = 11112,
    host: Host = "127.0.0.1",
    known: Known = None,
    peer: Peers = None,
    ask: Ask = None,
    quiet_s: Quiet = 30.0,
    patience_s: Patience = 600.0,
    rules: RulesFile = None,
    print_rules: PrintRules = False,
    keep_days: KeepDays = 30.0,
    keep_free_gb: KeepFree = 2.0,
    associations: Associations = 10,
    largest_mb: LargestMb = 512.0,
    certificate: Certificate = None,
    key: Key = None,
    authority: Authority = None,
    fast: shared.Fast = False,
    device: shared.Device = "auto",
    threads: shared.Threads = 0,
    weights: shared.Weights = None,
    verbose: shared.Verbose = False,
) -> None:
    """Listen for DICOM series, reconstruct heads, and send results to an archive.

    What arrives is written untouched. A series that is quiet and whole, and
    that the rules take, is reconstructed as by sanum reconstruct --dicom; its
    objects are sent to every peer. Killed at any moment and started again, it
    goes on where it was. Ctrl-C and SIGTERM end it.

    Its log, on stderr, and its file names have UIDs and no names of patients.

    Exit code: 0, or 2 for wrong use, such as a port in use.
    """
    if context.invoked_subcommand is not None:
        return
    from ..extras import needs_extra

    with needs_extra("sanum node", "clinic"):
        import highdicom  # noqa: F401
        import pynetdicom  # noqa: F401
    from ..clinic.node.choose import DEFAULT, read_rules
    from ..clinic.node.errors import NodeError
    from ..clinic.node.service import Node, NodeSettings
    from ..clinic.node.store import Limits

    if print_rules:
        typer.echo(DEFAULT.read_text(encoding="utf-8"), nl=False)
        return
    try:
        if output is None:
            raise NodeError("-o FOLDER is missing: it is where the node keeps what comes, and results")
        route, asked = _route(aet, peer or [], ask, (certificate, key, authority))
        settings = NodeSettings(
            aet=route.own_aet,
            address=(host, port),
            known=_known(known or [], route),
            route=route,
            rules=read_rules(rules),
            ask=asked,
            quiet_s=quiet_s,
            patience_s=patience_s,
            keep_days=keep_days,
            kept_free=int(keep_free_gb * 1e9),
            limits=Limits(associations, object_bytes=int(largest_mb * 1e6)),
        )
        _log_to_stderr(verbose=verbose)
        job = _job(device, threads, weights, fast=fast)
        with steady_stderr():
            Node(output, job, settings).run(_ended_by_signals())
    except (NodeError, ValueError, OSError) as error:
        _refuse(error)


@app.command("status", epilog="Example:  sanum node status node")
def status(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Of the node, as -o named it.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """What became of each series: state, objects, how many results were sent, and why.

    It reads the folder alone; the node may run or not.
    """
    from ..clinic.node.folder import NodeFolder
    from ..clinic.node.status import as_dict, table_of

    if not folder.is_dir():
        complain(f"{folder} is no folder of a node: expected what -o of sanum node named")
        raise typer.Exit(2)
    found = NodeFolder(folder)
    if as_json:
        typer.echo(json.dumps(as_dict(found), indent=2))
        return
    for line in table_of(found):
        typer.echo(harmless(line))


def _route(
    aet: str, peers: list[str], ask: str | None, files: tuple[Path | None, Path | None, Path | None]
) -> "tuple[Route, Peer | WebPeer | None]":
    """Where results go, and who is asked for counts."""
    from ..clinic.node.deliver import Route
    from ..clinic.node.errors import NodeError
    from ..clinic.node.peers import aet_from, peer_from
    from ..clinic.node.tls import Tls

    certificate, key, authority = files
    if certificate and key and authority:
        tls = Tls(certificate, key, authority)
        tls.server_context(), tls.client_context()  # says now what is wrong with them
    elif certificate or key or authority:
        raise NodeError("TLS needs --certificate, --key and --authority: one of them is missing")
    else:
        tls = None
    to = tuple(peer_from(text) for text in dict.fromkeys(peers))
    asked = to[0] if to else None
    if ask is not None:
        asked = None if ask == "nobody" else peer_from(ask)
    return Route(to, aet_from(aet), tls), asked


def _known(titles: list[str], route: "Route") -> tuple[str, ...]:
    from ..clinic.node.errors import NodeError
    from ..clinic.node.peers import Peer, aet_from

    known = [aet_from(title) for title in titles]
    known += [peer.aet for peer in route.peers if isinstance(peer, Peer)]
    if not known:
        raise NodeError("nobody may send to the node: name who may with --known AET, or a --peer")
    return tuple(dict.fromkeys(known))


def _job(device: str, threads: int, weights: str | None, *, fast: bool) -> "ReconstructJob | DicomJob":
    from ..clinic.objects import DicomOptions
    from ..scan.read import Reading
    from .batch import load_job

    return load_job(
        device, threads, weights, None, ("input", "anatomy", Reading(), False, None, fast, DicomOptions())
    )


def _log_to_stderr(*, verbose: bool) -> None:
    """Lines of the node alone: other libraries may repeat what they were given."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line("%(asctime)s %(levelname)s %(message)s"))
    log = logging.getLogger("sanum")
    log.addHandler(handler)
    log.setLevel(logging.DEBUG if verbose else logging.INFO)
    log.propagate = False


class _Line(logging.Formatter):
    """One line of a log, whatever is in it."""

    def format(self, record: logging.LogRecord) -> str:
        return harmless(" ".join(super().format(record).split("\n")))


def _ended_by_signals() -> threading.Event:
    """Set by SIGTERM and SIGINT."""
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    return ended


def _refuse(error: Exception) -> NoReturn:
    complain(str(error))
    raise typer.Exit(2) from None
