"""`sanum classify fit`: learn from normal and abnormal images."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .. import options as shared
from ..detect import common
from ..detect.fit import require_free, step_line
from ..fit_folder import remove_training, training_folder
from ..messages import complain, harmless
from ..progress import ProgressBar

if TYPE_CHECKING:
    from ...data.pictures import PictureSet

EXAMPLE = "Example:  sanum classify fit normals/ abnormals/ -o model.safetensors"
_TASK = "learning"

Data = Annotated[
    list[Path],
    typer.Argument(
        metavar="DATA...", help="Folders of normals and of abnormals, or a CSV file with path, label, group."
    ),
]
Method = Annotated[str, typer.Option(help="Name of a classifier, or of one of its recipes.")]


def command(
    data: Data,
    output: Annotated[Path, typer.Option("--output", "-o", help="File of the model, .safetensors.")],
    method: Method = "classifier",
    settings: common.Settings = None,
    window: common.Window = None,
    axis: common.Axis = 2,
    normal: common.Normal = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a model that is there.")] = False,
    device: shared.Device = "cpu",
    quiet: shared.Quiet = False,
) -> None:
    """Learn from DATA, hold some of both classes out to choose the epoch, and write the model.

    Near-duplicates, and images of one group, are never on both sides. A
    training that was stopped goes on when the same command is given again.

    Exit code: 0, or 2 if it cannot be done.
    """
    from ...data.duplicates import NEAR
    from ...evaluation.detection.protocol import require_labels
    from ...learn.loop import TrainingStopped

    try:
        require_free(output, overwrite=overwrite)
        folder = training_folder(output)
        classifier = common.detector_of(
            method,
            [*common.reading_settings(window, axis), *(settings or [])],
            device=device,
            kind=common.CLASSIFIER,
        )
        found = common.read_set(data, classifier.config.reading, normal=normal, near=NEAR, quiet=quiet)
        require_labels(found, "a classifier")
        _learn(classifier, found, folder, quiet=quiet)
        classifier.save(output)
        remove_training(folder)
    except (TrainingStopped, ValueError, OSError, ModuleNotFoundError) as error:
        complain(str(error))
        raise typer.Exit(2) from None
    for note in classifier.notes:
        complain(f"note: {note}")
    facts = classifier.choices[classifier.choice].facts
    complain(
        f"validation loss {facts['validation_loss']:.4g} and AUC {facts['auc']:.3f} after step "
        f"{facts['step']:.0f}, of {classifier.threshold.images} images held out"
    )
    typer.echo(harmless(str(output)))


def _learn(classifier: Any, found: "PictureSet", folder: Path, *, quiet: bool) -> None:
    """Fit, with a bar of the steps."""
    with ProgressBar(_TASK, quiet=quiet) as bar:
        classifier.fit(
            found.sources,
            found.labels,
            groups=found.groups,
            on_step=lambda now: bar.update(_TASK, now.step, now.steps, step_line(now)),
            folder=folder,
        )
