"""`sanum classify crossval`: how good a classifier is on one's own images, without a leak."""

from pathlib import Path
from typing import Annotated, Any

import typer

from .. import options as shared
from ..detect import common
from ..detect.crossval import run_folds, write_all
from ..messages import complain, harmless
from ..progress import waiting
from .fit import Data

EXAMPLE = "Example:  sanum classify crossval normals/ abnormals/ -o out"


def command(
    data: Data,
    output: Annotated[Path, shared.folder("Folder for folds, runs and tables.")],
    method: Annotated[
        list[str] | None,
        typer.Option(help="Name of a classifier or recipe; may be given again. Default: classifier."),
    ] = None,
    folds: Annotated[int, typer.Option(help="Each is tested once; another is validation.", min=3)] = 5,
    seed: Annotated[int, typer.Option(help="Of the folds.", min=0)] = 0,
    grouped: Annotated[
        bool,
        typer.Option("--grouped/--ungrouped", help="Keep groups and near-duplicates on one side."),
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
    """Measure classifiers by cross-validation: crossval.html, .md, .csv and .json, and a record of each run.

    Folds have the same share of both classes. The epoch is chosen on
    validation; the test set is scored once. Started again, it does what is
    not finished.

    Exit code: 0 all done, 1 some run failed or was left to another, 2 wrong
    use.
    """
    with waiting("starting", quiet=quiet):
        from ...cohort import PlainResources
        from ...data.duplicates import NEAR
        from ...data.stratified import stratified_folds
        from ...evaluation.classification.job import RULES, WORDING, ClassifierCrossvalJob
        from ...evaluation.detection.job import TRAININGS
        from ...evaluation.detection.protocol import require_labels, write_manifests
        from ...evaluation.detection.summary import summarize
        from ...evaluation.detection.write import runs_in
        from ...learn.overrides import flat

    try:
        all_settings = [*common.reading_settings(window, axis), *(settings or [])]
        made = {
            name: common.detector_of(name, all_settings, device=device, kind=common.CLASSIFIER)
            for name in dict.fromkeys(method or ["classifier"])
        }
        reading = next(iter(made.values())).config.reading
        found = common.read_set(data, reading, normal=normal, near=NEAR, quiet=quiet)
        require_labels(found, "cross-validation")
        dealt = stratified_folds(found.labels, found.groups if grouped else None, folds=folds, seed=seed)
        manifests = write_manifests(found, dealt, output)
        files, resources = {entry.id: entry.at for entry in found.entries}, PlainResources()
        jobs = {
            name: ClassifierCrossvalJob(name, one.with_settings, files, resources, output / TRAININGS)
            for name, one in made.items()
        }
        complete = run_folds(jobs, manifests, output, shard=shard, overwrite=overwrite, quiet=quiet)
        runs = {name: told for name, told in runs_in(output, list(made), dealt).items() if told}
        about: dict[str, Any] = {
            "protocol": {"folds": folds, "seed": seed, "grouped": grouped},
            "configurations": {name: flat(one.config) for name, one in made.items()},
        }
        rows = summarize(found, dealt, runs, rules=RULES)
        with waiting("writing the report", quiet=quiet):
            written = write_all(output, rows, runs, found, dealt, about, WORDING)
        for path in written:
            typer.echo(harmless(str(path)))
    except (ValueError, OSError, ModuleNotFoundError) as error:
        complain(str(error))
        raise typer.Exit(2) from None
    if not complete:
        raise typer.Exit(1)
