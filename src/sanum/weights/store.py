"""The weight store: where weight files are, and how they are fetched.

A name stands for one content, given by the SHA-256 in the package or in the table. A file of that name with
another content is refused, in any folder. Only a file given by its path may differ, if a `.sha256` beside it
matches. No slow imports.
"""

import os
import re
import shutil
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

from filelock import FileLock

from ..files import clear_way, read_small, sha256, whole_file
from .download import OnBlock, download, host_of
from .table import WeightsEntry, WeightsError, read_table

__all__ = [
    "ENDING",
    "PACKAGE",
    "TABLE",
    "OnBlock",
    "WeightsEntry",
    "WeightsError",
    "cache",
    "digest_beside",
    "fetch",
    "find",
    "folders",
    "known",
    "resolve",
    "shipped",
    "verified",
    "write_digest",
]

TABLE = Path(__file__).with_name("table.json")
"""What can be fetched: a list of `{"name", "sha256", "size", "urls"}`, the urls in the order to try them."""

PACKAGE = Path(__file__).parents[1]
ENDING = ".safetensors"


def known(table: Path = TABLE) -> dict[str, WeightsEntry]:
    """All weights with a name: those that ship, and those of the table.

    Parameters
    ----------
    table : Path
        As in `TABLE`.

    Raises
    ------
    WeightsError
        A table that cannot be read, or has entries of another form.
    """
    return read_table(table) | {entry.name: entry for entry in shipped()}


def shipped() -> Iterator[WeightsEntry]:
    """Weights that are in the package.

    Raises
    ------
    WeightsError
        One without the `.sha256` beside it, or with a damaged one.
    """
    here = PACKAGE.glob("methods/*/*/weights/*")
    for path in sorted({p.with_suffix(ENDING) for p in here if p.suffix in (ENDING, ".sha256")}):
        digest = digest_beside(path)
        if digest is None:
            raise WeightsError(f"{path.with_suffix('.sha256').name} is missing; install sanum again")
        yield WeightsEntry(path.stem, digest, path.stat().st_size if path.is_file() else 0)


def folders() -> Iterator[Path]:
    """Where weights are looked for, in this order: `SANUM_WEIGHTS`, the package, the user's cache."""
    if given := os.environ.get("SANUM_WEIGHTS"):
        yield Path(given)
    yield from sorted(PACKAGE.glob("methods/*/*/weights"))
    yield cache()


