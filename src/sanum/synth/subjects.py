"""Healthy heads in a folder: each T1w with its labels, in the layouts that segmentation programs leave.

sub-01/anat/sub-01_T1w.nii.gz          BIDS; the labels in derivatives/NAME/sub-01/, below or above a
                                       session, or as NAME/sub-01_T1w_synthseg.nii.gz
sub-01/mri/T1.mgz, aparc+aseg.mgz      FreeSurfer's and FastSurfer's own, alone or under derivatives
one_T1w.mgz, one_dseg.mgz              both in one folder
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..scan.bids import find, labels_of

Pair = tuple[Path, Path]
IMAGES = (".nii.gz", ".nii", ".mgz", ".mgh")
LABEL_SUFFIXES = ("dseg", "synthseg", "dlmuse", "seg", "segmentation")
KINDS = ("aparcaseg", "aparc", "a2009s", "dkt", "wmparc", "aseg")
"""Words of a name that tell FreeSurfer's parcellations; the first is taken where there are several."""
IN_MRI = (
    "aparc+aseg",
    "aparc.DKTatlas+aseg",
    "aparc.DKTatlas+aseg.deep.withCC",
    "aparc.DKTatlas+aseg.deep",
    "aparc.a2009s+aseg",
    "synthseg",
    "wmparc",
    "aseg",
)
T1W_IN_MRI = ("T1", "orig", "rawavg")
_OTHER_MAPS = re.compile(r"lesion|tumou?r|stroke|infarct|carpet", re.IGNORECASE)
SPACES = frozenset(("T1w", "orig", "native", "individual"))  # labels of any other lie on another brain


@dataclass(frozen=True)
class Subjects:
    """What was found.

    Parameters
    ----------
    pairs : tuple of (Path, Path)
        T1w and labels, sorted by subject; a subject may have several, of its sessions.
    without : tuple of str
        Subjects with a T1w that has no labels.
    labels : Path or None
        Folder that the labels are from; None: there are none.
    others : tuple of Path
        Folders of derivatives that have labels, too, and were not taken.
    """

    pairs: tuple[Pair, ...]
    without: tuple[str, ...]
    labels: Path | None
    others: tuple[Path, ...] = ()

    @property
    def names(self) -> list[str]:
        """Subjects with labels, each once, in order."""
        return list(dict.fromkeys(subject_of(t1w) for t1w, _ in self.pairs))


def subjects_in(root: Path, labels: str = "") -> Subjects:
    """T1w and labels of the subjects in a folder.

    Parameters
    ----------
    root : Path
        Folder of one of the layouts above.
    labels : str
        Folder of the labels: a path, or the name of a folder in `derivatives`; empty: that of `derivatives`
        which has most, or `root` itself.

    Raises
    ------
    ValueError
        There is no such folder of labels.
    """
    t1ws = _t1ws(root)
    found = {folder: _paired(t1ws, folder) for folder in _folders(root, labels)}
    best = max(found, key=lambda f: len(found[f]))  # the first of equals
    pairs = found[best]
    labelled = {subject_of(t1w) for t1w, _ in pairs}
    without = dict.fromkeys(s for t in t1ws if (s := subject_of(t)) not in labelled)
    others = tuple(f for f in found if f != best and found[f])
    return Subjects(tuple(pairs), tuple(without), best if pairs else None, others)


def ixi_pairs(root: Path, labels: str = "") -> list[Pair]:
    """T1w and parcellation of every subject of a folder, sorted.

    Parameters
    ----------
    root : Path
        As of `subjects_in`.
    labels : str
        As of `subjects_in`.

    Raises
    ------
    ValueError
        No subject has both, or more than half of the T1w have no parcellation.
    """
    found = subjects_in(root, labels)
    if not found.pairs:
        raise ValueError(
            f"no T1w (such as sub-*/anat/*_T1w.nii.gz) with a parcellation under {root}"
            + (f" and labels in {labels}" if labels else "")
        )
    total = len(found.names) + len(found.without)
    if 2 * len(found.names) < total:
        raise ValueError(
            f"{len(found.without)} of {total} subjects under {root} have no parcellation in "
            f"{_inside(found.labels, root)}, such as {found.without[0]}: add them, or take the subjects out"
        )
    return list(found.pairs)


