"""What the commands of `sanum detect` share: options, pictures that are read, detectors with settings."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..messages import complain
from ..progress import ProgressBar

if TYPE_CHECKING:
    from ...data.pictures import PictureSet
    from ...scan.read_picture import PictureReading

Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="Another value in the configuration, as key=value; may be given again."),
]
Rescoring = Annotated[
    list[str] | None,
    typer.Option("--set", help="Another map, or way to a score, as key=value; may be given again."),
]
Window = Annotated[
    str | None,
    typer.Option(metavar="CENTRE,WIDTH", help="Intensities that are shown, such as 40,80 for a brain's CT."),
]
Axis = Annotated[int, typer.Option(help="Of the slices of a volume.", min=0, max=2)]
Normal = Annotated[
    str, typer.Option(metavar="WORD", help="The label of a table that means normal, where it is not clear.")
]
_READING = "reading pictures"


@dataclass(frozen=True)
class Kind:
    """What a group of commands fits and scores with.

    Parameters
    ----------
    task : str
        Of its methods.
    what : str
        One of them, as a sentence calls it.
    """

    task: str
    what: str


DETECTOR = Kind("anomaly2d", "detector of 2-D images")
CLASSIFIER = Kind("classification", "classifier of 2-D images")


def detector_of(name: str, settings: list[str], *, device: str, kind: Kind = DETECTOR) -> Any:
    """A detector that has learned nothing.

    Parameters
    ----------
    name : str
        Of a method, or of one of its recipes.
    settings : list of str
        As given by `--set`.
    device : str
        As given by `--device`.
    kind : Kind
        Of the command.

    Raises
    ------
    ValueError
        No detector of that name; no such setting; no such device; private steps, which are of `sanum train`.
    """
    from ...learn.devices import resolve_device
    from ...methods import registry

    method, _ = registry.find_recipe(name)
    if method.task != kind.task:
        known = ", ".join(m.name for m in registry.METHODS if m.task == kind.task)
        raise ValueError(f'"{name}" is no {kind.what}: known are {known}')
    made = registry.load(name, device=resolve_device(device)).with_settings(*settings)
    if (step := getattr(made.config, "step", None)) is not None:
        step.require_plain()  # before pictures are read
    return made


def detector_in(
    model: Path,
    device: str,
    kind: Kind = DETECTOR,
    threshold: float | None = None,
    settings: list[str] | None = None,
) -> Any:
    """The detector of a file, whatever its method.

    Parameters
    ----------
    model : Path
        That `sanum detect fit` wrote.
    device : str
        As given by `--device`.
    kind : Kind
        Of the command.
    threshold : float, optional
        As given by `--threshold`: another than the model's.
    settings : list of str, optional
        As given by `--set`: of the map, or of the way to a score.

    Raises
    ------
    WeightsError
        Missing, damaged, or of another task.
    ValueError
        No such device; a setting that decides what is learned.
    """
    from ...learn.devices import resolve_device
    from ...methods import registry
    from ...weights.file import WeightsError, load_weights

    header = load_weights(model)[1]
    name = str(header.get("method"))
    known = [method.name for method in registry.METHODS if method.task == kind.task]
    if name not in known:
        raise WeightsError(f"{model.name} holds weights of {name}: expected a {kind.what}")
    made = registry.load(name, device=resolve_device(device), weights=model.absolute())
    if settings:
        made = made.rescored(*settings)
    if threshold is not None:
        made.threshold = threshold
    return made


def reading_settings(window: str | None, axis: int) -> list[str]:
    """Settings of reading, as `--set` takes them.

    Parameters
    ----------
    window : str or None
        As given by `--window`.
    axis : int
        As given by `--axis`.
    """
    found = [] if window is None else [f"reading.window={window}"]
    return [*found, f"reading.axis={axis}"] if axis != 2 else found


def read_set(
    data: list[Path], reading: "PictureReading", *, normal: str = "", near: float | None, quiet: bool
) -> "PictureSet":
    """Every picture of DATA, read once; what cannot be read, and what is odd, is said.

    Parameters
    ----------
    data : list of Path
        As given.
    reading : PictureReading
        Choices.
    normal : str
        As given by `--normal`.
    near : float or None
        As of `data.pictures.load_pictures`.
    quiet : bool
        No progress.
    """
    from ...data.pictures import find_pictures, load_pictures

    entries = find_pictures(data, normal=normal)
    with ProgressBar(_READING, quiet=quiet) as bar:
        found = load_pictures(
            entries,
            reading,
            near=near,
            on_picture=lambda n: bar.update(
                _READING, n, len(entries), f"read {n} of {len(entries)} pictures"
            ),
        )
    for _, reason in found.failed:
        complain(f"left out: {reason}")
    for note in found.notes:
        complain(f"note: {note}")
    return found
