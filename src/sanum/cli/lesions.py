"""`sanum lesions`: tables of the lesions of masks."""

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

EXAMPLE = "Example:  sanum lesions sub-1_desc-lesion_mask.nii.gz --scan sub-1_FLAIR.nii.gz -o lesions"

Masks = Annotated[
    list[Path], typer.Argument(metavar="MASK...", help="Masks, or maps of probabilities: files.")
]
OfScan = Annotated[
    Path | None,
    typer.Option(
        "--scan",
        metavar="SCAN",
        help="The scan on whose grid the masks lie. From its healthy anatomy come the place in MNI space, "
        "the side, and the brightness against white matter.",
        rich_help_panel=shared.SCAN,
    ),
]
Mni = Annotated[
    bool,
    typer.Option(
        "--mni",
        help="The masks lie in MNI space, though neither their names (space-MNI) nor their headers say so.",
        rich_help_panel=shared.SCAN,
    ),
]
Previous = Annotated[
    Path | None,
    typer.Option(
        metavar="MASK",
        help="Of the only MASK's previous visit: also list which lesions are new, grown, shrunk, vanished or "
        "stable.",
        rich_help_panel=shared.SCAN,
    ),
]
PreviousScan = Annotated[
    Path | None,
    typer.Option(
        metavar="SCAN",
        help="The scan on whose grid --previous lies: --scan is laid onto it. Without it, both masks lie in "
        "one world.",
        rich_help_panel=shared.SCAN,
    ),
]
Threshold = Annotated[
    float,
    typer.Option(metavar="P", help="A voxel counts above it.", rich_help_panel=shared.RESULTS),
]
MinVolume = Annotated[
    float,
    typer.Option(metavar="ML", help="Leave smaller lesions out.", min=0, rich_help_panel=shared.RESULTS),
]


def command(
    masks: Masks,
    output: shared.Output,
    scan: OfScan = None,
    mni: Mni = False,
    previous: Previous = None,
    previous_scan: PreviousScan = None,
    threshold: Threshold = 0.5,
    min_volume: MinVolume = 0.0,
    overwrite: shared.Overwrite = False,
    device: shared.Device = "auto",
    threads: shared.Threads = 0,
    quiet: shared.Quiet = False,
    verbose: shared.Verbose = False,
) -> None:
    """List the lesions of MASK...: one row each, with size, form, place and brightness.

    Of each mask: a table (_lesions.tsv), what its columns mean (.json), and
    the mask with the lesions' numbers. Started again, it does what is not
    finished.

    Exit code: 0 all done, 1 some of several masks failed, 2 wrong use, or a
    single mask failed.
    """
    with waiting("starting", quiet=quiet):
        from ..cohort import NothingToDo, PlainResources, expand, names_one
        from ..healthy.lesions_job import Counted, LesionsJob, read_mask
        from ..healthy.memory import PredictorResources
        from ..healthy.visits_job import Earlier, VisitsJob
        from ..learn.devices import resolve_device
        from ..methods import registry
        from ..scan import ScanError, read

    use_threads(threads)
    try:
        _require_sense(len(masks), scan, previous, previous_scan)
        if not (0 <= threshold < float("inf") and 0 <= min_volume < float("inf")):
            raise ValueError("--threshold and --min-volume are numbers of 0 or more")
        items = expand(masks, output, b"")
        seen = None if scan is None else read(scan.absolute())
        with waiting("loading the network", quiet=quiet or seen is None):
            predictor = None if seen is None else registry.load(device=resolve_device(device))
        resources = PlainResources() if predictor is None else PredictorResources(predictor)
        how = Counted(threshold, min_volume, mni), seen, predictor, resources
        if previous is None:
            job = LesionsJob(*how)
        else:
            before = None if previous_scan is None else read(previous_scan.absolute())
            guide = None if before is None else registry.load(name="mad")
            job = VisitsJob(*how, Earlier(read_mask(previous.absolute()), previous, before), guide)
    except NothingToDo as nothing:
        complain(str(nothing))
        return
    except (ScanError, ValueError, OSError, MemoryError) as error:
        complain(str(error))
        raise typer.Exit(2) from None
    do_each(
        job,
        items,
        output,
        _line,
        single=names_one(masks, items),
        noun="masks",
        overwrite=overwrite,
        shown=(quiet, verbose),
    )


def _require_sense(count: int, scan: Path | None, previous: Path | None, previous_scan: Path | None) -> None:
    if previous is None and previous_scan is not None:
        raise ValueError("--previous-scan goes with --previous, the mask that lies on it")
    if previous_scan is not None and scan is None:
        raise ValueError("--previous-scan goes with --scan, which is laid onto it")
    if previous is not None and count != 1:
        raise ValueError("--previous goes with one mask: start sanum once for each pair of visits")


def _line(item: "Item", record: dict[str, Any]) -> str:
    from ..metrics.lesion_changes import STATES

    for warning in record["warnings"]:
        complain(f"{item.shown}: {warning}")
    words = [item.shown, f"lesions {record['lesions']}", f"{record['lesions_ml']:.3f} mL"]
    words += [f"{state} {record[state]}" for state in STATES if state in record]
    return harmless("\t".join(words))
