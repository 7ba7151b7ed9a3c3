"""`sanum bids`: a BIDS-App."""

import importlib.util
import os
import tempfile
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from .messages import Progress, complain, steady_stderr
from .reconstruct import Run, in_bytes, load, part_of, share, terminated_as_interrupted

if TYPE_CHECKING:
    from ..cohort import Item

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
        int, typer.Option(help="Processes; more than one need Dask (pip install 'sanum[bids]').", min=1)
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
    shard: Annotated[
        str | None, typer.Option(help="Part i/n of the scans, from 1; auto: of a SLURM array's task.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:n or mps.")] = "auto",
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="Other weights than the shipped ones: a file, or a name of sanum weights list.",
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace results that exist; without it, finished scans are kept."),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress, only results and errors.")
    ] = False,
) -> None:
    """Reconstruct every anatomical scan of BIDS_DIR, or write the page of all results.

    Started again, it does what is not finished. Exit code: 0 all done, 1 some scans failed, 2 wrong use.
    """
    from ..cohort import shard_of
    from ..cohort.bids.dataset import processes_within, select
    from ..cohort.bids.derivative import require_own
    from ..cohort.bids.filters import read_queries
    from ..scan import ScanError

    try:
        if bids_dir.resolve() == out.resolve():
            raise ScanError("OUT is BIDS_DIR: choose another folder, such as BIDS_DIR/derivatives/sanum")
        if level is Level.group:
            if any((participant_label, session_label, bids_filter_file, shard)):
                raise ScanError("group takes all results in OUT: leave labels, filters and shards out")
            _group(bids_dir, out)
            return
        items = select(
            bids_dir, participants=participant_label or (), sessions=session_label or (),
            queries=read_queries(bids_filter_file, tell=complain) if bids_filter_file else None,
            tell=complain,
        )  # fmt: skip
        require_own(out)
        part = part_of(shard, len(items))
        items = shard_of(items, *part)
        if not items:
            complain("note: this part has no scans, because there are more parts than scans")
            return
        processes = processes_within(items, nprocs, mem_gb)
        if processes < min(nprocs, len(items)):
            complain(f"note: {processes} of {nprocs} processes, so that memory stays below {mem_gb:g} GB")
        if processes > 1 and importlib.util.find_spec("distributed") is None:
            raise ScanError("--nprocs above 1 needs Dask: pip install 'sanum[bids]'")
        if work is not None:
            work.mkdir(parents=True, exist_ok=True)
            tempfile.tempdir = os.environ["TMPDIR"] = str(work.absolute())
        each_gb = mem_gb and mem_gb / processes
        _participant(
            items, part, bids_dir, out, processes, device, weights, each_gb, overwrite=overwrite, quiet=quiet
        )
    except (ScanError, ValueError, OSError, MemoryError) as error:
        complain(str(error) or "not enough memory to load the network")
        raise typer.Exit(2) from None


def _group(bids_dir: Path, out: Path) -> None:
    from ..cohort.bids.group import write_group
    from ..scan import ScanError
    from ..scan.names import printable

    try:
        for path in write_group(bids_dir, out, tell=complain):
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
    processes: int,
    device: str,
    weights: str | None,
    mem_gb: float | None,
    *,
    overwrite: bool,
    quiet: bool,
) -> None:
    from ..cohort import Settings, run, run_on_dask
    from ..cohort.bids.derivative import describe, sidecars
    from ..cohort.bids.pages import write_subjects
    from ..scan import ScanError
    from ..weights.store import resolve

    predictor = load(device, 0 if processes == 1 else share(processes), weights, mem_gb)
    settings = Settings(
        overwrite=overwrite, memory=in_bytes(mem_gb), beside=partial(sidecars, root=bids_dir.absolute())
    )
    code = 0
    with steady_stderr(), terminated_as_interrupted(), Progress(len(items), quiet=quiet) as progress:
        try:
            describe(bids_dir, out)
            if processes > 1:
                how = (device, share(processes), weights and resolve(weights).absolute(), mem_gb)
                work = run_on_dask(items, out, load, how, settings, workers=processes)
            else:
                work = run(
                    items, out, predictor, settings,
                    on_step=lambda item, step: progress.step(item.path.name, step),
                )  # fmt: skip
            try:
                Run(items, part, out, predictor, single=False).all(work, progress)
            except typer.Exit as left:
                code = left.exit_code
            write_subjects(out, {item.place.parts[0] for item in items}, tell=complain)
        except (ScanError, OSError) as error:  # nothing can be written
            complain(str(error))
            code = 1
    if code:
        raise typer.Exit(code)
