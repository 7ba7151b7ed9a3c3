"""`sanum translate apply`: scans of another contrast."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .. import options as shared
from ..batch import do_each
from ..detect.common import detector_in
from ..messages import complain, harmless
from ..progress import waiting
from ..threads import use_threads
from .fit import TRANSLATOR

if TYPE_CHECKING:
    from ...cohort import Item

EXAMPLE = "Example:  sanum translate apply scan.nii.gz --model flair.safetensors -o out"


def command(
    scans: Annotated[list[Path], typer.Argument(metavar="SCAN...", help="Files, or folders (searched).")],
    output: shared.Output,
    model: Annotated[Path, typer.Option(help="File that sanum translate fit wrote.")],
    contrast: Annotated[
        str | None,
        typer.Option(
            metavar="CONTRAST",
            help="What the scans are, in place of what their files say.",
            rich_help_panel=shared.SCAN,
        ),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Translations that the uncertainty is the spread of. Default: the model's.",
            min=1,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the noise, for methods that draw.", min=0)] = 1,
    overwrite: shared.Overwrite = False,
    device: shared.Device = "cpu",
    threads: shared.Threads = 0,
    quiet: shared.Quiet = False,
    verbose: shared.Verbose = False,
) -> None:
    """Translate SCANs with a model: the image on the scan's grid, an uncertainty map, and a page.

    Uncertainty is the spread over samples of methods that draw, and over
    mirrored and shifted views of the scan for those that do not. Started
    again, it does what is not finished.

    Exit code: 0 all done, 1 some of several scans failed, 2 wrong use, or
    a single scan failed.
    """
    with waiting("starting", quiet=quiet):
        from ...cohort import PlainResources, expand, names_one
        from ...methods.common.translation_job import TranslateJob

    use_threads(threads)
    try:
        translator = detector_in(model, device, TRANSLATOR)
        items = expand(scans, output)
        job = TranslateJob(translator, PlainResources(), contrast, samples, seed)
    except (ValueError, OSError, ModuleNotFoundError) as error:
        complain(str(error))
        raise typer.Exit(2) from None
    do_each(
        job,
        items,
        output,
        _line,
        single=names_one(scans, items),
        noun="scans",
        overwrite=overwrite,
        shown=(quiet, verbose),
    )


def _line(item: "Item", record: dict[str, Any]) -> str:
    way = f"{record['source_contrast']} to {record['target_contrast']}"
    return harmless(f"{item.shown}\t{way}\tmean uncertainty {record['mean_uncertainty']:.3g}")