def subject_of(path: Path) -> str:
    """Subject that a T1w or its labels belong to, as sub-01.

    Parameters
    ----------
    path : Path
        In one of the layouts above.

    Examples
    --------
    >>> subject_of(Path("ixi/sub-01/anat/sub-01_T1w.nii.gz")), subject_of(Path("fs/sub-02/mri/T1.mgz"))
    ('sub-01', 'sub-02')
    """
    name = path.parent.parent.name if path.parent.name == "mri" else path.name
    return name.split("_")[0]


def _inside(folder: Path | None, root: Path) -> str:
    if folder is None:
        return "derivatives"
    return str(folder.relative_to(root)) if folder != root and folder.is_relative_to(root) else str(folder)


def _t1ws(root: Path) -> list[Path]:
    """T1w of BIDS, else of FreeSurfer, else of the folder itself."""
    found = find(root, suffix="T1w", extensions=IMAGES[:2])
    if not found:
        subjects = (f for f in sorted(root.glob("*/mri")) if not f.parent.name.startswith((".", "fsaverage")))
        found = [t for f in subjects if (t := _first(f / f"{name}.mgz" for name in T1W_IN_MRI))]
    if not found:
        found = find(root, folders=(".",), suffix="T1w", extensions=IMAGES)
    return sorted(found, key=subject_of)  # of one subject in the order of `find`


def _folders(root: Path, labels: str) -> list[Path]:
    if not labels:
        inside = [f for f in sorted(root.glob("derivatives/*")) if f.is_dir()]
        return [*sorted(inside, key=lambda f: f.name != "dlmuse"), root]
    places = (Path(labels), root / labels, root / "derivatives" / labels)
    if folder := next((f for f in places if f.is_dir()), None):
        return [folder]
    raise ValueError(f"no folder of labels {labels}, and none of that name in {root / 'derivatives'}")


def _paired(t1ws: list[Path], folder: Path) -> list[Pair]:
    """Each T1w that has labels in `folder`; of several T1w with the same labels the first."""
    beside: dict[str, list[Path]] = {}
    for path in find(folder, folders=(".",), extensions=IMAGES):
        beside.setdefault(subject_of(path), []).append(path)
    pairs = dict[Path, Path]()
    for t1w in t1ws:
        subject = subject_of(t1w)
        homes = [h.name for h in (folder / subject, *folder.glob(f"{subject}_ses-*")) if h.is_dir()]
        inside = find(folder, folders=[f"{h}/**" for h in homes], extensions=IMAGES)
        maps = {p: _session(p.relative_to(folder)) for p in (*inside, *beside.get(subject, ())) if _is_map(p)}
        if found := _best_of(maps, t1w):
            pairs.setdefault(found, t1w)
    return [(t1w, found) for found, t1w in pairs.items()]


def _best_of(maps: dict[Path, str | None], t1w: Path) -> Path | None:
    """The parcellation of a T1w: of its session, and of its run where that is told."""
    own = labels_of(t1w)
    session = own.get("ses")
    of_session = [p for p, theirs in maps.items() if theirs == session]
    if session and not of_session and len(list(t1w.parents[2].glob("ses-*"))) < 2:
        of_session = [p for p, theirs in maps.items() if theirs is None]

    def rank(path: Path) -> tuple[int, int, str]:
        theirs = labels_of(path)
        shared = sum(theirs.get(k) == v for k, v in own.items() if k in ("run", "acq", "rec"))
        return -shared, _kind(path), str(path)

    return min(of_session, key=rank, default=None)


def _is_map(path: Path) -> bool:
    if path.parent.name == "mri":
        return _bare(path) in IN_MRI
    if _OTHER_MAPS.search(path.name.partition("_")[2]):
        return False
    space = labels_of(path).get("space")
    suffix = _bare(path).rpartition("_")[2].lower()
    return suffix in LABEL_SUFFIXES and (space is None or space in SPACES)


def _kind(path: Path) -> int:
    if path.parent.name == "mri":
        return IN_MRI.index(_bare(path))
    name = _bare(path).partition("_")[2].lower()
    return next((n for n, word in enumerate(KINDS) if word in name), len(KINDS))


def _session(inside: Path) -> str | None:
    pieces = (piece for part in inside.parts for piece in part.split("_"))
    return next((p.removeprefix("ses-") for p in pieces if p.startswith("ses-")), None)


def _bare(path: Path) -> str:
    ending = next((e for e in IMAGES if path.name.lower().endswith(e)), "")
    return path.name[: len(path.name) - len(ending)]


def _first(paths: Iterable[Path]) -> Path | None:
    there: Iterator[Path] = (p for p in paths if p.is_file())
    return next(there, None)