def cache() -> Path:
    """Folder that weights are fetched to."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sanum" / "weights"


def find(name: str) -> Path | None:
    """First file of that name; not yet verified.

    Parameters
    ----------
    name : str
        Stem of the file.
    """
    return next((path for folder in folders() if (path := folder / f"{name}{ENDING}").is_file()), None)


def resolve(name_or_path: str | Path, *, table: Path = TABLE) -> Path:
    """File of the weights that a user means, verified where its SHA-256 is known. Needs no network.

    Parameters
    ----------
    name_or_path : str or Path
        A name of `known`, the name of a file in one of the `folders`, or the path of a file. That is compared
        with the `.sha256` beside it, or else with what is known of its name; any other is used unchecked.
    table : Path
        As in `TABLE`.

    Raises
    ------
    WeightsError
        Nothing is there; or something else than should be.
    """
    path, entries = Path(name_or_path), known(table)
    name = path.name.removesuffix(ENDING)
    # a known name is no file of the working directory
    if str(name_or_path) not in entries and path.is_file():
        return _file(path, entries.get(name))
    if len(path.parts) == 1 and (found := find(name)):
        return verified(found, entries[name].sha256 if name in entries else digest_beside(found))
    if len(path.parts) == 1 and name in entries:
        elsewhere = f"put {name}{ENDING} into a folder and name that in SANUM_WEIGHTS, or install sanum again"
        remedy = f"run sanum weights fetch {name}" if entries[name].urls else elsewhere
        raise WeightsError(f"the weights {name} are not here; {remedy}")
    raise WeightsError(
        f"weights not found: {name_or_path}; expected a file or one of {', '.join(sorted(entries))}"
    )


def _file(path: Path, entry: WeightsEntry | None) -> Path:
    """A file given by its path; `entry` is what is known of its name."""
    if (digest := digest_beside(path)) or entry is None:
        return verified(path, digest)
    if (found := sha256(path)) != entry.sha256:
        raise WeightsError(
            f"the weights {path} are not {entry.name}, or damaged: expected SHA-256 {entry.sha256[:12]}…, "
            f"found {found[:12]}…; give weights of your own another name, or a .sha256 beside them"
        )
    return path


def verified(path: Path, expected: str | None) -> Path:
    """`path`, once its SHA-256 is the expected one (None: any).

    Parameters
    ----------
    path : Path
        A file.
    expected : str or None
        Its SHA-256, in hexadecimal digits.
    """
    if expected is not None and (found := sha256(path)) != expected:
        remedy = "install sanum again" if path.is_relative_to(PACKAGE) else "put an undamaged copy there"
        raise WeightsError(
            f"the weights {path} are damaged: expected SHA-256 {expected[:12]}…, found {found[:12]}…; "
            f"{remedy}"
        )
    return path


def digest_beside(path: Path) -> str | None:
    """SHA-256 that the `.sha256` beside a file holds, as `sha256sum` writes it; None if there is none.

    Parameters
    ----------
    path : Path
        The file with the weights.

    Raises
    ------
    WeightsError
        It holds something else.
    """
    beside = path.with_suffix(".sha256")
    if not beside.is_file():
        return None
    try:
        content = read_small(beside, 1 << 16)
    except ValueError:
        content = b""
    if not (found := re.match(rb"\s*([0-9a-fA-F]{64})(\s|$)", content)):
        remedy = "install sanum again" if path.is_relative_to(PACKAGE) else "write it again, or remove it"
        raise WeightsError(f"{beside} holds no SHA-256 of 64 hexadecimal digits; {remedy}")
    return found[1].decode().lower()


def write_digest(path: Path, digest: str) -> None:
    """Put a `.sha256` beside a file.

    Parameters
    ----------
    path : Path
        The file with the weights.
    digest : str
        Its SHA-256, in hexadecimal digits.
    """
    with whole_file(path.with_suffix(".sha256")) as partial:
        partial.write_text(digest + "\n")


def fetch(
    name: str, *, table: Path = TABLE, folder: Path | None = None, on_block: OnBlock | None = None
) -> Path:
    """Weights of a name, downloaded where they are not here yet.

    One process downloads and others wait for it. What an interrupted download left is gone on with; the file
    appears under its name only when its SHA-256 is right. A download has a limit in bytes and in time.

    Parameters
    ----------
    name : str
        One of `known`.
    table : Path
        As in `TABLE`.
    folder : Path, optional
        Where they shall be, copied if they are elsewhere; default: wherever they are, or else `cache`.
    on_block : callable, optional
        Called with the bytes done and the bytes in all.

    Raises
    ------
    WeightsError
        Unknown name; no host gave the right file, with each host's reason.
    OSError
        The folder cannot be written to.
    """
    entries = known(table)
    if name not in entries:
        raise WeightsError(f"unknown weights {name}: known are {', '.join(sorted(entries))}")
    entry = entries[name]
    here = find(name)
    if here is not None and not _is(here, entry):
        here = None
    if here is not None and folder is None:
        return here
    folder = folder or cache()
    path = folder / f"{name}{ENDING}"
    if _is(path, entry) and (path.with_suffix(".sha256").is_file() or not os.access(folder, os.W_OK)):
        return path
    folder.mkdir(parents=True, exist_ok=True)
    lock = folder / f".{name}.lock"
    clear_way(lock)
    with FileLock(lock):
        if here is not None and not _is(path, entry):
            with whole_file(path) as copy:
                shutil.copyfile(here, copy)
        elif not _is(path, entry):
            partial = folder / f".{name}-{entry.sha256[:12]}.part"
            _from_any_host(entry, partial, on_block or (lambda done, size: None))
            partial.replace(path)
        write_digest(path, entry.sha256)
    return path


def _is(path: Path, entry: WeightsEntry) -> bool:
    return path.is_file() and path.stat().st_size == entry.size and sha256(path) == entry.sha256


def _has_begun(partial: Path) -> bool:
    return partial.is_file() and partial.stat().st_size > 0


def _from_any_host(entry: WeightsEntry, partial: Path, on_block: OnBlock) -> None:
    """Fill `partial` from the first host that has the right content."""
    reasons = []
    clear_way(partial)
    for url in entry.urls:
        tries = 2 if _has_begun(partial) else 1  # what is there may be the beginning of something else
        for _ in range(tries):
            try:
                download(url, partial, entry.size, on_block)
                if _is(partial, entry):
                    return
                reason = "sent something else"
            except (OSError, HTTPException, ValueError) as error:
                reason = str(getattr(error, "reason", "") or error) or type(error).__name__
            if partial.is_file() and partial.stat().st_size >= entry.size:
                partial.unlink()
        reasons.append(f"{host_of(url)}: {reason}")
    if not _has_begun(partial):
        partial.unlink(missing_ok=True)
    raise WeightsError(
        f"the weights {entry.name} could not be fetched ({'; '.join(reasons) or 'no host is known'}); "
        f"check the network, or put {entry.name}{ENDING} into a folder and name that in SANUM_WEIGHTS"
    )
