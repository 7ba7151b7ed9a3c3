"""`sanum bids`: a BIDS-App."""

import os
import tempfile
from dataclasses import replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from . import options as shared
from .batch import OnDask, Options, do_batch, has_dask, load_job, on_dask, terminated_as_interrupted
from .messages import complain, steady_stderr
from .options import in_bytes
from .progress import ItemProgress, waiting

if TYPE_CHECKING:
    from ..clinic.job import DicomJob
    from ..cohort import Item, RunSettings
    from ..healthy.job import ReconstructJob

EXAMPLE = "Example:  sanum bids data/ derivatives/sanum participant --participant-label 01 02"
_LABELS = ("--participant-label", "--session-label")


class Level(StrEnum):
    """What is done."""

    participant = "participant"
    group = "group"


class SpacedLabels(TyperCommand):
    """`--participant-label 01 02`, as every BIDS-App takes them, beside the option twice."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Write the option before every label."""
        spread, option = list[str](), ""
        for before, word in zip(["", *args], args, strict=False):
            if word.startswith("-"):
                if before in _LABELS:
                    raise typer.BadParameter(f"{before} needs a label before {word}", ctx=ctx)
                option = next((name for name in _LABELS if word.partition("=")[0] == name), "")
            elif option and before not in _LABELS:
                spread.append(option)
            spread.append(word)
        return super().parse_args(ctx, spread)


def command(
    bids_dir: Annotated[Path, typer.Argument(metavar="BIDS_DIR", help="A BIDS data set.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the results, a BIDS derivative.")],
    level: Annotated[Level, typer.Argument(help="participant: every scan; group: the page of all results.")],
    participant_label: Annotated[
        list[str] | None, typer.Option(help="Subjects, with or without sub-; default: all.")
    ] = None,
    session_label: Annotated[
        list[str] | None, typer.Option(help="Sessions, with or without ses-; default: all.")
    ] = None,
    work: Annotated[
        Path | None, typer.Option("-w", "--work-dir", help="Folder for temporary files; made if missing.")
    ] = None,
    nprocs: Annotated[
        int, typer.Option(help="Processes; more than one need Dask (pip install 'sanum\\[bids]').", min=1)
    ] = 1,
    mem_gb: Annotated[
        float | None,
        typer.Option(
            help="Memory for all processes together, in GB: fewer processes, then the network in slabs; "
            "larger scans fail. Default: what is free, as a goal.",
            min=0.1,
        ),
    ] = None,
    bids_filter_file: Annotated[
        Path | None, typer.Option(help='JSON, as fMRIPrep\'s: {"t1w": {"session": "01"}}.')
    ] = None,
    shard: shared.Shard = None,
    device: shared.Device = "auto",
    weights: shared.Weights = None,
    force: shared.Force = False,
    fast: shared.Fast = False,
    overwrite: shared.Overwrite = False,
    quiet: shared.Quiet = False,
    verbose: shared.Verbose = False,
) -> None:
    """Reconstruct every anatomical scan of BIDS_DIR, or write the page of all results.

    Started again, it does what is not finished.

    Exit code: 0 all done, 1 some scans failed, 2 wrong use.
    """
    with waiting("starting", quiet=quiet):
        from ..cohort import RunSettings
        from ..healthy.outputs import WITNESSES
        from ..scan import ScanError

    try:
        if bids_dir.resolve() == out.resolve():
            raise ScanError("OUT is BIDS_DIR: choose another folder, such as BIDS_DIR/derivatives/sanum")
        if level is Level.group:
            if any((participant_label, session_label, bids_filter_file, shard)):
                raise ScanError("group takes all results in OUT: leave labels, filters and shards out")
            _group(bids_dir, out)
            return
        items, part = _selected(bids_dir, out, participant_label, session_label, bids_filter_file, shard)
        if not items:
            complain("note: this part has no scans, because there are more parts than scans")
            return
        with waiting("loading the network", quiet=quiet):
            by, each_gb = _who(items, nprocs, mem_gb, device, weights, force=force, fast=fast)
        if work is not None:
            work.mkdir(parents=True, exist_ok=True)
            tempfile.tempdir = os.environ["TMPDIR"] = str(work.absolute())
        settings = RunSettings(overwrite=overwrite, without=WITNESSES, memory=in_bytes(each_gb))
        with ItemProgress(len(items), quiet=quiet, verbose=verbose) as progress:
            code = _participant(items, part, bids_dir, out, by, settings, progress)
    except (ScanError, ValueError, OSError, MemoryError) as error:
        complain(str(error) or "not enough memory to load the network")
        raise typer.Exit(2) from None
    if code:
        raise typer.Exit(code)


