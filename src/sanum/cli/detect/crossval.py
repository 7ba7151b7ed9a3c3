"""`sanum detect crossval`: how good detectors are on one's own images, without a leak."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .. import options as shared
from ..batch import terminated_as_interrupted
from ..messages import complain, harmless, steady_stderr
from ..progress import ItemProgress, waiting
from . import common

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...data.folds import Split
    from ...data.pictures import PictureSet
    from ...evaluation.detection.job import CrossvalJob
    from ...evaluation.detection.summary import SummaryRow
    from ...evaluation.detection.write import Wording
    from ...methods.common.detector import Detector

EXAMPLE = "Example:  sanum detect crossval normals/ abnormals/ -o out --method cae --method ssae"
BASELINES = ("intensity", "pca")
CHANNELS = ("picture.grey", "picture.channels")


def command(
    data: Annotated[
        list[Path],
        typer.Argument(
            metavar="DATA...",
            help="Folders of normals and of abnormals, or a CSV file with path, label, group.",
        ),
    ],
    output: Annotated[Path, shared.folder("Folder for folds, runs and tables.")],
    method: Annotated[
        list[str] | None,
        typer.Option(help="Name of a detector or recipe; may be given again. Baselines are always there."),
    ] = None,
    normal_folds: Annotated[int, typer.Option(help="Folds of the normals.", min=3)] = 5,
    abnormal_folds: Annotated[int, typer.Option(help="Folds of the abnormals.", min=2)] = 2,
    seed: Annotated[int, typer.Option(help="Of the folds.", min=0)] = 0,
    grouped: Annotated[
        bool,
        typer.Option(
            "--grouped/--ungrouped",
            help="Keep groups and near-duplicates on one side; --ungrouped gives the published indices.",
        ),
    ] = True,
    settings: common.Settings = None,
    window: common.Window = None,
    axis: common.Axis = 2,
    normal: common.Normal = "",
    overwrite: shared.Overwrite = False,
    device: shared.Device = "cpu",
    shard: shared.Shard = None,
    quiet: shared.Quiet = False,
) -> None:
    """Measure detectors by cross-validation: crossval.html, .md, .csv and .json, and a record of each run.

    No abnormal is learned from; epoch and threshold are chosen on
    validation; the test set is scored once. Started again, it does what is
    not finished.

    Exit code: 0 all done, 1 some run failed or was left to another, 2 wrong
    use.
    """
    with waiting("starting", quiet=quiet):
        from ...cohort import PlainResources
        from ...evaluation.detection.job import TRAININGS, CrossvalJob
        from ...evaluation.detection.protocol import folds_of, write_manifests
        from ...evaluation.detection.summary import summarize
        from ...evaluation.detection.write import DETECTORS, runs_in
        from ...learn.overrides import flat

    try:
        detectors = _detectors(method or [], settings or [], common.reading_settings(window, axis), device)
        reading = next(iter(detectors.values())).config.reading
        found = common.read_set(data, reading, normal=normal, near=_near(), quiet=quiet)
        if not all(one.config.picture.grey for one in detectors.values()):
            found.require_same_channels()
        counts = {"normal_folds": normal_folds, "abnormal_folds": abnormal_folds}
        folds = folds_of(found, **counts, seed=seed, grouped=grouped)
        manifests = write_manifests(found, folds, output)
        files, resources = {entry.id: entry.at for entry in found.entries}, PlainResources()
        jobs = {
            name: CrossvalJob(name, one.with_settings, files, resources, output / TRAININGS)
            for name, one in detectors.items()
        }
        complete = run_folds(jobs, manifests, output, shard=shard, overwrite=overwrite, quiet=quiet)
        runs = {name: told for name, told in runs_in(output, list(detectors), folds).items() if told}
        about: dict[str, Any] = {
            "protocol": {**counts, "seed": seed, "grouped": grouped},
            "configurations": {name: flat(one.config) for name, one in detectors.items()},
        }
        with waiting("writing the report", quiet=quiet):
            written = write_all(output, summarize(found, folds, runs), runs, found, folds, about, DETECTORS)
        for path in written:
            typer.echo(harmless(str(path)))
    except (ValueError, OSError, ModuleNotFoundError) as error:
        complain(str(error))
        raise typer.Exit(2) from None
    if not complete:
        raise typer.Exit(1)


def write_all(
    output: Path,
    rows: "Sequence[SummaryRow]",
    runs: "Mapping[str, Sequence[Mapping[str, Any]]]",
    found: "PictureSet",
    folds: "Sequence[Split]",
    about: "Mapping[str, Any]",
    wording: "Wording",
) -> list[Path]:
    """Write tables and page; returns their paths.

    Parameters
    ----------
    output : Path
        The output folder.
    rows : sequence of SummaryRow
        Of the tables.
    runs : mapping of sequences
        What each run said, by method.
    found : PictureSet
        The data set.
    folds : sequence of Split
        Of the protocol.
    about : mapping
        Plain values of the protocol.
    wording : Wording
        Of the protocol.
    """
    from ...evaluation.detection.page import crossval_page, galleries_in, write_page
    from ...evaluation.detection.write import numbers_of_data, write_summary_files

    written = write_summary_files(output, rows, found, folds, about, wording)
    pictures = galleries_in(output, list(runs), folds)
    told = {**numbers_of_data(found, folds), "protocol": about["protocol"]}
    html = crossval_page(rows, runs, pictures, told, wording)
    return [*written, write_page(output, html)]


def _near() -> float:
    from ...data.duplicates import NEAR

    return NEAR


def _detectors(
    names: list[str], settings: list[str], reading: list[str], device: str
) -> "dict[str, Detector]":
    """Detectors by the name in the tables, the baselines last; a setting is for those that know its key.

    Baselines take only what says which channels there are: they must be able to see what the others see.
    """
    from ...learn.overrides import flat

    found: dict[str, Detector] = {}
    used = set()
    for name in dict.fromkeys([*names, *BASELINES]):
        plain = common.detector_of(name, [], device=device)
        known = flat(plain.config) if name in names else CHANNELS
        own = [s for s in settings if s.partition("=")[0].strip() in known]
        used.update(own)
        found[name] = plain.with_settings(*reading, *own)
    if unknown := [s for s in settings if s not in used]:
        common.detector_of(
            names[0] if names else BASELINES[0], unknown[:1], device=device
        )  # says what is known
    return found


def run_folds(
    jobs: "Mapping[str, CrossvalJob]",
    manifests: list[Path],
    output: Path,
    *,
    shard: str | None,
    overwrite: bool,
    quiet: bool,
) -> bool:
    """Do every run that is not finished; whether all are.

    Parameters
    ----------
    jobs : mapping of CrossvalJob
        By the name in the tables.
    manifests : list of Path
        Of the folds.
    output : Path
        The output folder.
    shard : str or None
        As given by `--shard`.
    overwrite : bool
        As given by `--overwrite`.
    quiet : bool
        No progress.
    """
    from ...cohort import Item, RunSettings, RunSummary, part_of, run, shard_of
    from ...evaluation.detection.job import TABLES
    from ...evaluation.detection.protocol import sharing_a_training

    trainings = [
        [Item(path, Path(name)) for path in paths]
        for name, job in jobs.items()
        for paths in sharing_a_training(manifests, job.together)
    ]
    part = part_of(shard, len(trainings), on_note=complain)
    chosen = [item for items in shard_of(trainings, *part) for item in items]
    summary = RunSummary(chosen, part, output, TABLES, resources=next(iter(jobs.values())).resources)
    with steady_stderr(), terminated_as_interrupted(), ItemProgress(len(chosen), quiet=quiet) as progress:
        try:
            for name, job in jobs.items():
                own = [item for item in chosen if item.place == Path(name)]
                work = run(
                    own,
                    output,
                    job,
                    RunSettings(overwrite=overwrite),
                    on_step=lambda item, step: progress.step(item.shown, step),
                )
                for outcome in work:
                    summary.add(outcome)
                    with progress.hidden():
                        seconds = outcome.seconds if outcome.state == "done" else None
                        progress.ended(outcome.item.shown, outcome.state, seconds)
                        if outcome.reason:
                            complain(outcome.reason)
        finally:
            summary.write()
    states = summary.states
    if states["failed"]:
        complain(f"{states['failed']} of {len(chosen)} runs failed: see {output / 'failed.tsv'}")
    return states["done"] + states["finished"] == len(chosen)
