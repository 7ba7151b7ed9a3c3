"""Which results an output folder has, and which files of theirs may be handed out."""

import os
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ..record import DamagedRecord, Record, read_record

REPORT, RECORD, IMAGE = "_report.html", "_record.json", ".nii.gz"
_NUMBERS = ("anomaly_ml", "brain_ml", "mean_uncertainty")


@dataclass(frozen=True)
class ViewedResult:
    """Results of one scan.

    Parameters
    ----------
    name : str
        Folder and stem below the output folder.
    report : bool
        Whether there is one.
    images : tuple of str
        File names of the images, all in the folder of the name.
    record : mapping
        What was recorded; empty: nothing, or nothing that can be read.
    """

    name: str
    report: bool
    images: tuple[str, ...]
    record: Mapping[str, object] = field(default_factory=dict)

    @property
    def folder(self) -> PurePosixPath:
        """Below the output folder."""
        return PurePosixPath(self.name).parent

    @property
    def files(self) -> dict[str, PurePosixPath]:
        """Paths below the output folder of all that may be handed out, by file name."""
        report = [PurePosixPath(self.name).name + REPORT] if self.report else []
        return {file: self.folder / file for file in (*report, *self.images)}

    @property
    def scan(self) -> PurePosixPath | None:
        """The NIfTI scan below the folder that the run was given; None: not known, or no such path."""
        told = self.record.get("input")
        path = told.get("path") if isinstance(told, dict) else None
        if not isinstance(path, str) or not path.endswith((".nii", IMAGE)) or "\0" in path:
            return None
        found = PurePosixPath(path)
        return None if found.is_absolute() or ".." in found.parts else found

    @property
    def scan_file(self) -> str:
        """What the scan is called where it is handed out."""
        return f"scan{IMAGE}" if self.scan is not None and self.scan.name.endswith(".gz") else "scan.nii"

    @property
    def anomaly_ml(self) -> float | None:
        """Volume of the anomaly; None: not known."""
        value = self.record.get("anomaly_ml")
        return float(value) if isinstance(value, int | float) else None

    @property
    def contrast(self) -> str:
        """As read or guessed; "": not known."""
        value = self.record.get("contrast")
        return value if isinstance(value, str) else ""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader should know."""
        found = self.record.get("warnings")
        return tuple(str(one) for one in found) if isinstance(found, list) else ()


def results_below(output: Path) -> dict[str, ViewedResult]:
    """All results in a folder, by name, sorted; no link is followed, and hidden folders are left out.

    Parameters
    ----------
    output : Path
        The output folder.
    """
    found = {}
    for place, folders, names in os.walk(output):
        folders[:] = [name for name in folders if not name.startswith(".")]
        plain = {name for name in names if not os.path.islink(os.path.join(place, name))}
        stems = {n.removesuffix(end) for n in plain for end in (REPORT, RECORD) if n.endswith(end)}
        for stem, images in _images_of(stems - {""}, plain).items():
            path = Path(place, stem)
            name = path.relative_to(output).as_posix()
            record = _record(path.with_name(stem + RECORD)) if stem + RECORD in plain else {}
            found[name] = ViewedResult(name, stem + REPORT in plain, tuple(images), record)
    return dict(sorted(found.items()))


def _images_of(stems: Set[str], names: Set[str]) -> dict[str, list[str]]:
    """Images by stem, each of the longest that it begins with: one scan's name may begin with another's."""
    images: dict[str, list[str]] = {stem: [] for stem in stems}
    for name in sorted(name for name in names if name.endswith(IMAGE)):
        stem = name
        while stem := stem.rpartition("_")[0]:
            if stem in images:
                images[stem].append(name)
                break
    return images


def _record(path: Path) -> Record:
    try:
        return read_record(path, _NUMBERS) or {}
    except DamagedRecord:
        return {}
