"""Saving any result by its outputs: file names, what stands in the way, and all files whole or none."""

import json
import os
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...files import parse_json, read_small
from ...scan import Scan, ScanError, write
from ...scan.names import output_name, printable
from ...scan.write import has_own_files, is_own_folder, reason_of, together
from ..api import Output, OutputSpec, Result

_MOST_BYTES = 1 << 22  # of a record


@dataclass(frozen=True)
class FolderContent:
    """The content of an output that is a folder of files, as of `scan.write.is_own_folder`.

    Parameters
    ----------
    write : function
        Writes the files into a folder that exists.
    """

    write: Callable[[Path], object]


def file_name(stem: str, spec: OutputSpec) -> str:
    """File name of one output of a result.

    Parameters
    ----------
    stem : str
        `Result.name`, which all its files start with.
    spec : OutputSpec
        The output.
    """
    return output_name(stem, spec.desc, spec.suffix, spec.extension)


def file_names(stem: str, specs: Mapping[str, OutputSpec]) -> dict[str, str]:
    """File name of each output, by the output's name, in the order of `specs`.

    Parameters
    ----------
    stem : str
        `Result.name`, which all files start with.
    specs : mapping of str to OutputSpec
        The outputs of the job.

    Raises
    ------
    ValueError
        Two outputs have the same file name.
    """
    names, owners = dict[str, str](), {record_name(stem): "the record"}
    for name, spec in specs.items():
        names[name] = file_name(stem, spec)
        if owner := owners.get(names[name]):
            raise ValueError(
                f"output {name} and {owner} have the same file name, {printable(names[name])}: give one of "
                "them another desc, suffix or extension"
            )
        owners[names[name]] = f"output {name}"
    return names


def record_name(stem: str) -> str:
    """Name of the JSON file that says how the results of one scan were made.

    Parameters
    ----------
    stem : str
        `Result.name`, which all files start with.
    """
    return output_name(stem, None, "record", ".json")


def sidecar_of(spec: OutputSpec) -> dict[str, Any]:
    """Fields of the JSON file beside an image that say what it shows, in the words of BIDS.

    Parameters
    ----------
    spec : OutputSpec
        The image.
    """
    unit = {"Units": spec.unit} if spec.unit else {}
    return {"Description": spec.meaning, **spec.sidecar, **unit}


def require_free(stem: str, folder: Path, specs: Mapping[str, OutputSpec], *, overwrite: bool) -> None:
    """Raise `ScanError` if outputs are in a folder already, or nothing can be written there.

    Parameters
    ----------
    stem : str
        `Result.name`, which all files start with.
    folder : Path
        Where the results should go; need not exist.
    specs : mapping of str to OutputSpec
        The outputs of the job.
    overwrite : bool
        Files that are there may be replaced.
    """
    nearest = next(p for p in (folder, *folder.absolute().parents) if os.path.lexists(p))
    if not nearest.is_dir():
        raise ScanError(
            f"cannot write to {printable(folder)}: {printable(nearest)} is not a folder; "
            "choose another folder"
        )
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise ScanError(
            f"cannot write to {printable(folder)}: no permission; choose a folder that you may write to"
        )
    taken = [folder / n for n in file_names(stem, specs).values() if os.path.lexists(folder / n)]
    if taken and not overwrite:
        raise ScanError(
            f"{printable(taken[0])} exists: pass --overwrite to replace it, or choose another output folder"
        )
    if blocked := [p for p in taken if p.is_dir() and not is_own_folder(p)]:
        raise ScanError(f"{printable(blocked[0])} is a folder where a file should go: move it away")


def save_result(
    result: Result,
    folder: str | Path,
    *,
    overwrite: bool = False,
    without: Collection[str] = (),
    record: Mapping[str, Any] | None = None,
    beside: Mapping[str, str] | None = None,
) -> list[Path]:
    """Paths of the files of a result, written all whole or none; files of an earlier result are replaced.

    Folders that an earlier result had, by its record, and this one has not, are removed.

    A killed process leaves the old files or the new ones (`scan.write.settle` finishes what was begun).

    Parameters
    ----------
    result : Result
        Only its `name` and its `outputs` are looked at. A `Scan` is written as NIfTI, text as UTF-8, bytes as
        they are, anything else as JSON.
    folder : str or Path
        Made if missing.
    overwrite : bool
        Files that are there may be replaced.
    without : collection of str
        Names of outputs that are not made or written. Their files of an earlier result are removed, once the
        new files are in their places.
    record : mapping, optional
        Written as JSON under `record_name`. It says that the others are whole, so it comes last.
    beside : mapping of str to str, optional
        Text of further files, by file name.

    Raises
    ------
    ScanError
        Something exists and `overwrite` is not set; the folder cannot be written to; the disk is full; the
        content of an output is nothing that can be written.
    ValueError
        Two outputs have the same file name.
    """
    folder, last = Path(folder), record_name(result.name)
    outputs, texts = result.outputs, dict(beside or {})
    specs = {name: output.spec for name, output in outputs.items()}
    names = file_names(result.name, specs)
    require_free(result.name, folder, specs, overwrite=overwrite)
    wanted = {name: file for name, file in names.items() if name not in without}
    outdated = {names[name] for name in names if name in without}
    outdated |= _folders_before(folder / last) - set(names.values())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with together(folder, result.name, last=last, outdated=outdated) as hidden:
            _write_contents(outputs, {name: hidden / file for name, file in wanted.items()})
            if record is not None:
                texts[last] = json.dumps(record, indent=2) + "\n"
            for file, text in texts.items():
                (hidden / file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ScanError(f"cannot write to {printable(folder)}: {reason_of(error)}") from error
    except ScanError as error:  # of `write`, which knows only the hidden folder
        if not isinstance(error.__cause__, OSError):
            raise
        raise ScanError(
            f"cannot write to {printable(folder)}: {reason_of(error.__cause__)}"
        ) from error.__cause__
    return [folder / file for file in (*wanted.values(), *texts)]


def _folders_before(record: Path) -> set[str]:
    """Names of the folders of files of an earlier result; none where its record cannot be read."""
    try:
        names = [str(name) for name in parse_json(read_small(record, _MOST_BYTES))["outputs"].values()]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return set()
    return {name for name in names if Path(name).name == name and has_own_files(record.with_name(name))}


def _write_contents(outputs: Mapping[str, Output], paths: Mapping[str, Path]) -> None:
    """Each output in its file; images are packed on a thread beside while the others are made."""
    pool = ThreadPoolExecutor(1)
    begun = []
    try:
        for name, path in paths.items():
            content = outputs[name].content
            if isinstance(content, Scan):
                begun.append(pool.submit(write, content, path))
            else:
                _write_content(name, content, path)
        for image in begun:
            image.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _write_content(name: str, content: Any, path: Path) -> None:
    if isinstance(content, FolderContent):
        path.mkdir()
        content.write(path)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        text = content if isinstance(content, str) else _as_json(name, content) + "\n"
        path.write_text(text, encoding="utf-8")


def _as_json(name: str, content: Any) -> str:
    expected = f"output {name}: expected a Scan, text, bytes or JSON, got"
    if content is None:
        raise ScanError(f"{expected} None")
    try:
        return json.dumps(content, indent=2)
    except (TypeError, ValueError) as error:
        inside = f" ({error})" if isinstance(content, (dict, list, tuple)) else ""
        raise ScanError(f"{expected} {type(content).__name__}{inside}") from error
