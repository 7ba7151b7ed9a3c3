"""What is to be done: the scans that files, folders, lists and standard input name, and where each goes."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..scan.dicom import holds_dicom
from ..scan.errors import ScanError
from ..scan.names import EXTENSIONS, folder_name, shown, stem_of
from .cells import from_cell

ASIDE = ("_mask", "_dseg", "_probseg", "_map", "_defacemask", "_desc-anatomy_T1w")
"""Endings of the masks, label maps and results that a search through a folder leaves aside."""

_NO_RAW_SCANS = ("derivatives", "sourcedata", "code", "stimuli", "func", "dwi", "fmap", "perf", "eeg", "meg")
"""Folders of a BIDS data set without anatomical scans that come in one volume."""


@dataclass(frozen=True)
class Item:
    """One scan to do.

    Parameters
    ----------
    path : Path
        A file, or the folder of a DICOM series.
    place : Path
        Folder of its results, relative to the output folder.
    """

    path: Path
    place: Path = Path()

    @property
    def stem(self) -> str:
        """Name that its results start with."""
        return stem_of(self.path)


def expand(given: Iterable[Path], output: Path, read_stdin: bytes = b"") -> list[Item]:
    """List every scan once, in an order that is always the same.

    Parameters
    ----------
    given : paths
        Scan files; folders, which stand for all scans in them, a folder with DICOM files for its one series;
        lists (.tsv) of paths; "-" for `read_stdin`.
    output : Path
        Not searched for scans.
    read_stdin : bytes
        Paths, one a line, or separated by NUL where there is one.

    Raises
    ------
    ScanError
        A folder or list without scans, a list that cannot be read, or two scans whose results would clash.
    """
    named: list[Path] = []
    items: list[Item] = []
    for one in given:
        for path in _listed(one, read_stdin):
            if path.is_dir() and not holds_dicom(path):
                items += _in_folder(path, output)
            else:
                named.append(path)
    unique = {_absolute(item.path): item for item in [*_placed(named), *items]}
    if not unique:
        raise ScanError("nothing to do: expected paths in the list or on standard input, and there are none")
    refuse_collisions(unique.values())
    return list(unique.values())


def shard_of(items: list[Item], number: int, count: int) -> list[Item]:
    """Part `number` of `count`, from 1: every `count`-th scan, so that parts differ by one at most."""
    return items[number - 1 :: count]


def slurm_shard(environment: Mapping[str, str]) -> tuple[int, int] | None:
    """Number and count of a SLURM array's task, None outside of an array.

    Raises
    ------
    ValueError
        The array's numbers have gaps or are not all told, so that no part of the work follows from them.
    """
    if "SLURM_ARRAY_TASK_ID" not in environment:
        return None
    told = [environment.get(f"SLURM_ARRAY_TASK_{name}", "") for name in ("ID", "MIN", "MAX", "COUNT")]
    if not all(number.isdecimal() for number in told):
        raise ValueError("the SLURM array's MIN, MAX and COUNT are not set as expected: pass --shard i/n")
    task, first, last, count = map(int, told)
    step = (last - first) // (count - 1) if count > 1 else 1
    if (task - first) % step or first + (count - 1) * step != last:
        raise ValueError("the SLURM array has gaps: expected --array=1-n, or pass --shard i/n")
    return (task - first) // step + 1, count


def _listed(path: Path, read_stdin: bytes) -> list[Path]:
    if str(path) == "-":
        lines = read_stdin.split(b"\0" if b"\0" in read_stdin else b"\n")
        return [Path(os.fsdecode(line.removesuffix(b"\r"))) for line in lines if line.strip()]
    if path.suffix.lower() != ".tsv":
        return [path]
    try:
        text = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise ScanError(f"{shown(path)} cannot be read: expected a list of paths") from error
    rows = [line.split("\t") for line in text.split("\n") if line.strip()]
    column = rows[0].index("path") if rows and "path" in rows[0] else None
    if column is not None:
        del rows[0]
    cells = [row[column or 0] for row in rows if len(row) > (column or 0)]
    return [path.parent / from_cell(cell) for cell in cells]


def _in_folder(folder: Path, output: Path) -> list[Item]:
    """Every scan under `folder`; links to folders are not followed."""
    found: list[Item] = []
    for place, folders, names in os.walk(folder):
        here = Path(place)
        bids = (here / "dataset_description.json").is_file() or here.name.startswith(("sub-", "ses-"))
        left_out = _NO_RAW_SCANS if bids else ()
        folders[:] = sorted(
            f for f in folders
            if not f.startswith(".") and f not in left_out and _absolute(here / f) != _absolute(output)
        )  # fmt: skip
        to = folder_name(here.relative_to(folder))
        if here != folder and holds_dicom(here):
            found.append(Item(here, to.parent))
        found += [Item(here / name, to) for name in sorted(names) if _is_scan(name)]
    if not found:
        raise ScanError(
            f"{shown(folder)} holds no scans: expected {', '.join(EXTENSIONS)} or DICOM images "
            "(masks, label maps and results are left aside)"
        )
    return found


def _is_scan(name: str) -> bool:
    ending = next((e for e in EXTENSIONS if name.lower().endswith(e)), None)
    return ending is not None and not name.startswith(".") and not name[: -len(ending)].endswith(ASIDE)


def _placed(paths: list[Path]) -> list[Item]:
    """Scans given one by one: all in the output folder itself, or, if names clash, as their folders are."""
    paths = list({_absolute(path): path for path in paths}.values())
    stems = Counter(stem_of(path) for path in paths)
    if not paths or max(stems.values()) == 1:
        return [Item(path) for path in paths]
    above = os.path.commonpath([_absolute(path).parent for path in paths])
    return [Item(path, folder_name(_absolute(path).parent.relative_to(above))) for path in paths]


def refuse_collisions(items: Iterable[Item]) -> None:
    """Raise `ScanError` where two scans' results would have the same names."""
    seen: dict[Path, Item] = {}
    for item in items:
        other = seen.setdefault(item.place / item.stem, item)
        if other is not item:
            raise ScanError(
                f"{shown(other.path)} and {shown(item.path)} would give outputs of the same name; "
                "run them into different folders"
            )


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))
