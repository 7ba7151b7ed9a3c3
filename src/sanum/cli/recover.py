"""`sanum recover`: moving images of undersampled k-space."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import options as shared
from .batch import do_each
from .messages import complain, harmless
from .progress import waiting
from .threads import use_threads

if TYPE_CHECKING:
    from ..cohort import Item

EXAMPLE = "Example:  sanum recover heart.h5 -o out --method unet-xf --estimate-maps"


class RecoverMethod(StrEnum):
    """How a movie is made of few lines."""

    zero_filled = "zero-filled"
    view_sharing = "view-sharing"
    sense = "sense"
    kt_sense = "kt-sense"
    low_rank = "low-rank"
    unet_xf = "unet-xf"
    unet_xt = "unet-xt"
    cascade_xf = "cascade-xf"
    complementary = "complementary"
    multicoil_xf = "multicoil-xf"


def command(
    raws: Annotated[
        list[Path],
        typer.Argument(metavar="RAW...", help="ISMRMRD or HDF5 (.h5), .npz, or folders (searched)."),
    ],
    output: shared.Output,
    method: Annotated[
        RecoverMethod | None,
        typer.Option(help="How the movie is made; default kt-sense, or the network of --weights."),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="A network of sanum train kt-…", rich_help_panel=shared.COMPUTING),
    ] = None,
    estimate_maps: Annotated[
        bool,
        typer.Option(
            "--estimate-maps",
            help="Estimate the coils' sensitivities (ESPIRiT), in place of those in the file.",
            rich_help_panel=shared.SCAN,
        ),
    ] = False,
    training: Annotated[
        Path | None,
        typer.Option(
            help="Raw data of low resolution, fully sampled: the prior of kt-sense.",
            rich_help_panel=shared.SCAN,
        ),
    ] = None,
    frame_ms: Annotated[
        float | None,
        typer.Option(
            metavar="MS", help="Time from frame to frame, where the file does not say it.", min=0.01
        ),
    ] = None,
    overwrite: shared.Overwrite = False,
    device: shared.Device = "cpu",
    threads: shared.Threads = 0,
    quiet: shared.Quiet = False,
    verbose: shared.Verbose = False,
) -> None:
    """Make a movie of each RAW: a 4-D NIfTI with its timing, a GIF, and a page with an x-t profile.

    K-space is of slices, with named axes. Started again, it does what is not
    finished.

    Exit code: 0 all done, 1 some of several files failed, 2 wrong use, or a
    single file failed.
    """
    with waiting("starting", quiet=quiet):
        from ..cohort import PlainResources, expand, names_one
        from ..data.raw import raw_files
        from ..learn.devices import resolve_device
        from ..methods import registry
        from ..methods.recovery.kt.job import RecoverJob

    use_threads(threads)
    try:
        items = expand(raw_files(raws), output)
        recoverer = registry.load("kt", weights=weights, device=resolve_device(device))
        chosen = _chosen(method, weights, recoverer.given)
        resources = PlainResources(need=lambda path: 12 * path.stat().st_size)
        job = RecoverJob(recoverer, chosen, resources, estimate_maps, training, frame_ms)
        job.check()
    except (ValueError, OSError, ModuleNotFoundError) as error:
        complain(str(error))
        raise typer.Exit(2) from None
    do_each(
        job,
        items,
        output,
        _line,
        single=names_one(raws, items),
        noun="files",
        overwrite=overwrite,
        shown=(quiet, verbose),
    )


def _chosen(method: RecoverMethod | None, weights: str | None, network: str) -> str:
    """Name of the method: as asked, or what the weights are of."""
    if weights is None:
        return "kt-sense" if method is None else method.value
    if method is not None and method.value != network:
        raise ValueError(f"{weights} holds the network {network}: leave --method {method.value} out")
    return network


def _line(item: "Item", record: dict[str, Any]) -> str:
    frames, times = record["frames"], record["acceleration"]
    return harmless(f"{item.shown}\t{frames:.0f} frames\tacceleration {times:.1f}")
