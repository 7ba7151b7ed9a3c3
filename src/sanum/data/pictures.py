"""Which pictures there are, which are normal, which belong together: folders, a table, near-duplicates."""

import csv
import io
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..files import sha256
from ..scan.dicom_file import is_dicom
from ..scan.errors import ScanError
from ..scan.names import EXTENSIONS, printable
from ..scan.picture import Picture
from ..scan.picture_files import PICTURE_EXTENSIONS
from ..scan.read_picture import PictureAt, PictureReading, read_pictures
from ..types import FloatArray
from .duplicates import NEAR, fingerprint, joined, near_pairs, of_whole_volumes

NORMAL_WORDS = ("normal", "good", "healthy", "negative", "benign", "no", "ok", "control")
"""Labels in words that mean 0; the other word of a table then means 1."""

_NUMBERS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1}
"""Labels as numbers; a table of pandas with a gap has them as floats."""

_ENDINGS = (*PICTURE_EXTENSIONS, ".npy", *EXTENSIONS)


@dataclass(frozen=True)
class PictureEntry:
    """One picture of a data set.

    Parameters
    ----------
    at : PictureAt
        Its file, and which slice of it.
    id : str
        What tables call it: its path below the folder that was given, without what lies above.
    label : int or None
        0 normal, 1 abnormal, None unknown.
    group : str
        Whose picture it is; slices of one volume are of one group.
    """

    at: PictureAt
    id: str
    label: int | None = None
    group: str = ""


@dataclass(frozen=True, eq=False)
class PictureSet:
    """Pictures that can be read, in the order of their paths, and those that cannot.

    Parameters
    ----------
    entries : tuple of PictureEntry
        With near-duplicates in one group.
    digests : tuple of str
        SHA-256 of the file of each.
    failed : tuple of (str, str)
        Id and reason of what was left out.
    notes : tuple of str
        What a user should know.
    duplicates : tuple of (str, str)
        Ids of each pair that is nearly the same.
    channels : tuple of int
        Of each picture, as it was read.
    """

    entries: tuple[PictureEntry, ...]
    digests: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    duplicates: tuple[tuple[str, str], ...] = ()
    channels: tuple[int, ...] = ()

    def require_same_channels(self) -> None:
        """Raise `ScanError` if pictures differ in their number of channels."""
        for entry, count in zip(self.entries, self.channels, strict=True):
            if count != self.channels[0]:
                raise ScanError(
                    f"{printable(entry.id)} has {count} channels and {printable(self.entries[0].id)} "
                    f"{self.channels[0]}: expected the same number; convert them, or read all as grey "
                    "(picture.grey=true)"
                )

    @property
    def sources(self) -> list[PictureAt]:
        """What a detector reads."""
        return [entry.at for entry in self.entries]

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """0 and 1; -1 where it is not known."""
        return np.array([-1 if e.label is None else e.label for e in self.entries], dtype=np.int64)

    @property
    def groups(self) -> list[str]:
        """Group of each."""
        return [entry.group for entry in self.entries]


def find_pictures(given: Sequence[Path], *, normal: str = "") -> list[PictureEntry]:
    """Pictures that paths name: one folder, or normals and abnormals in two, or a table with labels.

    Nothing is opened but the table.

    Parameters
    ----------
    given : sequence of Path
        One or two folders (searched), or a CSV or TSV file (commas, semicolons or tabs) with the columns path
        and, if known, label (0 and 1, or two words) and group (such as the patient).
    normal : str
        The word of the table that means normal, where it is none of `NORMAL_WORDS`.

    Raises
    ------
    ScanError
        Nothing is there; a table that cannot be read, or with other labels.
    """
    if len(given) == 1 and given[0].suffix.lower() in (".csv", ".tsv"):
        return _of_table(given[0], normal)
    if len(given) not in (1, 2):
        raise ScanError(f"expected one or two folders, or a CSV file, got {len(given)} paths")
    several = len(given) == 2
    if several and given[0].resolve() == given[1].resolve():
        raise ScanError(f"{printable(given[0])} is given twice: expected normals, then abnormals")
    found: list[PictureEntry] = []
    for label, folder in enumerate(given):
        top = f"{folder.resolve().name}/" if several else ""
        files = files_in(folder)
        found += [
            PictureEntry(PictureAt(p), top + p.relative_to(folder).as_posix(), label if several else None)
            for p in files
        ]
    ids = [entry.id for entry in found]
    if len(set(ids)) < len(ids):  # two folders of one name
        found = [replace(entry, id=f"{entry.label}/{entry.id}") for entry in found]
    return found


def files_in(folder: Path) -> list[Path]:
    """Pictures in a folder and below, sorted by path; hidden ones are left aside.

    Parameters
    ----------
    folder : Path
        To search, or one file.

    Raises
    ------
    ScanError
        There is no such folder, or no picture in it.
    """
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise ScanError(f"{printable(folder)} is not there: expected a folder of pictures")
    found = []
    for walked, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(walked) / name
            if name.startswith("."):
                continue
            if name.lower().endswith(_ENDINGS) or ("." not in name[-5:] and is_dicom(path)) or _dcm(name):
                found.append(path)
    if not found:
        raise ScanError(
            f"{printable(folder)} holds no pictures: expected {', '.join(_ENDINGS[:7])}, volumes or DICOM"
        )
    return sorted(found)


