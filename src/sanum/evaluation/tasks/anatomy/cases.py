"""What is measured: scans with what is known of them, found in a generated or any BIDS data set."""

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ....data.split import held_out_in
from ....files import sha256_of
from ....scan import ScanError, read
from ....scan.bids import find, labels_of
from ....scan.contrast_words import contrast_of
from ....scan.maps import read_map_on
from ....scan.names import EXTENSIONS
from ....synth.dataset import truth_files
from ....synth.record import from_json
from .people import NOBODY, Person, people_of

_SICK = re.compile(r"lesion|tumou?r|stroke|infarct", re.IGNORECASE)


@dataclass(frozen=True)
class Case:
    """One scan.

    Parameters
    ----------
    data, name : str
        Data set; scan, unique in it.
    subject : str
        Whose head it is; several scans of one count as one in the statistics.
    contrast : str
        BIDS suffix, or the preset of a generated one.
    aligned : str
        Scans with the same `aligned` and the same grid show one head in one place.
    scan : Path
        The input: a file, or the folder of a DICOM series.
    truth, lesion, brain : Path or None
        Healthy T1w (white matter 1, outside the brain 0); masks. All on the scan's grid.
    healthy : bool
        Known to have no anomaly.
    person : Person
        What is known of whose head it is.
    """

    data: str
    name: str
    subject: str
    contrast: str
    aligned: str
    scan: Path
    truth: Path | None = None
    lesion: Path | None = None
    brain: Path | None = None
    healthy: bool = False
    person: Person = NOBODY

    @property
    def files(self) -> tuple[Path, ...]:
        """All there are, the scan first."""
        return tuple(f for f in (self.scan, self.truth, self.lesion, self.brain) if f)

    def digest(self) -> str:
        """Start of the SHA-256 of all that is known."""
        files = (part for file in self.files for part in _parts(file))
        said = "" if self.person == NOBODY else repr(self.person)
        return sha256_of(files, (("healthy" if self.healthy else "") + said).encode())[:12]

    def scan_digest(self) -> str:
        """Start of the SHA-256 of the scan alone."""
        return sha256_of(_parts(self.scan))[:12]


class Mismatch(ValueError):
    """Scans and what should be their truth do not belong together."""


