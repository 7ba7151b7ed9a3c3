"""`sanum detect score`: which images are abnormal, and where."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import options as shared
from ..batch import terminated_as_interrupted
from ..messages import complain, harmless, steady_stderr
from ..progress import ItemProgress, waiting

if TYPE_CHECKING:
    from ...cohort import Item
    from ...methods.common.detector import Detector

EXAMPLE = "Example:  sanum detect score images/ --model model.safetensors -o scored"


def command(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGES...", help="Files, or folders (searched).")],
    output: shared.Output,
    model: Annotated[Path, typer.Option(help="File that sanum detect fit wrote.")],
    threshold: Annotated[float | None, typer.Option(help="Another threshold than the model's.")] = None,
    overwrite: shared.Overwrite = False,
    device: shared.Device = "cpu",
    shard: shared.Shard = None,
    quiet: shared.Quiet = False,
) -> None:
    """Score IMAGES with a model: scores.tsv, a map (TIFF) and an overlay (PNG) of each.

    Raw scores are kept beside what the threshold makes of them. Started
    again, it does what is not finished; what failed is in failed.tsv.

    Exit code: 0 all done, 1 some of several images failed, 2 wrong use, or
    a single image failed.
    """
    with waiting("starting", quiet=quiet):
        from ...cohort import PlainResources, RunSettings, RunSummary, part_of, run, shard_of
        from ...methods.common.detector_job import TABLES, ScoreJob

    try:
        detector = _load(model, device)
        if threshold is not None:
            detector.threshold = threshold
        items = _items(images, output)
        part = part_of(shard, len(items), on_note=complain)
    except (ValueError, OSError, ModuleNotFoundError) as error:
        complain(str(error))
        raise typer.Exit(2) from None
    job = ScoreJob(detector, PlainResources())
    chosen = shard_of(items, *part)
    single = len(items) == 1
    summary = RunSummary(chosen, part, output, TABLES, resources=job.resources)
    with (
        steady_stderr(),
        terminated_as_interrupted(),
        ItemProgress(len(chosen), quiet=quiet) as progress,
    ):
        try:
            for outcome in run(chosen, output, job, RunSettings(overwrite=overwrite)):
                summary.add(outcome)
                with progress.hidden():
                    seconds = outcome.seconds if outcome.state == "done" else None
                    progress.ended(outcome.item.shown, outcome.state, seconds)
                    if outcome.reason:
                        complain(outcome.reason)
                    elif outcome.record:
                        typer.echo(_line(outcome.item, outcome.record))
        finally:
            summary.write()
    if failed := summary.states["failed"]:
        complain(f"{failed} of {len(chosen)} images failed: see {output / 'failed.tsv'}")
        raise typer.Exit(2 if single else 1)


def _load(model: Path, device: str) -> "Detector":
    """The detector of a file, whatever its method."""
    from ...learn.devices import resolve_device
    from ...methods import registry
    from ...weights.file import WeightsError, load_weights

    header = load_weights(model)[1]
    name = str(header.get("method"))
    known = [method.name for method in registry.METHODS if method.task == "anomaly2d"]
    if name not in known:
        raise WeightsError(f"{model.name} holds weights of {name}: expected a detector of 2-D images")
    loaded: Detector = registry.load(name, device=resolve_device(device), weights=model.absolute())
    return loaded


def _items(images: list[Path], output: Path) -> "list[Item]":
    from ...cohort import Item
    from ...cohort.inputs import told_apart
    from ...data.pictures import files_in
    from ...scan.names import folder_name

    found = []
    for given in images:
        for path in files_in(given):
            if output.absolute() in path.absolute().parents:
                continue
            place = folder_name(path.parent.relative_to(given)) if given.is_dir() else Path()
            found.append(Item(path, place))
    return told_apart(dict.fromkeys(found))


def _line(item: "Item", record: dict[str, object]) -> str:
    abnormal = {1: "abnormal", 0: "normal"}.get(record.get("abnormal"), "n/a")  # type: ignore[call-overload]
    return harmless(f"{item.shown}\t{record.get('score'):.6g}\t{abnormal}")
