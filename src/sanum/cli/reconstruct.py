"""`sanum reconstruct`: the main job for one scan or many."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from . import options as shared
from .batch import Options, do_batch, load_job, on_dask, terminated_as_interrupted
from .messages import complain, steady_stderr
from .options import Composition, in_bytes

EXAMPLE = "Example:  sanum reconstruct sub-1_T1w.nii.gz sub-1_FLAIR.nii.gz -o out/"


class SpaceOption(StrEnum):
    """Grid of the outputs."""

    input = "input"
    one_mm = "1mm"


class Contrast(StrEnum):
    """What a scan is: a BIDS suffix."""

    t1w = "T1w"
    t2w = "T2w"
    flair = "FLAIR"
    pdw = "PDw"
    ct = "CT"


class Executor(StrEnum):
    """Who does the work."""

    here = "here"
    dask = "dask"


Scans = Annotated[
    list[Path],
    typer.Argument(
        metavar="SCAN...",
        help="NIfTI, MGH/MGZ, NRRD, MHA, or a DICOM folder; a folder of scans (searched), "
        "a list of paths (.tsv), or - for paths on standard input.",
    ),
]
Compose = Annotated[
    Composition,
    typer.Option(
        help="The predicted anatomy; of a T1w also its own healthy tissue, only the anomaly replaced; "
        "or the predicted anatomy with the anomaly put back."
    ),
]

Threads = Annotated[int, typer.Option(help="CPU threads; 0: all, on Dask a worker's own cores.", min=0)]
Memory = Annotated[
    float | None,
    typer.Option(
        help="Memory that may be used, in GB (of Dask by each worker): the network then runs in slabs, "
        "or on the CPU, and larger scans fail. Default: what is free, as a goal.",
        min=0.1,
    ),
]
Volume = Annotated[int | None, typer.Option(help="Which volume of a 4D image, counted from 0.", min=0)]
Kind = Annotated[
    Contrast | None,
    typer.Option(
        help="What the scan is, if its name, its tags and its values are wrong.", case_sensitive=False
    ),
]


def command(
    scans: Scans,
    output: shared.Output,
    space: Annotated[
        SpaceOption, typer.Option(help="Grid of the results: the scan's own, or 1 mm isotropic.")
    ] = SpaceOption.input,
    compose: Compose = Composition.anatomy,
    device: shared.Device = "auto",
    threads: Threads = 0,
    mem_gb: Memory = None,
    volume: Volume = None,
    contrast: Kind = None,
    weights: shared.Weights = None,
    shard: shared.Shard = None,
    executor: Annotated[
        Executor, typer.Option(help="This process, or the workers of Dask (pip install 'sanum[cluster]').")
    ] = Executor.here,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler; default: --workers of this machine.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Dask processes on this machine.", min=1)] = 2,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Write the HTML reports.")] = True,
    overwrite: shared.Overwrite = False,
    quiet: shared.Quiet = False,
) -> None:
    """Reconstruct the healthy anatomy behind SCAN..., with an anomaly map and an uncertainty map.

    Started again, it does what is not finished. Exit code: 0 all done, 1 some of several scans failed or
    were left to another run, 2 wrong use or a single scan that failed.
    """
    from ..cohort import ClusterError, RunSettings, expand, names_one, part_of, shard_of
    from ..scan import ScanError

    options: Options = (
        space.value,
        compose.value,
        {"volume": volume, "contrast": contrast.value if contrast else None},
    )
    how = (device, threads, weights, mem_gb, options)
    try:
        items = expand(scans, output, _read_stdin() if Path("-") in scans else b"")
        part = part_of(shard, len(items), on_note=complain)
        if executor is Executor.here and scheduler is not None:
            raise ValueError("--scheduler goes with --executor dask")
        by = (
            load_job(*how)
            if executor is Executor.here
            else on_dask(*how, scheduler=scheduler, workers=workers)
        )
    except (ScanError, ValueError, OSError, MemoryError) as error:
        complain(str(error) or "not enough memory to load the network")
        raise typer.Exit(2) from None
    single = names_one(scans, items)
    settings = RunSettings(
        overwrite=overwrite,
        without=() if report else ("report",),
        keep_failures=not single,
        memory=in_bytes(mem_gb),
    )
    with steady_stderr(), terminated_as_interrupted():
        try:
            code = do_batch(
                shard_of(items, *part), output, settings, by, part=part, single=single, quiet=quiet
            )
        except ClusterError as error:
            complain(str(error))
            code = 2
    if code:
        raise typer.Exit(code)


def _read_stdin() -> bytes:
    if sys.stdin is None:
        raise ValueError(
            "- stands for paths on standard input, which is closed: pipe them in, or name a list"
        )
    return sys.stdin.buffer.read()