def _selected(
    bids_dir: Path,
    out: Path,
    participants: list[str] | None,
    sessions: list[str] | None,
    filter_file: Path | None,
    shard: str | None,
) -> "tuple[list[Item], tuple[int, int]]":
    """The scans of this part, and which part of how many it is."""
    from ..cohort import part_of, shard_of
    from ..cohort.bids.dataset import select
    from ..cohort.bids.derivative import require_own
    from ..cohort.bids.filters import read_filters

    items = select(
        bids_dir,
        participants=participants or (),
        sessions=sessions or (),
        filters=read_filters(filter_file, on_note=complain) if filter_file else None,
        on_note=complain,
    )
    require_own(out)
    part = part_of(shard, len(items), on_note=complain)
    return shard_of(items, *part), part


def _who(
    items: "list[Item]",
    nprocs: int,
    mem_gb: float | None,
    device: str,
    weights: str | None,
    *,
    force: bool,
    fast: bool,
) -> "tuple[ReconstructJob | DicomJob | OnDask, float | None]":
    """Who does the scans, in as many processes as there is memory for, and the gigabytes of each process."""
    from ..cohort.bids.dataset import processes_within
    from ..scan import ScanError

    processes = processes_within(items, nprocs, mem_gb)
    if processes < min(nprocs, len(items)):
        complain(f"note: {processes} of {nprocs} processes, so that memory stays below {mem_gb:g} GB")
    if processes > 1 and not has_dask():
        raise ScanError("--nprocs above 1 needs Dask: pip install 'sanum[bids]'")
    each_gb = mem_gb and mem_gb / processes
    options: Options = ("input", "anatomy", {}, force, None, fast, None)
    how = (device, 0, weights, each_gb, options)
    return on_dask(*how, workers=processes) if processes > 1 else load_job(*how), each_gb


def _group(bids_dir: Path, out: Path) -> None:
    from ..cohort.bids.group import write_group
    from ..scan import ScanError
    from ..scan.names import printable

    try:
        for path in write_group(bids_dir, out, on_note=complain):
            typer.echo(printable(path))
    except ScanError as error:
        if not isinstance(error.__cause__, OSError):  # wrong use; else it could not be written
            raise
        complain(str(error))
        raise typer.Exit(1) from None


def _participant(
    items: "list[Item]",
    part: tuple[int, int],
    bids_dir: Path,
    out: Path,
    by: "ReconstructJob | DicomJob | OnDask",
    settings: "RunSettings",
    progress: ItemProgress,
) -> int:
    """Exit code of the run."""
    from ..cohort.bids.derivative import describe, sidecars
    from ..cohort.bids.pages import write_subjects
    from ..healthy.outputs import OUTPUTS
    from ..scan import ScanError

    beside = partial(sidecars, root=bids_dir.absolute(), specs=OUTPUTS)
    settings = replace(settings, beside=beside)
    with steady_stderr(), terminated_as_interrupted():
        try:
            describe(bids_dir, out)
            code = do_batch(items, out, settings, by, progress, part=part)
            write_subjects(out, {item.place.parts[0] for item in items}, on_note=complain)
        except (ScanError, OSError) as error:  # nothing can be written
            complain(str(error))
            code = 1
    return code
