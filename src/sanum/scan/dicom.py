"""One DICOM series, of a folder, a file or a zip archive, as one `Scan`."""

import warnings as python_warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from .absent import require_content
from .checks import check_shape, usable_scan
from .contrast import Decided
from .contrast_words import contrast_of
from .dicom_contrast import contrast_by_times, contrast_by_words
from .dicom_file import DamagedFile, is_dicom, text_of
from .dicom_frames import frames_of, is_multi_frame
from .dicom_pixels import read_pixels
from .dicom_series import (
    Contents,
    Series,
    contents_of,
    damaged_of,
    files_in,
    require_whole,
    series_in,
    the_series,
)
from .dicom_stack import Slice, Stack, in_order, interpolated, slice_of, stack_of
from .dicom_zip import unpacked, zip_holds_dicom
from .errors import ScanError
from .names import EXTENSIONS, printable
from .scan import Scan

ARCHIVE = ".zip"


@dataclass(frozen=True, eq=False)
class ChosenSlices:
    """The slices of the series that is meant.

    Parameters
    ----------
    slices : list of Slice
        Along their normal.
    what : str
        The series, for messages.
    word : str or None
        A warning, where other series were left aside.
    left_out : list of Path
        Damaged files, and those that do not say where their slice lies.
    """

    slices: list[Slice]
    what: str
    word: str | None
    left_out: list[Path]


def read_dicom(path: Path, *, series: str | None = None, skip_damaged: bool = False) -> Scan:
    """Read one series.

    Files are recognized by their content, not by their names; other files are ignored. Subfolders are
    searched if the folder itself holds no image, or if a series is chosen. Of several series the only volume
    among localizers, screenshots and the like is read. Slices at uneven distances are interpolated to even
    ones. A tilted gantry is kept as a shear in the affine. Each of these gives a warning.

    Parameters
    ----------
    path : Path
        A folder; one file of a series, whose others lie beside it; a zip archive.
    series : str, optional
        Number, UID or description of the series.
    skip_damaged : bool
        Leave damaged files out, with a warning, and interpolate the gap.

    Returns
    -------
    Scan
        Voxels (columns, rows, slices) with slices along their normal; rescale slope and intercept applied
        as float32, or the stored integers where there are none and nothing was interpolated; world in mm,
        RAS+.

    Raises
    ------
    ScanError
        No image, or several series, which further lines of the message list; fewer than 2 slices; slices that
        repeat, lack, or differ in size or direction; colour images.
    DamagedFile
        A damaged file, without `skip_damaged`.
    """
    with opened_series(path, series=series, skip_damaged=skip_damaged) as one:
        return _scan(path, one, skip_damaged=skip_damaged)


@contextmanager
def opened_series(
    path: Path, *, series: str | None = None, skip_damaged: bool = False
) -> Iterator[ChosenSlices]:
    """The slices of one series, whose files can be opened as long as this lasts.

    Parameters
    ----------
    path, series, skip_damaged
        As in `read_dicom`.

    Raises
    ------
    ScanError, DamagedFile
        As `read_dicom`, as far as headers tell.
    """
    what = printable(path.resolve().name or path)
    with python_warnings.catch_warnings():
        python_warnings.simplefilter("ignore")  # pydicom's: scanners break the standard in harmless ways
        if path.is_dir():
            contents = _contents(path, what, deep=series is not None)
        elif path.name.lower().endswith(ARCHIVE):
            with unpacked(path) as folder:
                contents = contents_of(files_in(folder, deep=False))
                yield _chosen(contents, path, what, series, skip_damaged=skip_damaged)
            return
        else:
            contents, what = _beside(path, what, series)
        yield _chosen(contents, path, what, series, skip_damaged=skip_damaged)


def holds_dicom(path: Path) -> bool:
    """Whether DICOM files lie in a folder itself or in a zip archive, or a file is one (DICOMDIR is not).

    They are recognized by their content.

    Parameters
    ----------
    path : Path
        Of a folder, subfolders of which do not count, or of a file.
    """
    try:
        if path.name.lower().endswith(EXTENSIONS):
            return path.is_dir() and any(map(is_dicom, _plain(path)))
        if path.is_dir():
            return any(map(is_dicom, _plain(path)))
        return zip_holds_dicom(path) if path.name.lower().endswith(ARCHIVE) else is_dicom(path)
    except OSError:
        return False


def series_of_file(path: Path) -> tuple[Path, str] | None:
    """Folder and UID of the series that a single-frame DICOM file is of; None for other files.

    Parameters
    ----------
    path : Path
        Of the file.
    """
    with suppress(OSError, ScanError):
        found = contents_of(iter([path])).images
        if found and not is_multi_frame(found[0][1]):
            return path.resolve().parent, text_of(found[0][1], "SeriesInstanceUID")
    return None


def dicom_files(path: Path) -> list[Path]:
    """Files that a DICOM scan is read from, for whoever describes it; `path` alone if it is no DICOM.

    Parameters
    ----------
    path : Path
        A folder, with folders below it if it holds no DICOM itself; one file of a series, for which all DICOM
        files beside it stand; a zip archive.
    """
    if path.is_dir():
        own = sorted(file for file in path.iterdir() if file.is_file())
        if holds_dicom(path):
            return own
        return [file for file in files_in(path, deep=True) if is_dicom(file)] or own
    name = path.name.lower()
    if name.endswith((*EXTENSIONS, ARCHIVE)) or not holds_dicom(path):
        return [path]
    return [file for file in files_in(path.parent, deep=False) if is_dicom(file)]


