"""`sanum translate evaluate`: translations against the scans that they should be."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import options as shared
from ..detect.common import Kind, detector_in
from ..measuring import measuring, tell_measured
from ..messages import complain
from ..progress import ProgressBar, waiting
from ..threads import use_threads
from .fit import TRANSLATOR

if TYPE_CHECKING:
    from ...evaluation.tasks.translation import (
        Measuring,
        ModelOnPairs,
        TableBaseline,
        ThresholdFinder,
        TrainedFinder,
    )
    from ...methods.common.translator import Translator

EXAMPLE = "Example:  sanum translate evaluate tested/ --model flair.safetensors --threshold 250 -o measured"
SEGMENTER = Kind("segmentation", "segmenter")
_READING, _TASK = "reading pairs", "translating"


class ThresholdSide(StrEnum):
    """Where what a threshold looks for lies."""

    above = "above"
    below = "below"


Models = Annotated[
    list[Path],
    typer.Option(
        "--model",
        metavar="[NAME=]FILE",
        help="That sanum translate fit wrote; may be given again. Others are tested against the first.",
    ),
]
Train = Annotated[
    Path | None,
    typer.Option(
        metavar="PAIRS",
        help="What the baselines learn from. Default: of each person, from the others of PAIRS.",
    ),
]
Threshold = Annotated[
    float | None,
    typer.Option(help="What is beyond it is compared by Dice; in the target's unit, HU of a CT."),
]
Segmenter = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="In place of a threshold: of sanum segment fit, fitted to scans of the target's contrast.",
    ),
]
Peak = Annotated[
    float | None,
    typer.Option(
        "--range",
        metavar="RANGE",
        help="Peak of PSNR and SSIM. Default: each target's own range, 2000 HU of a CT.",
    ),
]


def command(
    pairs: Annotated[
        Path, typer.Argument(metavar="PAIRS", help="BIDS data set or CSV file, as of sanum translate fit.")
    ],
    output: Annotated[Path, shared.folder("Folder for numbers, tables and figure.")],
    model: Models,
    train: Train = None,
    threshold: Threshold = None,
    side: Annotated[ThresholdSide, typer.Option(help="Where that lies.")] = ThresholdSide.above,
    segmenter: Segmenter = None,
    peak: Peak = None,
    source: Annotated[
        str, typer.Option(metavar="CONTRAST", help="What the sources are, in place of what files say.")
    ] = "",
    target: Annotated[
        str, typer.Option(metavar="CONTRAST", help="What the targets are, in place of what files say.")
    ] = "",
    seed: Annotated[int, typer.Option(help="Of the noise, for methods that draw.", min=0)] = 1,
    device: shared.Device = "cpu",
    threads: shared.Threads = 0,
    quiet: shared.Quiet = False,
) -> None:
    """Measure models on PAIRS: cases.csv, tables.md, tables.json, figure.png.

    PSNR, SSIM and mean absolute error inside of the body, and Dice of what a
    threshold or a segmenter finds there, thin parts apart; beside the mean
    target and a table of intensities. Take PAIRS that no model has seen.

    Started again, it goes on where it was interrupted, and adds models.

    Exit code: 0 all done, 1 some pair could not be measured (listed in the
    tables), 2 wrong use.
    """
    with waiting("starting", quiet=quiet):
        from ...evaluation import measure, write_results
        from ...evaluation.tasks.translation import ContrastTranslation, find_pair_cases, first_look

    use_threads(threads)
    with measuring():
        models = _models(model, device)
        finder = _finder(threshold, side, segmenter, device)
        how = _measuring(models, (source, target), finder, peak, seed)
        cases, lone = find_pair_cases(pairs, how)
        told = find_pair_cases(train, how)[0] if train else []
        if lone:
            complain(f"scans without a partner, which are left out: {lone}")
        with ProgressBar(_READING, _TASK, quiet=quiet) as bar:
            look = first_look(
                cases, told, lambda n, of: bar.update(_READING, n, of, f"read {n} of {of} pairs")
            )
            for warning in look.warnings:
                complain(warning)
            methods: dict[str, ModelOnPairs | TableBaseline] = {**models, **look.baselines}
            task = ContrastTranslation(look.largest)
            done = measure(
                task, cases, methods, output, on_case=lambda n, of, what: bar.update(_TASK, n, of, what)
            )
        _tell_missing(baselines=bool(look.baselines), finder=finder is not None)
        paths = write_results(task, output, next(iter(methods)))
    tell_measured(done.failed, paths)


def _tell_missing(*, baselines: bool, finder: bool) -> None:
    if not baselines:
        complain(
            "the mean target and the table of intensities are left out: all pairs are of one person, and "
            "baselines learn from others; name pairs of others with --train"
        )
    if not finder:
        complain("nothing is looked for in the images, so there is no Dice: give --threshold or --segmenter")


def _models(given: list[Path], device: str) -> "dict[str, ModelOnPairs]":
    """Models by the name that the tables show: NAME, or that of the file; all of the same contrasts."""
    from ...evaluation.tasks.translation import BASELINES, ModelOnPairs

    found: dict[str, ModelOnPairs] = {}
    for words in given:
        name, _, file = ("", "", str(words)) if words.exists() else str(words).rpartition("=")
        path, label = Path(file), name or Path(file).stem
        if label in found or label in BASELINES:
            raise ValueError(
                f'two rows would be called "{label}": name one, such as --model mine={path.name}'
            )
        translator: Translator = detector_in(path, device, TRANSLATOR)
        first = next(iter(found.values())).translator if found else translator
        if translator.contrasts != first.contrasts:
            here, there = (" to ".join(one.contrasts) for one in (translator, first))
            raise ValueError(
                f"{path.name} translates {here}, and the first model {there}: measure them apart"
            )
        found[label] = ModelOnPairs(translator)
    return found


def _finder(
    threshold: float | None, side: ThresholdSide, segmenter: Path | None, device: str
) -> "ThresholdFinder | TrainedFinder | None":
    from ...evaluation.tasks.translation import ThresholdFinder, TrainedFinder

    if threshold is not None and segmenter is not None:
        raise ValueError("choose --threshold or --segmenter: Dice is of what one of both finds")
    if segmenter is not None:
        return TrainedFinder(detector_in(segmenter, device, SEGMENTER))
    return None if threshold is None else ThresholdFinder(threshold, side.value)


def _measuring(
    models: "dict[str, ModelOnPairs]",
    given: tuple[str, str],
    finder: "ThresholdFinder | TrainedFinder | None",
    peak: float | None,
    seed: int,
) -> "Measuring":
    from ...evaluation.tasks.translation import Measuring
    from ...scan.contrast_words import contrast_named

    if peak is not None and not 0 < peak < float("inf"):
        raise ValueError(f"--range is a number above 0, in the target's unit, got {peak:g}")
    name, first = next((name, model.translator) for name, model in models.items())
    for word, contrast, which in zip(given, first.contrasts, ("sources", "targets"), strict=True):
        if word and (contrast_named(word) or word) != contrast:
            way = " to ".join(first.contrasts)
            raise ValueError(
                f"{name} translates {way}, and the {which} are said to be {word}: choose a model"
            )
    return Measuring(*first.contrasts, *given, finder, peak, seed, first.config.use)