def find_cases(
    folder: Path, *, healthy: bool = False, held_out: bool | Collection[str] = False
) -> list[Case]:
    """Cases of a data set, sorted.

    Parameters
    ----------
    folder : Path
        Made by `sanum generate`, or BIDS: `sub-*/…/anat/*_T1w.nii.gz` and other contrasts; lesions
        (`*_desc-lesion_mask`, `*_desc-tumour_dseg`, any with "lesion", "tumour", "stroke" in its entities),
        `*_desc-brain_mask` and `*_desc-healthy_T1w` are beside the scans or under `derivatives/*/`. Each
        belongs to the scans of its subject, session and space.
    healthy : bool
        Scans without a lesion mask are of healthy people.
    held_out : bool or collection of str
        Only these subjects, as sub-01; true: those that no training sees by default (`data/split.py`).

    Raises
    ------
    ValueError
        No such folder; no scans in it; `held_out` of a generated one, or of one without such subjects.
    Mismatch
        A truth that is missing, a choice of several, other grids: all of them are listed.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder: expected a data set in the shape of BIDS")
    made = (folder / "settings.json").exists()
    cases, problems = _generated(folder) if made else _bids(folder, healthy)
    if held_out is not False and made:
        raise ValueError(
            f"{folder} is generated: make it of held-out subjects with sanum generate --test-set, and leave "
            "--held-out out"
        )
    if held_out is not False:
        kept = held_out_in(folder) if held_out is True else held_out
        if cases and not any(c.subject in kept for c in cases):
            raise ValueError(
                f"no subject in {folder} is one that the training held out: if it saw none of them at all, "
                "leave --held-out out"
            )
        cases = [c for c in cases if c.subject in kept]
    if not cases and not problems:
        raise ValueError(f"no sub-*/anat/*_T1w.nii.gz (or other contrast) under {folder}")
    for case in cases:
        problems += _misfits(case)
    if problems:
        raise Mismatch(f"{len(problems)} of the files in {folder} do not match: {'; '.join(problems)}")
    return cases


def chosen(cases: list[Case], *, only: str | None = None, per_subject: int | None = None) -> list[Case]:
    """Some of the cases, in their order.

    Parameters
    ----------
    cases : list of Case
    only : str, optional
        Those whose data set, name or contrast contains this.
    per_subject : int, optional
        At most so many of each subject and contrast.
    """
    if only:
        cases = [c for c in cases if only in f"{c.data}/{c.name} {c.contrast}"]
    count: Counter[tuple[str, str, str]] = Counter()
    out = []
    for case in cases:
        key = case.data, case.subject, case.contrast
        count[key] += 1
        if per_subject is None or count[key] <= per_subject:
            out.append(case)
    return out


def _parts(path: Path) -> list[Path]:
    """The file itself, or those of a DICOM series."""
    return sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]


def _generated(folder: Path) -> tuple[list[Case], list[str]]:
    cases, problems, data = [], [], folder.resolve().name
    for record_path in sorted(folder.glob("sub-*/anat/sub-*.json")):
        name, scan = record_path.parts[-3], record_path.with_suffix(".nii.gz")
        files = truth_files(folder, name)
        if missing := [f.name for f in (scan, *files) if not f.exists()]:
            problems.append(f"{name} lacks {', '.join(missing)}")
            continue
        record = from_json(record_path.read_text())
        subject = re.split(r"[_./]", record.anatomy)[0]
        params = record.params
        cases.append(Case(data, name, subject, params.contrast.preset, name, scan, *files, not params.shapes))
    return cases, problems


def _bids(folder: Path, healthy: bool) -> tuple[list[Case], list[str]]:
    roots = [folder, *sorted(p for p in folder.glob("derivatives/*") if p.is_dir())]
    cases, problems, data = [], [], folder.resolve().name
    people = people_of(folder)
    for path in sorted(find(folder, folders=("sub-*/**/anat",), extensions=EXTENSIONS)):
        entities, contrast = labels_of(path), contrast_of(path)
        if contrast is None or entities.get("desc") == "healthy":
            continue
        inside = path.relative_to(folder).parent
        near = [f for root in roots for f in sorted((root / inside).glob("sub-*.nii*")) if f != path]
        near = [f for f in near if _place(labels_of(f)) == _place(entities)]
        named = {
            "lesion": [f for f in near if _is_mask(f) and _SICK.search(_name_without_subject(f))],
            "brain": [f for f in near if _is_mask(f) and labels_of(f).get("desc") == "brain"],
            "healthy T1w": [f for f in near if f.name.split(".")[0].endswith("_desc-healthy_T1w")],
        }
        if several := [f"{len(v)} files for its {k}" for k, v in named.items() if len(v) > 1]:
            problems.append(f"{path.name} has {', '.join(several)}")
            continue
        lesion, brain, truth = (v[0] if v else None for v in named.values())
        stem = path.name.removesuffix("".join(path.suffixes[-2:]))
        case = Case(
            data=data,
            name=stem,
            subject=path.name.partition("_")[0],
            contrast=contrast,
            aligned=stem.rpartition("_")[0],
            scan=path,
            truth=truth,
            lesion=lesion,
            brain=brain,
            healthy=healthy and lesion is None,
            person=people.get(path.name.partition("_")[0], NOBODY),
        )
        cases.append(case)
    return cases, problems


def _place(entities: dict[str, str]) -> tuple[str | None, ...]:
    return tuple(entities.get(k) for k in ("sub", "ses", "space"))


def _name_without_subject(path: Path) -> str:
    """The subject may be called sub-stroke2."""
    return path.name.partition("_")[2]


def _is_mask(path: Path) -> bool:
    return path.name.split(".")[0].endswith(("_mask", "_dseg", "_roi"))


def _misfits(case: Case) -> list[str]:
    """One sentence for each file that is not on the scan's grid, or cannot be read."""
    if len(case.files) == 1:
        return []  # nothing to belong to
    problems = []
    try:
        grid = read(case.scan).grid
    except ScanError as error:
        return [str(error)]
    for file in case.files[1:]:
        try:
            read_map_on(file, grid, scan=case.scan.name)
        except ScanError as error:
            problems.append(str(error))
    return problems
