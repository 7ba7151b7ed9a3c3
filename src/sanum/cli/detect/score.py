"""`sanum detect score`: which images are abnormal, and where."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import options as shared
from ..batch import show_each, terminated_as_interrupted
from ..messages import complain, harmless, steady_stderr
from ..progress import ItemProgress, waiting
from . import common

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...cohort import Item
    from ...methods.common.scorer import PictureScorer

EXAMPLE = "Example:  sanum detect score images/ --model model.safetensors -o scored"


def command(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGES...", help="Files, or folders (searched).")],
    output: shared.Output,
    model: Annotated[Path, typer.Option(help="File that sanum detect fit wrote.")],
    threshold: Annotated[float | None, typer.Option(help="Another threshold than the model's.")] = None,
    settings: common.Rescoring = None,
    report: Annotated[bool, typer.Option(help="Write report.html, one page about all images.")] = True,
    overwrite: shared.Overwrite = False,
    device: shared.Device = "cpu",
    shard: shared.Shard = None,
    quiet: shared.Quiet = False,
) -> None:
    """Score IMAGES with a model: scores.tsv, a page, a map and an overlay of each.

    Maps are TIFF files; of a volume, NIfTI on its grid. Raw scores are kept
    beside what the threshold makes of them; with --set for other scores, the
    model's threshold is left out. Started again, it does what is
    not finished; what failed is in failed.tsv.

    Exit code: 0 all done, 1 some of several images failed, 2 wrong use, or
    a single image failed.
    """
    score_all(
        images,
        output,
        partial(common.detector_in, model, device, common.DETECTOR, threshold, settings),
        "detect",
        report=report,
        overwrite=overwrite,
        shard=shard,
        quiet=quiet,
    )


def score_all(
    images: list[Path],
    output: Path,
    load: "Callable[[], PictureScorer]",
    group: str,
    *,
    report: bool,
    overwrite: bool,
    shard: str | None,
    quiet: bool,
) -> None:
    """Score files, as `sanum detect score` and `sanum classify score` do.

    Parameters
    ----------
    images : list of Path
        As given.
    output : Path
        The output folder.
    load : function
        Gives what scores.
    group : str
        "detect" or "classify".
    report : bool
        As given by `--report`.
    overwrite : bool
        As given by `--overwrite`.
    shard : str or None
        As given by `--shard`.
    quiet : bool
        No progress.
    """
    with waiting("starting", quiet=quiet):
        from ...cohort import PlainResources, RunSettings, RunSummary, part_of, run, shard_of
        from ...methods.common.detector_job import JOBS, TABLES, is_volume
        from ...scan.errors import ScanError

    try:
        detector = load()
        items = picture_items(images, output)
        part = part_of(shard, len(items), on_note=complain)
    except (ValueError, OSError, ModuleNotFoundError) as error:
        complain(str(error))
        raise typer.Exit(2) from None
    resources = PlainResources()
    jobs = {bool(n): job(detector, resources) for n, job in enumerate(JOBS[group])}
    chosen = shard_of(items, *part)
    single = len(items) == 1
    summary = RunSummary(chosen, part, output, TABLES, resources=resources)
    with (
        steady_stderr(),
        terminated_as_interrupted(),
        ItemProgress(len(chosen), quiet=quiet) as progress,
    ):
        try:
            for volumes, job in jobs.items():
                own = [item for item in chosen if is_volume(item.path) == volumes]
                work = run(own, output, job, RunSettings(overwrite=overwrite))
                show_each(work, summary, progress, _line)
        finally:
            try:
                summary.write()
            except ScanError as error:
                complain(str(error))
                raise typer.Exit(2) from None
    failed = summary.states["failed"]
    if report:
        with waiting("writing the report", quiet=quiet):
            page = _write_page(detector, group, images, items, output, failed)
        if page and not quiet:
            complain(f"report: {page}")
    if failed:
        complain(f"{failed} of {len(chosen)} images failed: see {output / 'failed.tsv'}")
        raise typer.Exit(2 if single else 1)


def _write_page(
    detector: "PictureScorer",
    group: str,
    images: list[Path],
    items: "list[Item]",
    output: Path,
    failed: int,
) -> Path | None:
    """Write report.html about every item that has a record, whichever run or shard made it."""
    from ...cohort.record import DamagedRecord, read_record
    from ...files import whole_file
    from ...methods.common.detector_page import ScoredImage, score_page
    from ...methods.common.saving import record_name

    rows = []
    for item in items:
        try:
            record = read_record(output / item.place / record_name(item.stem), ("score",))
        except DamagedRecord:
            continue
        if record and record.get("score") is not None:
            above = (given for given in images if given in item.path.parents)
            folder = next((one.resolve().name for one in above), "")
            rows.append(ScoredImage(item.shown, folder, item.path, record))
    if not rows:
        return None
    with whole_file(output / "report.html") as partial:
        partial.write_text(score_page(detector, rows, failed, group), encoding="utf-8")
    return output / "report.html"


def picture_items(images: list[Path], output: Path) -> "list[Item]":
    """Every picture that paths name, and where its results go.

    Parameters
    ----------
    images : list of Path
        Files, or folders.
    output : Path
        Not searched.

    Raises
    ------
    ScanError
        A path that is not there, or a folder without pictures.
    """
    from ...cohort import Item
    from ...cohort.inputs import told_apart
    from ...data.pictures import files_in
    from ...scan.names import folder_name

    found = []
    several = sum(given.is_dir() for given in images) > 1  # images of one name are then told apart
    for given in images:
        for path in files_in(given):
            if output.absolute() in path.absolute().parents:
                continue
            place = folder_name(path.parent.relative_to(given)) if given.is_dir() else Path()
            if several and given.is_dir():
                place = folder_name(Path(given.resolve().name)) / place
            found.append(Item(path, place))
    return told_apart(dict.fromkeys(found))


def _line(item: "Item", record: dict[str, object]) -> str:
    abnormal = {1: "abnormal", 0: "normal"}.get(record.get("abnormal"), "n/a")  # type: ignore[call-overload]
    return harmless(f"{item.shown}\t{record.get('score'):.6g}\t{abnormal}")
