"""`sanum atlas build`: an unbiased atlas of each subgroup of many scans."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import options as shared
from ..batch import scheduler_at, terminated_as_interrupted
from ..messages import complain, harmless, steady_stderr
from ..progress import ProgressBar, waiting
from ..reconstruct import By, Certificate, Executor, Scheduler, Workers
from ..threads import use_threads
from .subjects import PARTS, SubjectRunner, SubjectsOnDask

if TYPE_CHECKING:
    from ...data.attributes import Attribute
    from ...methods.atlas.population.config import AtlasConfig
    from ...methods.atlas.population.members import Member
    from ...scan import Scan

EXAMPLE = "Example:  sanum atlas build ixi/ -o atlases --by sex,age:40,60 --masked"
_AVERAGING = "averaging"


class MeasureOption(StrEnum):
    """What registration lowers."""

    lncc = "lncc"
    mse = "mse"


class DriveOption(StrEnum):
    """What registration aligns."""

    image = "image"
    labels = "labels"


Data = Annotated[
    list[Path], typer.Argument(help="A BIDS data set or a folder of scans; or scans, and lists of them.")
]
Labels = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Label maps: a name in derivatives, or a folder of files named as the scans. "
        "Default: those that are found.",
    ),
]
Splits = Annotated[
    str,
    typer.Option(metavar="COLUMN,...", help="One atlas for each subgroup, such as sex,age:40,60."),
]
Participants = Annotated[
    Path | None, typer.Option(metavar="TSV", help="Default: participants.tsv of the data set.")
]
Known = Annotated[bool, typer.Option("--known", help="Leave out subjects whose subgroup is not known.")]
Iterations = Annotated[
    int, typer.Option(min=1, help="Estimates of the template, at most: it ends where it stands still.")
]
Spacing = Annotated[float, typer.Option(metavar="MM", help="Edge of the atlas's voxels.")]
Masked = Annotated[
    bool, typer.Option("--masked", help="Look at what has a label alone: of a head its brain.")
]
Volumes = Annotated[
    bool,
    typer.Option(
        "--volumes/--no-volumes", help="Measure which volumes of labels are usual: half of the work."
    ),
]
Drive = Annotated[DriveOption, typer.Option(help="What is aligned.")]
Measure = Annotated[MeasureOption, typer.Option(help="lncc, or mse for CT.")]
Reference = Annotated[
    Path | None,
    typer.Option(
        metavar="SCAN|mni",
        help="Whose pose the atlas has (its shape is taken out); mni: of brains, with --masked. "
        "Default: the first scan.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace atlases that are there.")]
Shard = Annotated[
    str | None,
    typer.Option(
        metavar="I/N",
        help="Begin with part I of N of the subjects, and share what is left with the other processes; "
        "auto: of a SLURM array's task.",
        rich_help_panel=shared.MANY,
    ),
]


def command(
    data: Data,
    output: shared.Output,
    labels: Labels = None,
    by: Splits = "",
    participants: Participants = None,
    known: Known = False,
    iterations: Iterations = 4,
    spacing: Spacing = 2.0,
    masked: Masked = False,
    drive: Drive = DriveOption.image,
    measure: Measure = MeasureOption.lncc,
    reference: Reference = None,
    volumes: Volumes = True,
    overwrite: Overwrite = False,
    shard: Shard = None,
    executor: By = Executor.here,
    scheduler: Scheduler = None,
    certificate: Certificate = None,
    workers: Workers = 2,
    threads: shared.Threads = 0,
    quiet: shared.Quiet = False,
) -> None:
    """Build an atlas of DATA: mean, spread, labels, and usual volumes.

    All scans have one contrast. Each is laid onto the template, first by an
    affine and then by a smooth invertible deformation; the mean of these is
    taken out and the template made anew. Stopped and started again, it goes
    on; started twice, both share the work. What was computed of each subject
    stays in the folder work, which may be removed in the end.

    Exit code: 0, or 2 if it cannot be done.
    """
    with waiting("starting", quiet=quiet):
        from ...cohort import part_of
        from ...data.attributes import parse_by
        from ...methods.atlas.population.config import AtlasConfig
        from ...methods.atlas.population.members import grouped
        from ...scan import ScanError

    try:
        dask = _on_dask(executor, scheduler, certificate, workers, threads)
        use_threads(threads)
        config = AtlasConfig(
            spacing_mm=spacing,
            control_mm=4 * spacing,
            rounds=iterations,
            masked=masked,
            measure=measure.value,
            drive=drive.value,
            volumes=volumes,
        )
        splits = parse_by(by) if by.strip() else []
        members = _members(data, labels, participants, splits, output, known=known)
        start = _reference(reference, config)
        groups = grouped(members, splits)
        free = _free({n: output / n if splits else output for n in groups}, output, overwrite=overwrite)
        who = (dask, (1, 1) if shard is None else part_of(shard, len(members)))
        for name, folder in free.items():
            _build(name, groups[name], config, start, output / "work", folder, who, quiet=quiet)
    except (ScanError, ValueError, OSError) as error:
        complain(str(error))
        raise typer.Exit(2) from None


def _free(folders: Mapping[str, Path], output: Path, *, overwrite: bool) -> dict[str, Path]:
    """Folders without an atlas, by group; those with one are finished."""
    from ...methods.atlas.population.atlas import ABOUT

    free = {name: folder for name, folder in folders.items() if overwrite or not (folder / ABOUT).exists()}
    if not free:
        raise ValueError(f"{output} holds an atlas: pass --overwrite, or choose another folder")
    for name in folders.keys() - free.keys():
        complain(f"{name}: is there already")
    return free


def _build(
    name: str,
    members: "Sequence[Member]",
    config: "AtlasConfig",
    start: "Scan | None",
    kept: Path,
    folder: Path,
    who: tuple[SubjectsOnDask | None, tuple[int, int]],
    *,
    quiet: bool,
) -> None:
    """One group's atlas, by whom and beginning with which part of the subjects."""
    from ...cohort import PlainResources
    from ...methods.atlas.population.build import Builder
    from ...methods.atlas.population.subject_files import SubjectFiles

    with (
        steady_stderr(),
        terminated_as_interrupted(),
        ProgressBar(*PARTS.values(), _AVERAGING, quiet=quiet) as bar,
    ):

        def told(word: str, done: int, count: int) -> None:
            bar.update(word, done, count, f"{name}: {word} {done} of {count} subjects")

        work, do = SubjectFiles(kept / name, kept / "prepared"), SubjectRunner(members, told, *who)
        atlas = Builder(tuple(members), work, config, do, PlainResources(), told).build(start)
    atlas.save(folder)
    last = atlas.about["rounds"][-1]
    complain(
        f"{name}: {len(members)} subjects; mean displacement {last['left_vox']:.3f} voxels; "
        + ("stands still" if last["still"] else "still changes: see rounds in atlas.json")
    )
    typer.echo(harmless(str(folder)))


