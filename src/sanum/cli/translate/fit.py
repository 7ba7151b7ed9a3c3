"""`sanum translate fit`: learn how one contrast looks in another."""

from pathlib import Path
from typing import Annotated

import typer

from .. import options as shared
from ..detect.common import Kind, Settings, detector_of
from ..detect.fit import require_free, step_line
from ..fit_folder import remove_training, training_folder
from ..messages import complain, harmless
from ..progress import ProgressBar

EXAMPLE = (
    "Example:  sanum translate fit bids/ --source T1w --target FLAIR -o flair.safetensors --method regression"
)
TRANSLATOR = Kind("translation", "translator")
_READING, _TASK = "reading pairs", "learning"


def command(
    pairs: Annotated[
        Path,
        typer.Argument(
            metavar="PAIRS", help="BIDS data set, or a CSV file with source, target, and if wanted landmarks."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="File of the model, .safetensors.")],
    method: Annotated[
        str, typer.Option(help="Name of a translator, or of one of its recipes: sanum methods lists them.")
    ] = "regression",
    source: Annotated[
        str, typer.Option(metavar="CONTRAST", help="Of the sources: T1w, CT, … Default: as files say.")
    ] = "",
    target: Annotated[
        str, typer.Option(metavar="CONTRAST", help="Of the targets. Default: as files say.")
    ] = "",
    settings: Settings = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a model that is there.")] = False,
    device: shared.Device = "cpu",
    quiet: shared.Quiet = False,
) -> None:
    """Learn from PAIRS of two contrasts, and write the model.

    Both scans of a pair are on one grid, or landmarks of both say how the
    source is laid onto the target. A training that was stopped goes on when
    the same command is given again.

    Exit code: 0, or 2 if it cannot be done.
    """
    from ...data.pairs import find_pairs, read_pair
    from ...learn.loop import TrainingStopped
    from ...methods.common.translation_images import told_of

    try:
        require_free(output, overwrite=overwrite)
        folder = training_folder(output)
        given = [
            *([f"source_contrast={source}"] if source else []),
            *([f"target_contrast={target}"] if target else []),
            *(settings or []),
        ]
        translator = detector_of(method, given, device=device, kind=TRANSLATOR)
        config = translator.config
        files, read = find_pairs(pairs, source, target), []
        lone = sum(one.source is None or one.target is None for one in files)
        if lone and config.pairing == "paired":
            complain(f"scans without a partner, which are left out: {lone}")
        with ProgressBar(_READING, _TASK, quiet=quiet) as bar:
            for n, one in enumerate(files, 1):
                read.append(read_pair(one, source, target, config.use))
                bar.update(_READING, n, len(files), f"read {n} of {len(files)} pairs")
            for pair in read:
                for scan in filter(None, (pair.source, pair.target)):
                    for warning in scan.warnings:
                        complain(f"{pair.name}: {warning}")
            for told in told_of(config.frame, next(s for p in read for s in (p.source, p.target) if s).grid):
                complain(f"of the first scan: {told}")
            translator.fit(
                read,
                folder=folder,
                on_step=lambda now: bar.update(_TASK, now.step, now.steps, step_line(now)),
            )
        translator.save(output)
        remove_training(folder)
    except (TrainingStopped, ValueError, OSError, ModuleNotFoundError) as error:
        complain(str(error))
        raise typer.Exit(2) from None
    for pair in read:
        if pair.residual_mm == pair.residual_mm:
            complain(
                f"{pair.name}: landmarks lie {pair.residual_mm:.2f} mm apart on the mean, and leave the "
                f"rotation about their line open by {pair.turn_sd_deg:.1f}° (standard deviation)"
            )
    first, second = translator.contrasts
    complain(f"learned {first} to {second} from {translator.about['scans']} scans")
    typer.echo(harmless(str(output)))
