"""`sanum segment fit`: learn shapes from labelled scans."""

from pathlib import Path
from typing import Annotated

import typer

from .. import options as shared
from ..detect.common import Settings
from ..detect.fit import require_free, step_line
from ..fit_folder import remove_training, training_folder
from ..messages import complain, harmless
from ..progress import ProgressBar

EXAMPLE = "Example:  sanum segment fit data/ -o heart.safetensors --labels 1=rv,2=myocardium,3=lv"
_READING, _TASK = "reading scans", "learning"


def command(
    data: Annotated[Path, typer.Argument(help="Folder with images/ and labels/, files of the same names.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File of the model, .safetensors.")],
    labels: Annotated[
        str,
        typer.Option(
            metavar="N=NAME,...",
            help="Names of the labels; others are then an error. Default: all there are.",
        ),
    ] = "",
    recipe: Annotated[str, typer.Option(help="nisf, or nisf-faithful with the authors' settings.")] = "nisf",
    settings: Settings = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a model that is there.")] = False,
    device: shared.Device = "cpu",
    quiet: shared.Quiet = False,
) -> None:
    """Learn from DATA, choose how long latents are fitted on subjects held out, and write the model.

    Scans may be stacks of slices, or cycles (4-D); labels below 0 mean that
    nothing is known there. A training that was stopped goes on when the same
    command is given again.

    Exit code: 0, or 2 if it cannot be done.
    """
    from ...learn.devices import resolve_device
    from ...learn.loop import TrainingStopped
    from ...methods.segmentation.nisf.predict import load
    from ...methods.segmentation.nisf.stacks import pairs_in, read_stack

    try:
        require_free(output, overwrite=overwrite)
        folder = training_folder(output)
        given = [*([f"labels={labels}"] if labels else []), *(settings or [])]
        segmenter = load(device=resolve_device(device), recipe=recipe).with_settings(*given)
        pairs, stacks = pairs_in(data), []
        with ProgressBar(_READING, _TASK, quiet=quiet) as bar:
            for n, (image, known) in enumerate(pairs, 1):
                stacks.append(read_stack(image, known))
                bar.update(_READING, n, len(pairs), f"read {n} of {len(pairs)} scans")
            segmenter.fit(
                stacks,
                folder=folder,
                on_step=lambda now: bar.update(_TASK, now.step, now.steps, step_line(now)),
            )
        segmenter.save(output)
        remove_training(folder)
    except (TrainingStopped, ValueError, OSError, ModuleNotFoundError) as error:
        complain(str(error))
        raise typer.Exit(2) from None
    curve = segmenter.curves[segmenter.config.latent.weights_too]
    if curve:
        steps, best = max(curve, key=lambda at: at[1])
        held = len(segmenter.about["held_out"])
        complain(f"{steps} latent steps, mean Dice {best:.3f} on {held} scans held out")
    else:
        complain(
            f"note: too few subjects to hold some out, so {segmenter.steps()} latent steps were not validated"
        )
    typer.echo(harmless(str(output)))
