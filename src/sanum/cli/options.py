"""Options that several commands share: each is written once, so that it means the same everywhere."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer


class Composition(StrEnum):
    """What the anatomy shows."""

    anatomy = "anatomy"
    keep_healthy = "keep-healthy"
    keep_lesion = "keep-lesion"


RESULTS, SCAN = "Results", "The scan"
COMPUTING, MANY = "Computing", "Many scans and machines"
"""Groups of options in the help; what is in none comes last."""


def a_folder(given: Path | None) -> Path | None:
    """The path of a folder that is there, or that can be made: no file stands in its place.

    Parameters
    ----------
    given : Path or None
        As given by the user.

    Raises
    ------
    typer.BadParameter
        It, or what it lies in, is a file.
    """
    for part in () if given is None else (given, *given.parents):
        if part.is_file():
            raise typer.BadParameter(f"{part} is not a folder; choose another folder")
    return given


def folder(says: str, panel: str | None = None) -> Any:
    """The option `--output` of a command that makes a folder.

    Parameters
    ----------
    says : str
        Its help.
    panel : str, optional
        Group in the help.
    """
    return typer.Option("--output", "-o", callback=a_folder, help=says, rich_help_panel=panel)


Output = Annotated[Path, folder("Folder for the results; made if missing.", RESULTS)]
Device = Annotated[
    str,
    typer.Option(metavar="DEVICE", help="auto, cpu, cuda, cuda:n or mps.", rich_help_panel=COMPUTING),
]
Threads = Annotated[
    int, typer.Option(metavar="N", help="CPU threads; 0: all.", min=0, rich_help_panel=COMPUTING)
]
Weights = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE",
        help="Other weights than the shipped ones: a file, or a name of sanum weights list.",
        rich_help_panel=COMPUTING,
    ),
]
Shard = Annotated[
    str | None,
    typer.Option(
        metavar="I/N",
        help="Part I of N of the scans, from 1; auto: of a SLURM array's task.",
        rich_help_panel=MANY,
    ),
]
Series = Annotated[
    str | None,
    typer.Option(
        metavar="SERIES",
        help="Which DICOM series, by number, UID or description; a folder is then one scan.",
        rich_help_panel=SCAN,
    ),
]
SkipDamaged = Annotated[
    bool,
    typer.Option(
        "--skip-damaged",
        help="Leave damaged files of a DICOM series out, and interpolate the gap.",
        rich_help_panel=SCAN,
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        help="Replace results that exist; without it, finished scans are kept.",
        rich_help_panel=RESULTS,
    ),
]
Force = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Go on where a scan is refused because it shows no head, and say so.",
        rich_help_panel=SCAN,
    ),
]
Fast = Annotated[
    bool,
    typer.Option(
        "--fast",
        help="Stop at 2 mm: leave out the second stage, which refines scans of finer voxels at 1 mm "
        "where its weights are there.",
        rich_help_panel=COMPUTING,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only results and errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="A line for each step, with the time.")]

Labels = Annotated[
    str,
    typer.Option(
        metavar="FOLDER",
        help="Labels of the T1w: a folder, or a name in derivatives; default: that with most.",
    ),
]
HoldOut = Annotated[
    str,
    typer.Option(
        metavar="N|FILE|SUBJECTS",
        help="Never trained on: the last N, or those named (sub-01,sub-02, or a file with one a line); "
        "default: one in eight, at most 8.",
    ),
]
IgnoreUnknown = Annotated[
    bool, typer.Option("--ignore-unknown", help="Unknown labels become their neighbours'.")
]


def in_bytes(gb: float | None) -> int | None:
    """Gigabytes of 10⁹ bytes in bytes.

    Parameters
    ----------
    gb : float or None
        As given by `--mem-gb`.
    """
    return None if gb is None else int(gb * 1e9)
