"""`sanum generate`: a data set of scans with known anomalies."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from . import options as shared
from .messages import complain
from .progress import ProgressBar
from .threads import use_threads

if TYPE_CHECKING:
    from ..space.box import Box
    from ..synth.contrast import Preset
    from ..synth.corrupt import Level
    from ..synth.dataset import GenerateSettings
    from ..synth.params import Draws, Skull
    from ..synth.source import Source

EXAMPLE = (
    "Example:  sanum generate ../shared/data/ixi --lesions ../shared/data/lesions -o made -n 100 --seed 1"
)
PRESETS = ("t1w", "t1ce", "t2w", "flair", "pd", "dwi", "adc", "ct", "free")
DRAWS = ("usual", "published", "world")
DRAWN = (
    "usual; published: poses as in the paper (±15°, shear and scale 0.2); world: old heads, shading, mass "
    "effect, lesions of the white matter and tumours too."
)
FIELD_OF_VIEW_MM = (160, 192, 160)
SKULLS: dict[str, "Skull"] = {"whole": "on", "stripped": "off"}
LEVELS = ("none", "mild", "medium", "severe")


def command(
    source: Annotated[
        Path,
        typer.Argument(
            help="Folder of T1w with labels (BIDS with derivatives, FreeSurfer's), or FreeSurfer labels of "
            "whole heads: a *_dseg.nii.gz, or a folder of these."
        ),
    ],
    output: Annotated[Path, shared.folder("Folder of the new data set.")],
    count: Annotated[int, typer.Option("--count", "-n", help="Samples in all.", min=1)] = 1,
    seed: Annotated[int, typer.Option(help="Decides every sample.", min=0)] = 0,
    lesions: Annotated[Path | None, typer.Option(help="Folder of lesion masks in MNI space.")] = None,
    preset: Annotated[str | None, typer.Option(help=f"{', '.join(PRESETS)}; default: drawn.")] = None,
    level: Annotated[str | None, typer.Option(help=f"{', '.join(LEVELS)}; default: drawn.")] = None,
    spacing: Annotated[float, typer.Option(help="Voxels of the samples, mm.", min=0.5, max=8.0)] = 2.0,
    size: Annotated[
        int | None, typer.Option(help="Voxels along each axis; default: 160×192×160 mm.", min=16, max=512)
    ] = None,
    draws: Annotated[str, typer.Option(help=DRAWN)] = "usual",
    labels: shared.Labels = "",
    hold_out: shared.HoldOut = "",
    ignore_unknown: shared.IgnoreUnknown = False,
    test_set: Annotated[
        bool,
        typer.Option(
            "--test-set",
            help="SOURCE is the folder that training takes (ixi/, lesions/): a set from what no training "
            "saw, each subject in turn, always with an anomaly.",
        ),
    ] = False,
    as_scanned: Annotated[
        str | None,
        typer.Option(help=f"{' or '.join(SKULLS)}: each subject in its own pose, so; default: drawn."),
    ] = None,
    healthy: Annotated[
        float | None,
        typer.Option(help="Share without an anomaly; default 0.15, in a test set 0.", min=0, max=1),
    ] = None,
    replay: Annotated[
        Path | None, typer.Option(help="JSON of a generated scan: make that one again, bit by bit.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes.", min=1)] = 1,
    threads: Annotated[int, typer.Option(help="CPU threads of a single process; 0: all.", min=0)] = 0,
    quiet: shared.Quiet = False,
) -> None:
    """Make COUNT scans of random modality from SOURCE, each with its healthy T1w, anomaly and parameters.

    Started again, it goes on; any number of workers gives the same files.
    """
    _require_known(preset=preset, level=level, draws=draws, as_scanned=as_scanned)
    from ..scan.errors import ScanError
    from ..synth.dataset import GenerateSettings
    from ..synth.dataset import replay as again
    from ..synth.source import Source

    use_threads(threads)
    place = Source(source, lesions, output / ".cache", ignore_unknown, labels=labels)
    try:
        if test_set:
            place = _held_out(source, place, hold_out)
        elif hold_out:
            raise ValueError("--hold-out says who is in a test set: give --test-set with it, or leave it out")
        if replay is not None:
            typer.echo(str(again(replay, place, output)))
            return
        settings = GenerateSettings(
            seed,
            cast("Preset | None", preset),
            cast("Level | None", level),
            _box(size, spacing),
            cast("Draws", draws),
            healthy=healthy if healthy is not None else 0.0 if test_set else 0.15,
            in_turn=test_set,
            as_scanned=SKULLS[as_scanned] if as_scanned else None,
        )
        _generate(place, output, settings, count=count, workers=workers, quiet=quiet)
    except (ValueError, OSError, ScanError) as error:
        complain(str(error))
        raise typer.Exit(2) from None
    typer.echo(str(output))


def _require_known(**words: str | None) -> None:
    """Leave with exit code 2 at a word that is not known."""
    all_known = {"preset": PRESETS, "level": LEVELS, "draws": DRAWS, "as_scanned": tuple(SKULLS)}
    for name, known in all_known.items():
        value = words[name]
        if value is not None and value not in known:
            complain(f'unknown {name.replace("_", "-")} "{value}": known are {", ".join(known)}')
            raise typer.Exit(2)


def _box(size: int | None, spacing_mm: float) -> "Box":
    from ..space.box import Box

    x, y, z = (size,) * 3 if size else (round(mm / spacing_mm) for mm in FIELD_OF_VIEW_MM)
    return Box((x, y, z), spacing_mm)


def _generate(
    source: "Source", output: Path, settings: "GenerateSettings", *, count: int, workers: int, quiet: bool
) -> None:
    from ..data.split import notes_on_grids
    from ..synth.dataset import generate

    for note in notes_on_grids(source.pairs()):
        complain(note)
    with ProgressBar("heads", "samples", quiet=quiet) as bar:
        generate(
            source,
            output,
            settings,
            count=count,
            workers=workers,
            on_sample=lambda n, of: bar.update("samples", n, of, f"{n} of {of} samples"),
            on_prepare=lambda n, of: bar.update("heads", n, of, f"{n} of {of} heads prepared"),
        )


def _held_out(data: Path, place: "Source", hold_out: str) -> "Source":
    """Heads and lesion masks of the data folder that no training sees."""
    from ..data.split import SubjectsConfig, root_of, split_masks, split_subjects

    if place.lesions is not None:
        raise ValueError(f"--test-set takes the lesion masks of {data / 'lesions'}: leave --lesions out")
    heads = split_subjects(data, SubjectsConfig(place.labels, hold_out))[1]
    masks = split_masks(data)[1]
    only = (*(t1w for t1w, _ in heads), *masks)
    return replace(place, root=root_of(data), lesions=data / "lesions" if masks else None, only=only)
