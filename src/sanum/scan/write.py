"""Writing, whole or not at all."""

import errno
import gzip
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt

from ..files import clear_way, flush, read_small, whole_file
from .errors import ScanError
from .forms import put_one_form
from .names import printable
from .scan import Scan

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EFBIG: "the file would be larger than allowed; raise the limit or choose another folder",
    errno.EEXIST: "a file stands where a folder was expected; choose another folder",
    errno.ENOTDIR: "a file stands where a folder was expected; choose another folder",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}
_OUTDATED = ".outdated"  # in the hidden folder: names of the files that go, one a line
OWN = "sanum-"
"""What the names of the files of an output that is a folder begin with."""

_CLUTTER = (f".{OWN}", ".DS_Store", "._", "Thumbs.db", "desktop.ini", "DICOMDIR")
"""Of what is half written, of macOS and Windows, and of a medium: begins of names."""

SCANNER_COORDINATES = 1
"""NIfTI code of both transforms of a scan that came without: world is the scanner's."""


def write(
    scan: Scan, path: str | Path, *, overwrite: bool = False, dtype: npt.DTypeLike | None = None
) -> Path:
    """Write a scan as NIfTI-1.

    Parameters
    ----------
    scan : Scan
        What to write. It gets both transforms and codes of its `forms`; where it has none, its affine goes
        into sform and qform; a sheared one, which no qform can hold, into the sform only.
    path : str or Path
        Ends in .nii.gz or .nii. Missing folders are made.
    overwrite : bool
        Whether a file that is there may be replaced.
    dtype : dtype, optional
        On disk; by default as in memory. Towards integers values are rounded, never scaled.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    ScanError
        As `atomic_path`; another extension; values that do not fit into `dtype`.
    """
    path = Path(path)
    packed = path.name.lower().endswith(".nii.gz")
    if not packed and not path.name.lower().endswith(".nii"):
        raise ScanError(f"cannot write {printable(path.name)}: expected a name that ends in .nii.gz or .nii")
    image = _image(scan, np.dtype(dtype) if dtype is not None else scan.voxels.dtype, path)
    with atomic_path(path, overwrite=overwrite) as temporary, temporary.open("wb") as stream:
        if packed:
            with gzip.GzipFile("", "wb", compresslevel=1, fileobj=stream, mtime=0) as archive:
                image.to_stream(archive)
        else:
            image.to_stream(stream)
    return path


