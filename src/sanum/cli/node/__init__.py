"""`sanum node`: a station behind an archive, that takes scans, reconstructs heads, and sends results back."""

import json
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from ...extras import needs_extra
from .. import options as shared
from ..messages import complain, harmless, steady_stderr
from . import choices
from .parts import ended_by_signals, job_of, known_of, log_to_stderr, route_of, ways_of

EXAMPLE = "Example:  sanum node --aet SANUM --port 11112 --peer ORTHANC@127.0.0.1:4242 -o node"

app = typer.Typer()


@app.callback(invoke_without_command=True, epilog=EXAMPLE)
def node(
    context: typer.Context,
    output: choices.Folder = None,
    aet: choices.Title = "SANUM",
    port: choices.Port = 11112,
    host: choices.Host = "127.0.0.1",
    known: choices.Known = None,
    peer: choices.Peers = None,
    watch: choices.Watched = None,
    remove_watched: choices.RemoveWatched = False,
    pull: choices.Pulled = None,
    pull_days: choices.PullDays = 2,
    ask: choices.Ask = None,
    quiet_s: choices.Quiet = 30.0,
    patience_s: choices.Patience = 600.0,
    rules: choices.RulesFile = None,
    print_rules: choices.PrintRules = False,
    keep_days: choices.KeepDays = 30.0,
    keep_free_gb: choices.KeepFree = 2.0,
    associations: choices.Associations = 10,
    largest_mb: choices.LargestMb = 512.0,
    certificate: choices.Certificate = None,
    key: choices.Key = None,
    authority: choices.Authority = None,
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
    with needs_extra("sanum node", "clinic"):
        from ...clinic.node.service import Node, NodeSettings
        from ...clinic.node.store import Limits
    from ...clinic.node.checks import require_ready
    from ...clinic.node.choose import DEFAULT, read_rules
    from ...clinic.node.errors import NodeError

    if print_rules:
        typer.echo(DEFAULT.read_text(encoding="utf-8"), nl=False)
        return
    try:
        if output is None:
            raise NodeError("-o FOLDER is missing: it is where the node keeps what comes, and results")
        route, asked = route_of(aet, peer or [], ask, (certificate, key, authority))
        settings = NodeSettings(
            aet=route.own_aet,
            address=(host, port),
            known=known_of(known or [], route, is_needed=not (watch or pull)),
            route=route,
            rules=read_rules(rules),
            ask=asked,
            quiet_s=quiet_s,
            patience_s=patience_s,
            keep_days=keep_days,
            kept_free=int(keep_free_gb * 1e9),
            limits=Limits(associations, object_bytes=int(largest_mb * 1e6)),
            ways=ways_of(watch or [], pull or [], remove_watched, pull_days, largest_mb),
        )
        require_ready(output, settings.address, settings.ways.folders)
        log_to_stderr(verbose=verbose)
        job = job_of(device, threads, weights, fast=fast)
        with steady_stderr():
            Node(output, job, settings).run(ended_by_signals())
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
    from ...clinic.node.folder import NodeFolder
    from ...clinic.node.status import as_dict, table_of

    found = NodeFolder(folder)
    if not found.states.is_dir():
        complain(f"{folder} is no folder of a node: expected what -o of sanum node named")
        raise typer.Exit(2)
    if as_json:
        typer.echo(json.dumps(as_dict(found), indent=2))
        return
    for line in table_of(found):
        typer.echo(harmless(line))


def _refuse(error: Exception) -> NoReturn:
    complain(str(error))
    raise typer.Exit(2) from None