def _on_dask(
    executor: Executor, scheduler: str | None, certificate: Path | None, workers: int, threads: int
) -> SubjectsOnDask | None:
    """Workers of Dask, if they are asked for."""
    if executor is Executor.here and scheduler is not None:
        raise ValueError("--scheduler goes with --executor dask")
    if certificate is not None and scheduler is None:
        raise ValueError("--certificate goes with --scheduler")
    if executor is Executor.here:
        return None
    return SubjectsOnDask(scheduler_at(scheduler, certificate), workers, threads)


def _members(
    data: Sequence[Path],
    labels: Path | None,
    participants: Path | None,
    splits: "Sequence[Attribute]",
    output: Path,
    *,
    known: bool,
) -> "list[Member]":
    from ...cohort import expand
    from ...cohort.bids.participants import joined, read_participants, require_agreement
    from ...methods.atlas.population.members import files_in, labelled_alone, members_in, with_labels
    from ...scan import ScanError

    if len(data) == 1 and data[0].is_dir():
        members = members_in(data[0], str(labels or ""))
    else:
        items = expand(data, output)
        if wrong := [item.problem for item in items if item.problem]:
            raise ScanError(wrong[0])
        if gone := [item.path for item in items if not item.path.exists()]:
            raise ScanError(f"{gone[0]} is not there")
        members = with_labels([i.path for i in items], files_in(labels) if labels else [])
    members, bare = labelled_alone(members)
    if bare:
        some = ", ".join(bare[:6]) + (" …" if len(bare) > 6 else "")
        complain(f"note: {len(bare)} subjects without labels are left out ({some})")
    if len({m.stem for m in members}) < len(members):
        raise ValueError("two scans have the same name: give each subject a name of its own")
    table = participants or (data[0] / "participants.tsv" if data[0].is_dir() else None)
    if participants is not None and not participants.is_file():
        raise ValueError(f"{participants} is not there: name a table with a line for each subject")
    if table is not None and table.is_file():
        require_agreement(table, {"age", "sex", *(split.name for split in splits)})
        rows, notes = read_participants(table, ())
        found, more = joined(rows, {_as_subject(m) for m in members}, ())
        for note in (*notes, *more):
            complain(f"note: {note}")
        members = [replace(m, columns=found.get(_as_subject(m), {})) for m in members]
    elif splits:
        raise ValueError("--by needs participants.tsv: name it with --participants")
    if known:
        members = [m for m in members if _is_known(m, splits)]
    return members


def _as_subject(member: "Member") -> str:
    return f"sub-{member.subject.removeprefix('sub-')}"


def _is_known(member: "Member", splits: "Sequence[Attribute]") -> bool:
    from ...methods.atlas.population.members import group_of

    try:
        for split in splits:
            group_of(split, member.columns)
    except ValueError:
        return False
    return True


def _reference(name: Path | None, config: "AtlasConfig") -> "Scan | None":
    from ...methods.atlas.population.prepared import prepare, read_scan
    from ...scan import Scan
    from ...synth.anatomy import mni_brain

    if name is None:
        return None
    if name != Path("mni"):
        return prepare(read_scan(name), replace(config, masked=False))
    if not config.masked:
        raise ValueError("--reference mni is a brain without its skull: add --masked")
    brain, grid = mni_brain()
    return Scan(brain / brain.max(), grid.affine, contrast="T1w")
