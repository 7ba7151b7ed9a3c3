"""`sanum evaluate`: methods measured on scans of which something is known."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import options as shared
from .measuring import measuring, tell_measured
from .messages import complain
from .options import Composition
from .progress import ProgressBar
from .threads import use_threads

if TYPE_CHECKING:
    from ..evaluation import Case
    from ..evaluation.tasks.anatomy.task import Evaluated

_TASK = "reading"
EXAMPLE = "Example:  sanum evaluate tests/t1w-whole tests/flair-whole -o measured --method una"

Compositions = Annotated[
    list[Composition] | None, typer.Option("--compose", help="Measured too, of T1w; may be given again.")
]
Scores = Annotated[
    list[str] | None,
    typer.Option(
        "--score",
        help="Measured too: another map that looks for the anomaly, network or residual (one witness alone), "
        "intensity (a threshold on the scan), difference (input less anatomy) or population (z of a T1w "
        "against an atlas of healthy adults); may be given again.",
    ),
]
Validation = Annotated[
    str | None,
    typer.Option(help="Data set whose lesions choose the thresholds of all; default: each one's others."),
]


def command(
    data: Annotated[
        list[Path], typer.Argument(help="Data sets: made by sanum generate, or BIDS with masks.")
    ],
    output: Annotated[Path, shared.folder("Folder for numbers, tables and figure.")],
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME or NAME=WEIGHTS; may be given again. The first is what others are tested against."
        ),
    ] = None,
    compose: Compositions = None,
    score: Scores = None,
    validation: Validation = None,
    only: Annotated[
        str | None, typer.Option(help="Cases whose data set, name or contrast contains this.")
    ] = None,
    per_subject: Annotated[
        int | None, typer.Option(help="At most so many cases per subject and contrast.", min=1)
    ] = None,
    healthy: Annotated[
        bool, typer.Option("--healthy", help="Scans without a lesion mask are of healthy people.")
    ] = False,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Only subjects that the methods' trainings did not see.")
    ] = False,
    device: shared.Device = "auto",
    threads: shared.Threads = 0,
    quiet: shared.Quiet = False,
) -> None:
    """Measure methods on DATA..., file in and results out: cases.csv, tables.md, tables.json, figure.png.

    Started again, it goes on where it was interrupted, and adds methods and
    data sets to what is there.

    Exit code: 0 all done, 1 some case could not be reconstructed (listed in
    the tables), 2 wrong use.
    """
    from ..evaluation import HealthyAnatomy, chosen, find_cases, measure, worth_measuring, write_results

    with measuring():
        methods = _load(method or ["una"], device, threads)
        unseen = {d: _unseen(d, method or ["una"]) if held_out else False for d in data}
        cases = [c for d in data for c in find_cases(d, healthy=healthy, held_out=unseen[d])]
        cases = chosen(cases, only=only, per_subject=per_subject)
        known = worth_measuring(cases)
        _report_left_out(cases, known)
        task = HealthyAnatomy(
            [c.value for c in compose or [] if c.value != "anatomy"],
            scores=score or (),
            validation=_among(validation, known),
        )
        with ProgressBar(_TASK, quiet=quiet) as bar:
            done = measure(
                task,
                known,
                methods,
                output,
                on_case=lambda n, of, what: bar.update(
                    _TASK, n, of, f"{n} of {of} cases, {what}", description=what
                ),
            )
        paths = write_results(task, output, next(iter(methods)))
    tell_measured(done.failed, paths)


def _load(names: list[str], device: str, threads: int) -> "dict[str, Evaluated]":
    """Methods by the name that the tables show: with weights of one's own, "una (no-fluid)"."""
    from ..evaluation import ORACLES, Oracle
    from ..learn.devices import resolve_device
    from ..methods import registry

    use_threads(threads)
    methods: dict[str, Evaluated] = {}
    for given in names:
        name, _, weights = given.partition("=")
        label = f"{name} ({Path(weights).stem})" if weights else name
        if label in methods:
            raise ValueError(f'"{label}" is given twice: give the weights files different names')
        where = Path(weights) if weights else None
        if name in ORACLES and not where:
            methods[label] = Oracle(name)
        else:
            loaded = registry.load(name, device=resolve_device(device), weights=where)
            methods[label] = _on_scans(name, loaded, where)
    return methods


def _on_scans(name: str, loaded: Any, weights: Path | None) -> "Evaluated":
    """A method as it looks at scans; ValueError for one that is not of them, or has learned nothing."""
    from ..evaluation import Sliced
    from ..methods import registry

    method, _ = registry.find_recipe(name)
    if method.task == "anatomy":
        predictor: Evaluated = loaded
        return predictor
    if method.task == "translation":
        raise ValueError(f"{name} makes no anatomies: translators are measured by sanum translate evaluate")
    if method.task != "anomaly2d":
        raise ValueError(f'"{name}" makes neither anatomies nor maps of anomalies: choose another method')
    if weights is None:
        raise ValueError(
            f"{name} has learned nothing yet: fit it to slices with sanum detect fit, then give "
            f"--method {name}=MODEL"
        )
    return Sliced(loaded)


def _unseen(data: Path, names: list[str]) -> bool | set[str]:
    """Subjects that every training held out; True: no weights say, so those that are held out as usual."""
    from ..data.split import held_out_in
    from ..weights.file import load_weights
    from ..weights.store import resolve

    given = [Path(weights) for weights in (name.partition("=")[2] for name in names) if weights]
    told = [load_weights(resolve(weights))[1].get("held_out") for weights in given]
    lists = [{str(subject) for subject in held} for held in told if isinstance(held, list)]
    if not lists:
        return True
    usual = [set(held_out_in(data))] if len(lists) < len(names) else []
    return set.intersection(*lists, *usual)


def _among(name: str | None, cases: list["Case"]) -> str | None:
    """The name, if a data set of the cases has it and a lesion is known there; ValueError if not."""
    if name is not None and not any(c.data == name and (c.lesion or c.truth) for c in cases):
        names = ", ".join(dict.fromkeys(c.data for c in cases if c.lesion or c.truth)) or "none"
        raise ValueError(f"--validation {name} is no data set with known lesions; those given: {names}")
    return name


def _report_left_out(cases: list["Case"], known: list["Case"]) -> None:
    """Name the cases that cannot be measured; ValueError if no other is left."""
    if idle := [c.name for c in cases if c not in known]:
        complain(
            f"left out, for there is no truth, no lesion mask and no aligned partner: {', '.join(idle)} "
            "(--healthy says that scans without a mask are of healthy people)"
        )
    if not known:
        raise ValueError("nothing to measure: no case is left")
