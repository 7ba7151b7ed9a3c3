"""Who an atlas is made of: scans, their labels, and what participants.tsv says; and the subgroups."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ....data.attributes import Attribute
from ....scan.bids import find
from ....scan.names import EXTENSIONS, printable, stem_of
from ....synth.subjects import subject_of, subjects_in

LEAST = 3
"""Subjects of an atlas, at least."""

_WORDS = re.compile(r"(image|img|scan|labels?|dseg|segmentation|seg|parcellation)s?", re.IGNORECASE)
_UNFIT = re.compile(r"[^A-Za-z0-9.]+|^\.+")
"""What the name of a folder does not take of a value."""

_LABELS = re.compile(r"(^|[_-])(labels?|dseg|segmentation|seg|parcellation)s?([_-]|$)", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Member:
    """One subject.

    Parameters
    ----------
    path : Path
        Scan.
    labels : Path or None
        Label map in the same world.
    columns : mapping of str
        Of participants.tsv.
    """

    path: Path
    labels: Path | None = None
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def stem(self) -> str:
        """What its files are called."""
        return stem_of(self.path)

    @property
    def subject(self) -> str:
        """As participants.tsv calls it; of other layouts the file's name."""
        name = subject_of(self.path)
        return name if name.startswith("sub-") else self.stem


def members_in(root: Path, labels: str = "") -> list[Member]:
    """Scans of a folder, each with its labels: T1w of a BIDS data set, else every volume.

    Parameters
    ----------
    root : Path
        The folder.
    labels : str
        Of a BIDS data set as of `synth.subjects.subjects_in`; else a folder with files of the same names, or
        of names in which "label" stands for "image". Empty: those in the folder itself.

    Raises
    ------
    ValueError
        There is no scan.
    """
    if t1ws := {subject_of(scan): scan for scan in reversed(find(root, suffix="T1w"))}:
        pairs = {subject_of(scan): (scan, map_) for scan, map_ in reversed(subjects_in(root, labels).pairs)}
        return [Member(*pairs.get(name, (t1ws[name],))) for name in sorted(t1ws)]
    files = [f for f in sorted(root.iterdir()) if f.name.lower().endswith(EXTENSIONS)]
    scans = [f for f in files if not _LABELS.search(stem_of(f))]
    if not scans:
        raise ValueError(f"no scans in {printable(root)}")
    return with_labels(scans, files_in(Path(labels)) if labels else files)


def files_in(folder: Path) -> list[Path]:
    """Files of a folder of labels, sorted.

    Parameters
    ----------
    folder : Path
        The folder.

    Raises
    ------
    ValueError
        It is none.
    """
    if not folder.is_dir():
        raise ValueError(f"{printable(folder)} is no folder of labels: name one, or leave --labels out")
    return sorted(folder.iterdir())


def labelled_alone(members: Sequence[Member]) -> tuple[list[Member], list[str]]:
    """Those with labels, and the names of the others; all of them where nobody has any.

    Parameters
    ----------
    members : sequence of Member
        Everybody.
    """
    those = [m for m in members if m.labels is not None]
    if not those:
        return list(members), []
    return those, [m.subject for m in members if m.labels is None]


def with_labels(scans: Sequence[Path], files: Sequence[Path]) -> list[Member]:
    """Scans with the label maps whose names fit.

    Parameters
    ----------
    scans : sequence of Path
        Volumes.
    files : sequence of Path
        Among them the label maps.
    """
    maps = {_key(f): f for f in files if f not in set(scans) and f.name.lower().endswith(EXTENSIONS)}
    return [Member(scan, maps.get(_key(scan))) for scan in scans]


def _key(path: Path) -> str:
    return _WORDS.sub("", stem_of(path)).strip("_-").lower()


def group_of(asked: Attribute, columns: Mapping[str, str]) -> str:
    """Name of a subject's group.

    Parameters
    ----------
    asked : Attribute
        A column, and where its numbers are cut.
    columns : mapping of str
        Of participants.tsv.

    Raises
    ------
    ValueError
        Nothing is known, or no number where one is needed.
    """
    told = {name.lower(): value.strip() for name, value in columns.items()}.get(asked.name, "")
    if told.lower() in ("", "n/a", "nan"):
        raise ValueError(f"no {asked.name}")
    if not asked.cuts:
        return f"{asked.name}-{_UNFIT.sub('-', told)}"
    try:
        value = float(told)
    except ValueError:
        raise ValueError(f'{asked.name} "{told}" is no number') from None
    below = [cut for cut in asked.cuts if cut <= value]
    above = [cut for cut in asked.cuts if cut > value]
    low = f"{below[-1]:g}" if below else "under"
    return f"{asked.name}-{low}" + (f"to{above[0]:g}" if above else "up")


def grouped(members: Sequence[Member], splits: Sequence[Attribute]) -> dict[str, list[Member]]:
    """Members by the name of their subgroup; one group "all" without splits.

    Parameters
    ----------
    members : sequence of Member
        Everybody.
    splits : sequence of Attribute
        As of `data.attributes.parse_by`.

    Raises
    ------
    ValueError
        Somebody's group is not known, or a group has fewer than `LEAST` subjects; who and which are named.
    """
    groups: dict[str, list[Member]] = {}
    unknown = []
    for member in members:
        try:
            name = "_".join(group_of(split, member.columns) for split in splits) or "all"
        except ValueError as error:
            unknown.append(f"{member.subject}: {error}")
            continue
        groups.setdefault(name, []).append(member)
    if unknown:
        raise ValueError(
            f"participants.tsv does not tell the group of {len(unknown)} of {len(members)} subjects "
            f"({'; '.join(unknown[:6])}{' …' if len(unknown) > 6 else ''}): "
            "complete it, or pass --known to leave them out"
        )
    if len(members) < LEAST and (not splits or not groups):
        raise ValueError(f"an atlas needs at least {LEAST} subjects, got {len(members)}")
    if small := {name: len(them) for name, them in groups.items() if len(them) < LEAST}:
        told = ", ".join(f"{name} has {count}" for name, count in sorted(small.items()))
        raise ValueError(f"an atlas needs at least {LEAST} subjects, and {told}: choose wider groups")
    return dict(sorted(groups.items()))