@contextmanager
def atomic_path(path: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """As `files.whole_file`, with a sentence for users where something fails.

    Parameters
    ----------
    path : str or Path
        Where the file should be in the end. Missing folders are made.
    overwrite : bool
        Whether a file that is there may be replaced.

    Yields
    ------
    Path
        Where to write; hidden, and with the same extension.

    Raises
    ------
    ScanError
        The file exists; the folder cannot be written to; the disk is full; any other `OSError` inside.
    """
    path = Path(path)
    try:
        with whole_file(path, overwrite=overwrite) as temporary:
            yield temporary
    except OSError as error:
        if isinstance(error, IsADirectoryError) and error.filename == str(path):
            raise ScanError(f"{printable(path)} is a folder: expected a file name to write to") from None
        if isinstance(error, FileExistsError) and error.filename == str(path):
            raise ScanError(f"{printable(path)} exists; pass --overwrite to replace it") from None
        raise ScanError(f"cannot write {printable(path)}: {reason_of(error)}") from error


@contextmanager
def together(folder: Path, name: str, *, last: str, outdated: Iterable[str] = ()) -> Iterator[Path]:
    """Give a hidden folder in `folder`, and on success put all its files in their places: all, or none.

    Complete and on disk before the first of them moves; what a killed process did not move, `settle` does.

    Parameters
    ----------
    folder : Path
        Exists.
    name : str
        Names what belongs together; used by one process at a time.
    last : str
        The file that says that the others are whole: its predecessor goes first, and it comes last.
    outdated : iterable of str
        Names of files in `folder` that are of results before, and go once the new files are in their places.

    Raises
    ------
    OSError
        Nothing can be written there.
    """
    part, ready = _hidden(folder, name)
    settle(folder, name, last=last)
    try:
        part.mkdir()
        yield part
        (part / _OUTDATED).write_text("\n".join(outdated), encoding="utf-8")
        for path in (*part.rglob("*"), part):
            flush(path)
        part.rename(ready)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    settle(folder, name, last=last)


def settle(folder: Path, name: str, *, last: str) -> None:
    """Finish what `together` had begun to put in place, and remove what it had not, before it was killed.

    Nothing but files and folders of ours moves: a link in the place of a hidden folder is removed, and one in
    it goes with it.

    Parameters
    ----------
    folder : Path
        As of `together`.
    name : str
        As of `together`.
    last : str
        As of `together`.
    """
    part, ready = _hidden(folder, name)
    _require_folder(part)
    _require_folder(ready)
    if part.is_dir():
        shutil.rmtree(part)
    if not ready.is_dir():
        return
    there = [path for path in ready.iterdir() if path.is_file() and not path.is_symlink()]
    waiting = [path for path in there if path.name not in (last, _OUTDATED)]
    waiting += [path for path in ready.iterdir() if is_own_folder(path)]
    new_last = ready / last
    if waiting or new_last in there:  # so the new `last`, if there is one, has not moved: this is the old one
        (folder / last).unlink(missing_ok=True)
    for path in waiting:
        if is_own_folder(folder / path.name):
            shutil.rmtree(folder / path.name)
        path.replace(folder / path.name)
    for outdated in _outdated_of(ready / _OUTDATED):
        _remove_own(folder / outdated)
    if new_last in there:
        new_last.replace(folder / last)
    shutil.rmtree(ready)


def is_own_folder(path: Path) -> bool:
    """Whether a folder holds files that begin with `OWN` and no others, so that results may replace it.

    What file managers leave everywhere does not count, and goes with it.

    Parameters
    ----------
    path : Path
        Anything; a link to a folder is none.
    """
    return has_own_files(path) and all(
        one.name.startswith((OWN, *_CLUTTER)) and one.is_file() and not one.is_symlink()
        for one in path.iterdir()
    )


def has_own_files(path: Path) -> bool:
    """Whether a folder holds files whose names begin with `OWN`, whatever else is there.

    Parameters
    ----------
    path : Path
        Anything; a link to a folder is none.
    """
    return not path.is_symlink() and path.is_dir() and any(one.is_file() for one in path.glob(f"{OWN}*"))


def _remove_own(path: Path) -> None:
    """Remove a file, or what is ours in a folder: it goes too if nothing else is in it."""
    if is_own_folder(path):
        shutil.rmtree(path)
    elif has_own_files(path):
        for one in path.glob(f"{OWN}*"):
            if one.is_file():
                one.unlink()
    elif not path.is_dir():
        path.unlink(missing_ok=True)


def _require_folder(path: Path) -> None:
    """Remove what stands where a hidden folder should be, and is none: a link is not followed."""
    if path.is_symlink() or not path.is_dir():
        clear_way(path)
        path.unlink(missing_ok=True)


def _outdated_of(note: Path) -> list[str]:
    """Names in the note of `together`; none if it is not there, and no path out of the folder."""
    try:
        names = read_small(note, 1 << 20, follow=False).decode("utf-8").splitlines()
    except (OSError, ValueError):
        return []
    return [name for name in names if Path(name).name == name]


def reason_of(error: OSError) -> str:
    """Why something could not be written, and what to do: the end of a sentence.

    Parameters
    ----------
    error : OSError
        What went wrong.
    """
    reason = _REASONS.get(error.errno or 0, f"{error.strerror or error}; choose a folder you can write to")
    return f"{reason[0].lower()}{reason[1:]}"


def _hidden(folder: Path, name: str) -> tuple[Path, Path]:
    return folder / f".sanum-{name}.part", folder / f".sanum-{name}.ready"


def _image(scan: Scan, dtype: np.dtype, path: Path) -> nib.Nifti1Image:
    """NIfTI image of the scan, unscaled."""
    if dtype.kind == "b":
        dtype = np.dtype(np.uint8)
    if dtype == np.float16:
        dtype = np.dtype(np.float32)
    voxels = scan.voxels
    if dtype.kind in "iu" and voxels.dtype != dtype:
        low, high = float(voxels.min()), float(voxels.max())
        limits = np.iinfo(dtype)
        if not (limits.min <= np.rint(low) and np.rint(high) <= limits.max):
            raise ScanError(
                f"cannot write {printable(path.name)}: values {low:g} … {high:g} do not fit into {dtype}"
            )
        voxels = np.rint(voxels) if voxels.dtype.kind == "f" else voxels
    image = nib.Nifti1Image(voxels.astype(dtype, copy=False), scan.affine, dtype=dtype)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = scan.description
    if scan.forms is not None:
        scan.forms.put_into(image.header)
    else:
        put_one_form(image.header, scan.affine, SCANNER_COORDINATES, SCANNER_COORDINATES)
    return image