def _plain(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.iterdir()) if not path.name.lower().endswith(EXTENSIONS))


def _contents(folder: Path, what: str, *, deep: bool) -> Contents:
    """What a folder holds; if it has no image itself, what its subfolders hold."""
    for path in folder.rglob("*") if deep else folder.iterdir():
        if path.is_symlink() and not path.exists():
            require_content(path)  # raises: a series that lacks a slice is not read in silence
    found = contents_of(files_in(folder, deep=deep))
    if not found.images and not deep:
        below = contents_of(files_in(folder, deep=True))
        found = below if below.images else found
    if not found.images:
        require_whole([path for path, _ in found.damaged], what)
        raise ScanError(
            f"{what} holds no DICOM images: expected a folder with the files of one series, or with folders "
            "of such"
        )
    return found


def _beside(path: Path, what: str, series: str | None) -> tuple[Contents, str]:
    """What belongs to the series of one file, and what to call it."""
    if series is not None:
        raise ScanError(
            f"{what} says its series itself: leave --series out, or give its folder to choose among several"
        )
    own = contents_of(iter([path]))
    if not own.images:
        require_whole([path for path, _ in own.damaged], what)
        raise ScanError(f"{what} holds no DICOM image: expected one file of a series, or its folder")
    header = own.images[0][1]
    if is_multi_frame(header):
        return own, what
    uid = text_of(header, "SeriesInstanceUID")
    found = contents_of(files_in(path.parent, deep=False))
    found.images = [one for one in found.images if text_of(one[1], "SeriesInstanceUID") == uid]
    return found, f"the series of {what}"


def _series_of(contents: Contents, path: Path) -> list[Series]:
    """All series or, of a file, the acquisition that it is of."""
    found = series_in(contents)
    return [s for s in found if path in (file for file, _ in s.images)] or found


def _chosen(
    contents: Contents, path: Path, what: str, series: str | None, *, skip_damaged: bool
) -> ChosenSlices:
    """Slices of the series that is meant, among all that was found."""
    found, word = the_series(_series_of(contents, path), series, what)
    damaged = damaged_of(found, contents)
    if not skip_damaged:
        require_whole(damaged, what)
    slices, unplaced = _slices(found, what, skip_damaged=skip_damaged)
    return ChosenSlices(in_order(slices, what), what, word, [*damaged, *unplaced])


def _scan(path: Path, chosen: ChosenSlices, *, skip_damaged: bool) -> Scan:
    """The scan of slices."""
    slices, what = chosen.slices, chosen.what
    size = (*slices[0].size, len(slices))
    check_shape(size, what)
    stack = stack_of(slices, what)
    voxels, kept = read_pixels(slices, size, skip_damaged=skip_damaged)
    undecoded = [one.path for k, one in enumerate(slices) if k not in set(kept)]
    if undecoded:
        slices = in_order([slices[k] for k in kept], what)
        stack = stack_of(slices, what)
    voxels = _even(voxels, stack, what)
    contrast, told = _contrast(slices[0], path)
    warnings = [chosen.word, *stack.warnings, told, _left_out([*chosen.left_out, *undecoded])]
    return usable_scan(
        voxels,
        stack.affine,
        contrast=contrast,
        path=path,
        what=what,
        warnings=tuple(w for w in warnings if w is not None),
        ours=True,
    )


def _slices(series: Series, what: str, *, skip_damaged: bool) -> tuple[list[Slice], list[Path]]:
    """Slices of a series, and the files that do not say where theirs lies."""
    first, header = series.images[0]
    if is_multi_frame(header):
        if len(series.images) > 1:
            raise ScanError(
                f"{what} has {len(series.images)} multi-frame files of one series: give one of them"
            )
        return frames_of(first, what), []
    slices: list[Slice] = []
    unplaced: list[Path] = []
    for path, header in series.images:
        try:
            slices.append(slice_of(path, header, what))
        except DamagedFile:
            if not skip_damaged or (not slices and path == series.images[-1][0]):
                raise
            unplaced.append(path)
    return slices, unplaced


def _even(voxels: npt.NDArray[Any], stack: Stack, what: str) -> npt.NDArray[Any]:
    if stack.places is None:
        return voxels
    check_shape((*voxels.shape[:2], len(stack.places)), what)
    return interpolated(voxels, stack.places)


def _contrast(first: Slice, path: Path) -> tuple[Decided, str | None]:
    """Contrast by the tags' words, the name or the sequence's times, and a word where it is these."""
    if (stated := contrast_by_words(first.header)) is not None:
        return Decided(stated, "DICOM header"), None
    if (named := contrast_of(path)) is not None:
        return Decided(named, "file name"), None
    if (by_times := contrast_by_times(first.header)) is None:
        return Decided(), None
    contrast, times = by_times
    return (
        Decided(contrast, "DICOM header"),
        f"no name says its contrast: the times of its sequence ({times}) are those of a {contrast}",
    )


def _left_out(paths: list[Path]) -> str | None:
    if not paths:
        return None
    names = ", ".join(printable(path.name) for path in paths[:5])
    more = f" and {len(paths) - 5} more" if len(paths) > 5 else ""
    count = "1 damaged file was" if len(paths) == 1 else f"{len(paths)} damaged files were"
    return f"{count} left out ({names}{more}): slices that lack are interpolated, or missing at the ends"
