"""`sanum segment apply`: where the structures of a scan are."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .. import options as shared
from ..batch import show_each, terminated_as_interrupted
from ..messages import complain, harmless, steady_stderr
from ..progress import ItemProgress, waiting

if TYPE_CHECKING:
    from ...cohort import Item
    from ...methods.segmentation.nisf.job import Asked

EXAMPLE = (
    "Example:  sanum segment apply scan.nii.gz --model heart.safetensors -o out --spacing 1 --slices 0,2,4"
)


def command(
    scans: Annotated[list[Path], typer.Argument(metavar="SCAN...", help="Files, or folders (searched).")],
    output: shared.Output,
    model: Annotated[Path, typer.Option(help="File that sanum segment fit wrote.")],
    spacing: Annotated[
        str, typer.Option(metavar="MM", help="Voxels of the result: 1, or 1,1,2. Default: the scan's grid.")
    ] = "",
    slices: Annotated[
        str, typer.Option(metavar="0,2,4", help="Slices that are looked at, of the third axis. Default: all.")
    ] = "",
    beyond: Annotated[
        float, typer.Option(metavar="MM", help="Go on beyond both ends of the stack.", min=0)
    ] = 0.0,
    frame: Annotated[
        Path | None,
        typer.Option(help="A scan of the whole stack, where SCAN is a part or a plane of it."),
    ] = None,
    weights_too: Annotated[
        bool, typer.Option("--weights-too", help="Fit a copy of the network's weights to the scan as well.")
    ] = False,
    overwrite: shared.Overwrite = False,
    device: shared.Device = "cpu",
    quiet: shared.Quiet = False,
) -> None:
    """Segment SCANs with a model: label map, probabilities, a surface of each structure and a picture.

    A latent is fitted to the image alone, and then asked at every voxel of
    the result, be it between slices or beyond them. Of a cycle (4-D) every
    time is asked, and the volumes are drawn over it.

    Exit code: 0 all done, 1 some of several scans failed, 2 wrong use, or
    a single scan failed.
    """
    with waiting("starting", quiet=quiet):
        from ...cohort import PlainResources, RunSettings, RunSummary, expand, run
        from ...learn.devices import resolve_device
        from ...methods.segmentation.nisf.job import CycleJob, SegmentJob, open_segmenter
        from ...methods.segmentation.nisf.stacks import times_in

    try:
        segmenter = open_segmenter(model, resolve_device(device))
        asked = _asked(spacing, slices, beyond, frame, weights_too=weights_too)
        items = expand(scans, output)
    except (ValueError, OSError, ModuleNotFoundError) as error:
        complain(str(error))
        raise typer.Exit(2) from None

    def line(item: "Item", record: dict[str, Any]) -> str:
        volumes = (f"{n} {record[f'{n}_ml']:.1f} ml" for n in segmenter.structures.names)
        return harmless("\t".join([item.shown, *volumes]))

    resources = PlainResources()
    jobs = {False: SegmentJob(segmenter, resources, asked), True: CycleJob(segmenter, resources, asked)}
    summary = RunSummary(items, (1, 1), output, jobs[False].tables, resources=resources)
    with steady_stderr(), terminated_as_interrupted(), ItemProgress(len(items), quiet=quiet) as progress:
        try:
            for cycles, job in jobs.items():
                own = [item for item in items if (times_in(item.path) > 1) == cycles]
                settings = RunSettings(overwrite=overwrite)
                work = run(
                    own, output, job, settings, on_step=lambda item, step: progress.step(item.shown, step)
                )
                show_each(work, summary, progress, line)
        finally:
            summary.write()
    if failed := summary.states["failed"]:
        complain(f"{failed} of {len(items)} scans failed: see {output / 'failed.tsv'}")
        raise typer.Exit(2 if len(items) == 1 else 1)


def _asked(spacing: str, slices: str, beyond: float, frame: Path | None, *, weights_too: bool) -> "Asked":
    from ...methods.segmentation.nisf.job import Asked
    from ...scan.maps import read_map

    try:
        sizes = tuple(float(part) for part in spacing.split(",")) if spacing else ()
    except ValueError:
        sizes = (0.0,)
    if len(sizes) not in (0, 1, 3) or not all(0 < size < float("inf") for size in sizes):
        raise ValueError(f'--spacing is one length in mm or three, such as 1 or 1,1,2, got "{spacing}"')
    parts = [part.strip() for part in slices.split(",")] if slices else []
    if not all(part.isdecimal() for part in parts):
        raise ValueError(f'--slices are numbers from 0, such as 0,2,4, got "{slices}"')
    chosen = tuple(int(part) for part in parts) if slices else None
    grid = None if frame is None else read_map(frame).grid
    return Asked(sizes, chosen, beyond, weights_too, grid)
