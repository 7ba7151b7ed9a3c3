"""`sanum reconstruct`: the main job for one scan or many."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import options as shared
from .batch import Options, do_batch, load_job, on_dask, scheduler_at, terminated_as_interrupted
from .messages import complain, steady_stderr
from .options import Composition, in_bytes
from .progress import ItemProgress, waiting

if TYPE_CHECKING:
    from ..clinic.objects import DicomOptions

EXAMPLE = "Example:  sanum reconstruct sub-1_T1w.nii.gz sub-1_FLAIR.nii.gz -o out/"


class SpaceOption(StrEnum):
    """Grid of the outputs."""

    input = "input"
    one_mm = "1mm"


class MapsOption(StrEnum):
    """Which maps are written."""

    usual = "usual"
    all = "all"


def _contrast(word: str) -> str:
    """The contrast that a word means, or a refusal that lists the words."""
    from ..scan.contrast import CONTRASTS
    from ..scan.contrast_words import contrast_named

    named = contrast_named(word)
    if named not in CONTRASTS:
        raise typer.BadParameter(f"expected {', '.join(CONTRASTS)}, got {word!r}")
    return named


class Executor(StrEnum):
    """Who does the work."""

    here = "here"
    dask = "dask"


Scans = Annotated[
    list[Path],
    typer.Argument(
        metavar="SCAN...",
        help="NIfTI, MGH/MGZ, NRRD, MHA, or DICOM (folder, file or .zip); a folder of scans "
        "(searched), a list of paths (.tsv), or - for paths on standard input.",
    ),
]
Space = Annotated[
    SpaceOption,
    typer.Option(
        metavar="GRID",
        help="Grid of the results: input, the scan's own; or 1mm, isotropic.",
        rich_help_panel=shared.RESULTS,
    ),
]
Compose = Annotated[
    Composition,
    typer.Option(
        metavar="WHAT",
        help="anatomy: as predicted; keep-healthy: of a T1w its own healthy tissue, only the anomaly "
        "replaced; keep-lesion: as predicted, with the anomaly put back.",
        rich_help_panel=shared.RESULTS,
    ),
]
Maps = Annotated[
    MapsOption,
    typer.Option(
        metavar="WHICH",
        help="usual; or all: also the two witnesses of an anomaly, the network's own map and the "
        "scan's departure from its healthy anatomy.",
        rich_help_panel=shared.RESULTS,
    ),
]
Dicom = Annotated[
    bool,
    typer.Option(
        "--dicom",
        help="Also a folder of DICOM objects on the planes of a DICOM SCAN: segmentation, maps, healthy T1w, "
        "structured report and page (pip install 'sanum\\[clinic]').",
        rich_help_panel=shared.RESULTS,
    ),
]
OmitEmpty = Annotated[
    bool,
    typer.Option(
        "--omit-empty-frames",
        help="Leave planes without anomaly out of the DICOM segmentation.",
        rich_help_panel=shared.RESULTS,
    ),
]
Report = Annotated[
    bool,
    typer.Option("--report/--no-report", help="Write the HTML reports.", rich_help_panel=shared.RESULTS),
]
Threads = Annotated[
    int,
    typer.Option(
        metavar="N",
        help="CPU threads; 0: all, on Dask a worker's own cores.",
        min=0,
        rich_help_panel=shared.COMPUTING,
    ),
]
Memory = Annotated[
    float | None,
    typer.Option(
        metavar="GB",
        help="Memory that may be used (of Dask by each worker): the network then runs in slabs, "
        "or on the CPU, and larger scans fail. Default: what is free, as a goal.",
        min=0.1,
        rich_help_panel=shared.COMPUTING,
    ),
]
Volume = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Which volume of a 4D image, counted from 0.",
        min=0,
        rich_help_panel=shared.SCAN,
    ),
]
Kind = Annotated[
    str | None,
    typer.Option(
        metavar="KIND",
        help="What the scan is, whatever its name, header and values say: T1w, T1wCE (with contrast "
        "agent), T2w, FLAIR, PD, DWI, ADC or CT; unknown: take it for nothing.",
        parser=_contrast,
        rich_help_panel=shared.SCAN,
    ),
]
LesionMask = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="The lesion of the only SCAN, where it is known: a mask on its grid. What the scan shows in it "
        "is not looked at, and the anomaly is 1.",
        rich_help_panel=shared.SCAN,
    ),
]
By = Annotated[
    Executor,
    typer.Option(
        metavar="WHO",
        help="here: this process; dask: workers of Dask (pip install 'sanum\\[cluster]').",
        rich_help_panel=shared.MANY,
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Of a Dask scheduler; default: --workers of this machine.",
        rich_help_panel=shared.MANY,
    ),
]
Certificate = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="With the certificate and key of that scheduler.",
        rich_help_panel=shared.MANY,
    ),
]
Workers = Annotated[
    int,
    typer.Option(metavar="N", help="Dask processes on this machine.", min=1, rich_help_panel=shared.MANY),
]


def command(
    scans: Scans,
    output: shared.Output,
    space: Space = SpaceOption.input,
    compose: Compose = Composition.anatomy,
    maps: Maps = MapsOption.usual,
    report: Report = True,
    dicom: Dicom = False,
    omit_empty_frames: OmitEmpty = False,
    overwrite: shared.Overwrite = False,
    volume: Volume = None,
    contrast: Kind = None,
    mask: LesionMask = None,
    series: shared.Series = None,
    skip_damaged: shared.SkipDamaged = False,
    force: shared.Force = False,
    fast: shared.Fast = False,
    device: shared.Device = "auto",
    threads: Threads = 0,
    mem_gb: Memory = None,
    weights: shared.Weights = None,
    shard: shared.Shard = None,
    executor: By = Executor.here,
    scheduler: Scheduler = None,
    certificate: Certificate = None,
    workers: Workers = 2,
    quiet: shared.Quiet = False,
    verbose: shared.Verbose = False,
) -> None:
    """Reconstruct the healthy anatomy behind SCAN..., with an anomaly map and an uncertainty map.

    Started again, it does what is not finished.

    Exit code: 0 all done, and so is an empty list; 1 some of several scans
    failed or were left to another run; 2 wrong use, or a single scan failed.
    """
    with waiting("starting", quiet=quiet):
        from ..cohort import ClusterError, NothingToDo, RunSettings, expand, names_one, part_of, shard_of
        from ..healthy.outputs import left_out
        from ..scan import ScanError
        from ..scan.read import Reading

    reading = Reading(volume=volume, contrast=contrast, series=series, skip_damaged=skip_damaged)
    try:
        mask, wanted = mask and mask.absolute(), _dicom(dicom, omit_empty_frames, skip_damaged)
        options: Options = (space.value, compose.value, reading, force, mask, fast, wanted)
        how = (device, threads, weights, mem_gb, options)
        listed = _read_stdin() if Path("-") in scans else b""
        items = expand(scans, output, listed, one_a_folder=series is not None)
        _require_one(mask, len(items))
        part = part_of(shard, len(items), on_note=complain)
        here, at = executor is Executor.here, scheduler_at(scheduler, certificate)
        if here and scheduler is not None:
            raise ValueError("--scheduler goes with --executor dask")
        if certificate is not None and scheduler is None:
            raise ValueError("--certificate goes with --scheduler")
        with waiting("loading the network", quiet=quiet):
            by = load_job(*how) if here else on_dask(*how, scheduler=at, workers=workers)
    except NothingToDo as nothing:
        complain(str(nothing))
        return
    except (ScanError, ValueError, OSError, MemoryError) as error:
        complain(str(error) or "not enough memory to load the network")
        raise typer.Exit(2) from None
    single = names_one(scans, items)
    settings = RunSettings(
        overwrite=overwrite,
        without=left_out(maps=maps.value, report=report),
        keep_failures=not single,
        memory=in_bytes(mem_gb),
    )
    with steady_stderr(), terminated_as_interrupted():
        try:
            chosen = shard_of(items, *part)
            with ItemProgress(len(chosen), quiet=quiet, verbose=verbose) as progress:
                code = do_batch(chosen, output, settings, by, progress, part=part, single=single)
        except ClusterError as error:
            complain(str(error))
            code = 2
    raise typer.Exit(code)


def _dicom(dicom: bool, omit_empty_frames: bool, skip_damaged: bool) -> "DicomOptions | None":
    """Choices of DICOM results; None: none are wanted."""
    if not dicom:
        if omit_empty_frames:
            raise ValueError("--omit-empty-frames goes with --dicom")
        return None
    if skip_damaged:
        raise ValueError("--dicom goes without --skip-damaged: DICOM results are made of whole series")
    from ..clinic.objects import DicomOptions

    return DicomOptions(omit_empty_frames)


def _require_one(mask: Path | None, count: int) -> None:
    """One scan, and a mask that can be read: said before the network is loaded."""
    from ..scan.maps import read_map

    if mask is None:
        return
    if count != 1:
        raise ValueError("--mask goes with one scan: start sanum once for each scan that has a mask")
    read_map(mask)


def _read_stdin() -> bytes:
    if sys.stdin is None:
        raise ValueError(
            "- stands for paths on standard input, which is closed: pipe them in, or name a list"
        )
    return sys.stdin.buffer.read()
