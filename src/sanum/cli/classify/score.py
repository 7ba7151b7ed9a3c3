"""`sanum classify score`: the probability that an image is abnormal, and what speaks for it."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from .. import options as shared
from ..detect import common
from ..detect.score import score_all

EXAMPLE = "Example:  sanum classify score images/ --model model.safetensors -o scored"


def command(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGES...", help="Files, or folders (searched).")],
    output: shared.Output,
    model: Annotated[Path, typer.Option(help="File that sanum classify fit wrote.")],
    threshold: Annotated[float | None, typer.Option(help="Another threshold than 0.5.")] = None,
    settings: common.Rescoring = None,
    report: Annotated[bool, typer.Option(help="Write report.html, one page about all images.")] = True,
    overwrite: shared.Overwrite = False,
    device: shared.Device = "cpu",
    shard: shared.Shard = None,
    quiet: shared.Quiet = False,
) -> None:
    """Classify IMAGES with a model: scores.tsv, a page, a class-activation map and an overlay of each.

    The score is the probability of abnormal. Started again, it does what is
    not finished; what failed is in failed.tsv.

    Exit code: 0 all done, 1 some of several images failed, 2 wrong use, or
    a single image failed.
    """
    score_all(
        images,
        output,
        partial(common.detector_in, model, device, common.CLASSIFIER, threshold, settings),
        "classify",
        report=report,
        overwrite=overwrite,
        shard=shard,
        quiet=quiet,
    )
