"""Which DICOM series lie in a folder, and the one of them that is meant."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import ParametricMapStorage

from .dicom_contrast import CONTRAST_TAGS, contrast_by_times, contrast_by_words
from .dicom_file import DAMAGED, DamagedFile, has_mark, is_dicom, kinds_of, open_dicom, text_of
from .dicom_frames import is_multi_frame
from .dicom_split import TAGS as SPLITTING_TAGS
from .dicom_split import Images, acquisitions
from .errors import ScanError
from .names import EXTENSIONS, printable

MOST_FILES = 50_000
"""Files of one folder, with those below it."""

_TAGS = (
    *CONTRAST_TAGS,
    *("SOPClassUID", "SeriesInstanceUID", "SeriesNumber", "SpecificCharacterSet"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns", "BitsAllocated"),
    *("SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames"),
    *SPLITTING_TAGS,
)
_IMAGE = "Image Storage"  # in the names of all SOP classes with pixels
_SCREENSHOT = "1.2.840.10008.5.1.4.1.1.7"  # secondary capture, and with a further number its relatives
_DOCUMENTS = frozenset(("SC", "OT", "DOC", "SR", "PR", "KO", "SEG", "REG", "RTSTRUCT"))
_SCOUTS = ("localizer", "localiser", "scout", "topogram", "survey")
_PROJECTIONS = frozenset(("PROJECTION IMAGE", "MIP", "MINIP", "MNIP", "MPR_THICK", "VRT"))

DERIVED = "derived from another series"
LOCALIZER = "a localizer"


@dataclass
class Contents:
    """What files hold.

    Parameters
    ----------
    images : list of (Path, Dataset)
        Images, with the tags that this module needs.
    damaged : list of (Path, str)
        Damaged DICOM files, and their series where it could be read.
    others : list of Path
        Files that are no DICOM.
    """

    images: Images = field(default_factory=list)
    damaged: list[tuple[Path, str]] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Series:
    """One series.

    Parameters
    ----------
    images : list of (Path, Dataset)
        Its images; without localizers, if there are others.
    uid, number, description : str
        "" where there is none.
    aside : str
        Why it is hardly the one that is meant; "" for a volume.
    """

    images: Images
    uid: str
    number: str
    description: str
    aside: str

    def line(self, *, by_uid: bool = False) -> str:
        """Number (or UID), description, slices, contrast, for a list.

        Parameters
        ----------
        by_uid : bool
            Whether the number is not enough.
        """
        header = self.images[0][1]
        contrast, how = contrast_by_words(header), ""
        if contrast is None and (by_times := contrast_by_times(header)):
            contrast, how = by_times[0], " by its times"
        count = sum(int(_frames(h)) for _, h in self.images)
        name = printable(self.uid if by_uid or not self.number else self.number) or "no number"
        words = printable(self.description) or "no description"
        kind = f" ({self.aside})" if self.aside else ""
        slices = f"{count} slice{'s'[: count - 1]}"
        return f"  {name}: {words}, {slices}, {contrast or 'contrast unknown'}{how}{kind}"


def files_in(folder: Path, *, deep: bool) -> Iterator[Path]:
    """Regular files of a folder, sorted, without hidden ones; links to folders are not followed.

    Parameters
    ----------
    folder : Path
        Where to look.
    deep : bool
        Whether also in folders below it.

    Raises
    ------
    ScanError
        The folder cannot be listed; too many files.
    """
    unlisted: list[OSError] = []
    count = 0
    for walked, folders, names in os.walk(folder, onerror=unlisted.append):
        folders[:] = sorted(name for name in folders if deep and not name.startswith("."))
        for name in sorted(names):
            path = Path(walked, name)
            if name.startswith(".") or not path.is_file():
                continue
            count += 1
            if count > MOST_FILES:
                raise ScanError(
                    f"{printable(folder.name)} has more than {MOST_FILES} files: expected those of one "
                    "patient; give a folder with less"
                )
            yield path
    if unlisted:
        raise ScanError(
            f"{printable(Path(unlisted[0].filename).name)} cannot be listed: check its permissions"
        )


def contents_of(paths: Iterator[Path]) -> Contents:
    """Sort files into images, damaged ones and others; reports and the like are neither.

    Parameters
    ----------
    paths : iterator of Path
        From `files_in`.

    Raises
    ------
    ScanError
        A deflated file.
    """
    found = Contents()
    for path in paths:
        if path.name.upper() == "DICOMDIR" or path.name.lower().endswith(EXTENSIONS):
            continue
        try:
            if not is_dicom(path):
                found.others.append(path)
                continue
            header = open_dicom(path, pixels=False, tags=_TAGS)
            series = text_of(header, "SeriesInstanceUID")
            if "Rows" in header and "Columns" in header:
                found.images.append((path, header))
            elif (uid := _class_of(header)) is None:
                _unusable(path, found)
            elif _IMAGE in getattr(uid, "name", ""):
                found.damaged.append((path, series))
        except ScanError:
            raise
        except (InvalidDicomError, *DAMAGED):
            _unusable(path, found)
    return found


def _unusable(path: Path, found: Contents) -> None:
    """A damaged file, if it says that it is DICOM; without the mark, a first tag may be chance."""
    with suppress(OSError):
        if not has_mark(path):
            found.others.append(path)
            return
    found.damaged.append((path, ""))


def series_in(contents: Contents) -> list[Series]:
    """All series, by number and UID; acquisitions that are one series are parts of it, 3.1, 3.2 and so on.

    Parameters
    ----------
    contents : Contents
        From `contents_of`.
    """
    groups: dict[str, Images] = defaultdict(list)
    for path, header in contents.images:
        groups[text_of(header, "SeriesInstanceUID")].append((path, header))
    found = sorted((_series(uid, images) for uid, images in groups.items()), key=_by_number)
    return [part for series in found for part in _parts(series)]


def _series(uid: str, images: Images) -> Series:
    volume = [(path, header) for path, header in images if not _aside(header)]
    header = (volume or images)[0][1]
    aside = _aside(header)
    if not aside and len(volume) == 1 and not is_multi_frame(header):
        aside = "a single slice"
    if not aside and kinds_of(header)[:2] == ["DERIVED", "SECONDARY"]:
        aside = DERIVED
    number, description = text_of(header, "SeriesNumber"), text_of(header, "SeriesDescription")
    return Series(volume or images, uid, number.strip(), description.strip(), aside)


def _by_number(series: Series) -> tuple[int, str]:
    return int(series.number) if series.number.isdecimal() else 0, series.uid


def _parts(series: Series) -> list[Series]:
    """A series, or the acquisitions in it."""
    if series.aside or is_multi_frame(series.images[0][1]):
        return [series]
    parts = acquisitions(series.images)
    if len(parts) == 1:
        return [series]
    return [
        Series(
            images,
            series.uid,
            f"{series.number or 0}.{k}",
            f"{series.description}, {what}".removeprefix(", "),
            "a single slice" if len(images) == 1 else "",
        )
        for k, (what, images) in enumerate(parts, start=1)
    ]


def the_series(found: Sequence[Series], wanted: str | None, what: str) -> tuple[Series, str | None]:
    """The series that is meant, and a word where others were left aside.

    Parameters
    ----------
    found : sequence of Series
        At least one.
    wanted : str or None
        Number, UID or description; None: the only volume among localizers, screenshots and the like.
    what : str
        Where they are, for messages.

    Raises
    ------
    ScanError
        None or several; further lines list what is there.
    """
    if wanted is not None:
        matching = _matching(found, wanted.strip())
        if len(matching) == 1:
            return matching[0], None
        shown = printable(wanted)
        if not matching:
            raise ScanError(
                f'{what} holds no DICOM series "{shown}": choose one of {len(found)} by its number, UID or '
                f"description with --series{_listed(found)}"
            )
        alike = len({s.uid for s in matching}) == len(matching)
        raise ScanError(
            f'{what} holds {len(matching)} DICOM series that "{shown}" could mean: choose one by its '
            f"{'UID' if alike else 'number'} with --series, or give a folder with one of them"
            f"{_listed(matching, by_uid=alike)}"
        )
    if all(s.aside == LOCALIZER for s in found):
        raise ScanError(
            f"{what} holds nothing but a localizer: expected a volume; give a folder with the "
            "series that was planned on it"
        )
    volumes = [s for s in found if not s.aside] or [s for s in found if s.aside == DERIVED] or list(found)
    if len(volumes) > 1:
        raise ScanError(
            f"{what} holds {len(volumes)} DICOM series that could be meant: choose one by its number, UID or "
            f"description with --series, or give a folder with one of them{_listed(found)}"
        )
    word = None
    if len(found) > 1:
        word = (
            f"{len(found)} DICOM series are there, and {_label(volumes[0])} was read: the others are no "
            "volumes (localizers, screenshots and the like) or derived from others"
        )
    return volumes[0], word


def damaged_of(series: Series, contents: Contents) -> list[Path]:
    """Damaged files that belong to a series, or may belong to it.

    That is a DICOM file in one of its folders whose series is the same or cannot be read, or a file there
    that is no DICOM and is named as its files are, but for numbers.

    Parameters
    ----------
    series : Series
        That was chosen.
    contents : Contents
        It is from.
    """
    patterns = {(path.parent, _pattern(path)) for path, _ in series.images}
    folders = {folder for folder, _ in patterns}
    damaged = [path for path, uid in contents.damaged if path.parent in folders and uid in ("", series.uid)]
    strangers = [path for path in contents.others if (path.parent, _pattern(path)) in patterns]
    return sorted([*damaged, *strangers])


def require_whole(paths: Sequence[Path], what: str) -> None:
    """Raise `DamagedFile` for the first of damaged files, if there is one.

    Parameters
    ----------
    paths : sequence of Path
        Damaged files.
    what : str
        Where they are, for the message.
    """
    if paths:
        more = f" (and {len(paths) - 1} more)" if len(paths) > 1 else ""
        raise DamagedFile(
            f"{printable(paths[0].name)}{more} in {what} is a damaged DICOM file: copy the series again"
        )


def _matching(found: Sequence[Series], wanted: str) -> list[Series]:
    """By number; else by UID; else by description, whole, and then a part of it."""
    words = wanted.casefold()
    ways = (
        lambda s: bool(s.number) and s.number.lstrip("0") == wanted.lstrip("0"),
        lambda s: s.uid == wanted,
        lambda s: bool(wanted) and s.number.partition(".")[0] == wanted.lstrip("0"),
        lambda s: s.description.casefold() == words,
        lambda s: bool(words) and words in s.description.casefold(),
    )
    return next((some for way in ways if (some := [s for s in found if way(s)])), [])


def _listed(found: Sequence[Series], *, by_uid: bool = False) -> str:
    """A line for each series, below the first line of a message."""
    numbers = Counter(s.number for s in found)
    return "".join("\n" + s.line(by_uid=by_uid or numbers[s.number] > 1) for s in found)


def _label(series: Series) -> str:
    return f"series {printable(series.number)}" if series.number else "the only volume"


def _frames(header: Dataset) -> str:
    count = text_of(header, "NumberOfFrames")
    return count if count.isdecimal() else "1"


def _pattern(path: Path) -> str:
    return re.sub(r"\d+", "#", path.name)


def _class_of(header: FileDataset) -> str | None:
    return header.get("SOPClassUID") or header.file_meta.get("MediaStorageSOPClassUID") or None


def _aside(header: Dataset) -> str:
    """What an image is, if it is none of a volume."""
    kinds = kinds_of(header)
    text = f"{' '.join(kinds)} {text_of(header, 'SeriesDescription')}".lower()
    if any(word in text for word in _SCOUTS):
        return LOCALIZER
    uid, modality = text_of(header, "SOPClassUID"), text_of(header, "Modality")
    if uid.startswith(_SCREENSHOT) or uid == ParametricMapStorage or modality in _DOCUMENTS:
        return "a screenshot or document"
    if text_of(header, "SamplesPerPixel") not in ("", "1"):
        return "in colour"
    return "a projection" if _PROJECTIONS & set(kinds) else ""
