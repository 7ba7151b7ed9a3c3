"""`sanum register`: scans laid onto another, whatever their contrasts."""

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

EXAMPLE = "Example:  sanum register sub-1_T1w.nii.gz sub-1_FLAIR.nii.gz -o registered"


class InitOption(StrEnum):
    """Where the search starts."""

    both = "both"
    header = "header"
    centre = "centre"


class SimilarityOption(StrEnum):
    """What the search descends."""

    mi = "mi"
    ngf = "ngf"


Fixed = Annotated[Path, typer.Argument(metavar="FIXED", help="The scan that stays where it is.")]
Moving = Annotated[
    list[Path],
    typer.Argument(
        metavar="MOVING...", help="Scans that are laid onto it: files, DICOM, folders (searched)."
    ),
]
Rigid = Annotated[
    bool,
    typer.Option(
        "--rigid", help="Turn and shift alone, for scans of one person.", rich_help_panel=shared.RESULTS
    ),
]
Init = Annotated[
    InitOption,
    typer.Option(
        metavar="WHERE",
        help="Start as the headers say (header), with the centres of both fields of view on each other "
        "(centre), or with both.",
        rich_help_panel=shared.SCAN,
    ),
]
Similarity = Annotated[
    SimilarityOption,
    typer.Option(
        metavar="WHAT",
        help="Look for like statistics of values (mi, mutual information) or for edges in the same places "
        "(ngf, normalised gradients).",
        rich_help_panel=shared.SCAN,
    ),
]


def command(
    fixed: Fixed,
    moving: Moving,
    output: shared.Output,
    rigid: Rigid = False,
    init: Init = InitOption.both,
    similarity: Similarity = SimilarityOption.mi,
    overwrite: shared.Overwrite = False,
    threads: shared.Threads = 0,
    quiet: shared.Quiet = False,
    verbose: shared.Verbose = False,
) -> None:
    """Lay MOVING... onto FIXED: affine, any contrasts, grids and fields of view.

    Of each: the scan on the grid of FIXED, the transform for ITK and ANTs
    (.tfm) and as a matrix (.txt), a picture to check it by, and how sure it
    is. Started again, it does what is not finished.

    Exit code: 0 all done, 1 some of several scans failed, 2 wrong use, or a
    single scan failed.
    """
    with waiting("starting", quiet=quiet):
        from ..cohort import NothingToDo, PlainResources, expand, names_one
        from ..methods import registry
        from ..methods.common.alignment_job import RegisterJob, opened
        from ..scan import ScanError

    use_threads(threads)
    try:
        items = expand(moving, output, b"")
        scan, guide = opened(fixed.absolute()), registry.load("mad")
        job = RegisterJob(scan, rigid, init.value, guide, PlainResources(), similarity.value)
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
        single=names_one(moving, items),
        noun="scans",
        overwrite=overwrite,
        shown=(quiet, verbose),
    )


def _line(item: "Item", record: dict[str, Any]) -> str:
    numbers = (f"{what} {record[what]:.2f}" for what in ("sure", "similarity"))
    return harmless("\t".join((item.shown, *numbers, f"moved {record['moved_mm']:.1f} mm")))