def load_pictures(
    entries: Iterable[PictureEntry],
    reading: PictureReading | None = None,
    *,
    near: float | None = NEAR,
    on_picture: Callable[[int], None] | None = None,
) -> PictureSet:
    """Read every picture once: what cannot be read is listed, what is nearly the same gets one group.

    Parameters
    ----------
    entries : iterable of PictureEntry
        Of `find_pictures`.
    reading : PictureReading, optional
        Choices of reading.
    near : float, optional
        See `duplicates.NEAR`; None: near-duplicates are not looked for.
    on_picture : function, optional
        Called with how many entries are read.

    Raises
    ------
    ScanError
        None can be read.
    """
    reading = reading or PictureReading()
    kept: list[PictureEntry] = []
    digests: list[str] = []
    prints: list[FloatArray] = []
    channels: list[int] = []
    failed: list[tuple[str, str]] = []
    notes: list[str] = []
    blank = 0
    for count, entry in enumerate(entries, 1):
        try:
            pictures = read_pictures(entry.at, reading)
            digest = sha256(entry.at.path)
        except (ScanError, OSError) as error:
            failed.append((entry.id, str(error)))
            pictures = []
        for picture in pictures:
            if picture.is_constant and len(pictures) > 1:
                blank += 1
                continue
            if picture.is_constant:
                failed.append((entry.id, f"{picture.name} has one value everywhere: it shows nothing"))
                continue
            kept.append(_framed(entry, picture, several=len(pictures) > 1))
            digests.append(digest)
            channels.append(picture.channels)
            prints.append(fingerprint(picture) if near is not None else np.empty(0, np.float32))
        if on_picture:
            on_picture(count)
    if not kept:
        empty = "all slices have one value everywhere" if blank else "there are no pictures"
        reason = failed[0][1] if failed else empty
        raise ScanError(f"no picture can be used: {reason}")
    if blank:
        notes.append(f"{blank} slices have one value everywhere: left out")
    if near is None:
        return PictureSet(tuple(kept), tuple(digests), tuple(failed), tuple(notes), channels=tuple(channels))
    places = [(str(entry.at.path), entry.at.frame) for entry in kept]
    pairs = of_whole_volumes(near_pairs(prints, near), places)
    groups = joined([entry.group or entry.id for entry in kept], pairs)
    entries_of = tuple(replace(entry, group=group) for entry, group in zip(kept, groups, strict=True))
    same = tuple((kept[a].id, kept[b].id) for a, b in pairs)
    if crossing := [pair for pair in pairs if kept[pair[0]].label != kept[pair[1]].label]:
        one, other = (kept[n].id for n in crossing[0])
        notes.append(f"{one} and {other} are nearly the same and have different labels: check them")
    return PictureSet(entries_of, tuple(digests), tuple(failed), tuple(notes), same, tuple(channels))


def _dcm(name: str) -> bool:
    return name.lower().endswith((".dcm", ".dicom", ".ima"))


def _framed(entry: PictureEntry, picture: Picture, *, several: bool) -> PictureEntry:
    """The entry of one slice of a file."""
    group = entry.group or entry.id
    number = f"#{picture.frame}" if several else ""
    return replace(entry, at=PictureAt(entry.at.path, picture.frame), id=entry.id + number, group=group)


def _of_table(path: Path, normal: str) -> list[PictureEntry]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ScanError(
            f"{printable(path)} cannot be read: expected a table in UTF-8 with a column path"
        ) from error
    head = text.partition("\n")[0]
    divider = max(",;\t", key=head.count)
    table = csv.DictReader(io.StringIO(text), delimiter=divider, skipinitialspace=True)
    names = {(name or "").strip().lower(): name for name in table.fieldnames or ()}
    if "path" not in names:
        raise ScanError(f"{printable(path)} has no column path: expected path, label and, if known, group")
    rows = [row for row in table if (row.get(names["path"]) or "").strip()]
    if not rows:
        raise ScanError(f"{printable(path)} lists no pictures: expected one a line")
    words = [(row.get(names.get("label", "")) or "").strip() for row in rows]
    labels = _labels(words, normal, printable(path.name))
    entries = []
    for row, label in zip(rows, labels, strict=True):
        given = row[names["path"]].strip()
        group = (row.get(names.get("group", "")) or "").strip()
        entries.append(PictureEntry(PictureAt(path.parent / given), given, label, group))
    ids = [entry.id for entry in entries]
    if twice := next((one for one in ids if ids.count(one) > 1), None):
        raise ScanError(f"{printable(path.name)} lists {printable(twice)} twice: expected each picture once")
    return sorted(entries, key=lambda entry: entry.id)


def _labels(words: Sequence[str], normal: str, what: str) -> list[int | None]:
    """0, 1 or None of each word."""
    known = sorted({word.lower() for word in words if word})
    if not known:
        return [None] * len(words)
    if set(known) <= set(_NUMBERS):
        meaning = _NUMBERS
    else:
        zero = [word for word in known if word == normal.lower() or (not normal and word in NORMAL_WORDS)]
        if len(known) > 2 or len(zero) != 1:
            raise ScanError(
                f"{what} has the labels {', '.join(map(printable, known[:5]))}: expected 0 and 1, or two "
                f"words of which one is {', '.join(NORMAL_WORDS[:4])} …; name the normal one with --normal"
            )
        meaning = {word: int(word != zero[0]) for word in known}
    return [meaning[word.lower()] if word else None for word in words]
