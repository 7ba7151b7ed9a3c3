"""`sanum detect fit`: learn what normal images look like."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import options as shared
from ..fit_folder import remove_training, training_folder
from ..messages import complain, harmless
from ..progress import ProgressBar, duration
from . import common

if TYPE_CHECKING:
    from ...data.pictures import PictureSet
    from ...learn.pace import TrainingProgress
    from ...methods.common.detector import Detector
    from ...methods.common.findings import Validation

EXAMPLE = "Example:  sanum detect fit normals/ -o model.safetensors --method cae"
_TASK = "learning"


def command(
    normals: Annotated[
        Path, typer.Argument(help="Folder of normal images, or a CSV file with path, label, group.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="File of the model, .safetensors.")],
    method: Annotated[str, typer.Option(help="Name of a detector, or of one of its recipes.")] = "cae",
    abnormals: Annotated[
        Path | None,
        typer.Option(help="Folder of abnormal images, to choose epoch and threshold by; never learned from."),
    ] = None,
    settings: common.Settings = None,
    window: common.Window = None,
    axis: common.Axis = 2,
    normal: common.Normal = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a model that is there.")] = False,
    device: shared.Device = "cpu",
    quiet: shared.Quiet = False,
) -> None:
    """Learn from NORMALS, hold some out for a threshold, and write the model.

    Near-duplicates, and images of one group, are never on both sides. A
    training that was stopped goes on when the same command is given again.

    Exit code: 0, or 2 if it cannot be done.
    """
    from ...learn.loop import TrainingStopped

    try:
        require_free(output, overwrite=overwrite)
        folder = training_folder(output)
        detector = common.detector_of(
            method, [*common.reading_settings(window, axis), *(settings or [])], device=device
        )
        given = [normals] if abnormals is None else [normals, abnormals]
        found = common.read_set(given, detector.config.reading, normal=normal, near=_near(), quiet=quiet)
        _learn(detector, found, folder, quiet=quiet)
        detector.save(output)
        _show_generator(detector, found, output)
        remove_training(folder)
    except TrainingStopped as stopped:
        complain(str(stopped))
        raise typer.Exit(2) from None
    except (ValueError, OSError, ModuleNotFoundError) as error:
        complain(str(error))
        raise typer.Exit(2) from None
    for note in detector.notes:
        complain(f"note: {note}")
    told = detector.threshold
    if told is not None:
        level = "" if told.level is None else f" at {told.level:g}"
        complain(
            f"threshold {told.value:.6g}, by the rule {told.rule}{level}, of {told.images} images held out"
        )
    typer.echo(harmless(str(output)))


def require_free(output: Path, *, overwrite: bool) -> None:
    """Raise unless a model can be written to a file.

    Parameters
    ----------
    output : Path
        As given by `--output`.
    overwrite : bool
        A model that is there may be replaced.
    """
    if output.suffix != ".safetensors":
        raise ValueError(f"the model is a file that ends in .safetensors, got {output.name}")
    if output.exists() and not overwrite:
        raise FileExistsError(f"{output} exists: pass --overwrite to replace it")


def _near() -> float:
    from ...data.duplicates import NEAR

    return NEAR


def _learn(detector: "Detector", found: "PictureSet", folder: Path, *, quiet: bool) -> None:
    """Fit, with a bar of the steps."""
    normal = [n for n, label in enumerate(found.labels) if label != 1]
    if not normal:
        raise ValueError("all images are labelled abnormal: expected normals to learn from")
    with ProgressBar(_TASK, quiet=quiet) as bar:
        kept, validation = _validation(detector, found, normal)
        detector.fit(
            [found.sources[n] for n in kept],
            groups=[found.groups[n] for n in kept],
            validation=validation,
            on_step=lambda now: bar.update(_TASK, now.step, now.steps, step_line(now)),
            folder=folder,
        )


def _show_generator(detector: "Detector", found: "PictureSet", output: Path) -> None:
    """Write what a generator makes beside the model, and say how like the normals that is."""
    from ...files import whole_file
    from ...methods.common.likeness import in_words, sheet_of

    normals = [source for source, label in zip(found.sources, found.labels, strict=True) if label != 1]
    if (jpeg := sheet_of(detector, normals)) is None:
        return
    path = output.with_suffix(".generated.jpg")
    with whole_file(path) as partial:
        partial.write_bytes(jpeg)
    if told := in_words(detector.choices[detector.choice].facts):
        complain(f"{told}; left in {path.name} what it makes, right normals")


def step_line(now: "TrainingProgress") -> str:
    """What is said of a training after a step.

    Parameters
    ----------
    now : TrainingProgress
        Of the loop.
    """
    losses = ", ".join(f"{name} {value:.4g}" for name, value in now.values.items() if name.endswith("loss"))
    return f"step {now.step}/{now.steps}, {losses}, {duration(now.seconds_left)} left"


def _validation(
    detector: "Detector", found: "PictureSet", normal: list[int]
) -> "tuple[list[int], Validation | None]":
    """Who is learned from, and validation with the abnormals, if there are any."""
    from ...data.folds import hold_out
    from ...methods.common.findings import Validation

    abnormal = [n for n, label in enumerate(found.labels) if label == 1]
    if not abnormal:
        return normal, None
    sick = {found.groups[n] for n in abnormal}
    clean = [n for n in normal if found.groups[n] not in sick]
    kept, held = hold_out(
        [found.groups[n] for n in clean], detector.config.hold_out, seed=detector.config.seed
    )
    chosen = [*(clean[n] for n in held), *(n for n in normal if found.groups[n] in sick), *abnormal]
    labels = [int(found.labels[n] == 1) for n in chosen]
    return [clean[n] for n in kept], Validation([found.sources[n] for n in chosen], labels)
