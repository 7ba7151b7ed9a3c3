"""Options that several commands share: each is written once, so that it means the same everywhere."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Composition(StrEnum):
    """What the anatomy shows."""

    anatomy = "anatomy"
    keep_healthy = "keep-healthy"
    keep_lesion = "keep-lesion"


Output = Annotated[Path, typer.Option("--output", "-o", help="Folder for the results; made if missing.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:n or mps.")]
Threads = Annotated[int, typer.Option(help="CPU threads; 0: all.", min=0)]
Weights = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE",
        help="Other weights than the shipped ones: a file, or a name of sanum weights list.",
    ),
]
Shard = Annotated[
    str | None, typer.Option(help="Part i/n of the scans, from 1; auto: of a SLURM array's task.")
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace results that exist; without it, finished scans are kept.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only results and errors.")]


def in_bytes(gb: float | None) -> int | None:
    """Gigabytes of 10⁹ bytes in bytes.

    Parameters
    ----------
    gb : float or None
        As given by `--mem-gb`.
    """
    return None if gb is None else int(gb * 1e9)
