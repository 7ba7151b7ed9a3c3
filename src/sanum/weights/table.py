"""The table of weights that can be fetched: what is known of a name, and the one reader that checks it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files import parse_json, read_small

MOST_BYTES = 1 << 22
LARGEST = 1 << 40
"""No weights have more bytes."""


class WeightsError(ValueError):
    """Weights that are missing, damaged, or of another version."""


@dataclass(frozen=True)
class WeightsEntry:
    """What is known of the weights of one name.

    Parameters
    ----------
    name : str
        Stem of the file.
    sha256 : str
        Of the file, 64 hexadecimal digits.
    size : int
        Of the file, in bytes.
    urls : tuple of str
        Where it can be fetched, in the order to try.
    """

    name: str
    sha256: str
    size: int
    urls: tuple[str, ...] = ()


def read_table(path: Path) -> dict[str, WeightsEntry]:
    """Entries of a table by their names.

    Parameters
    ----------
    path : Path
        A JSON list of name, sha256, size and urls.

    Raises
    ------
    WeightsError
        A table that cannot be read, or has entries of another form.
    """
    try:
        rows = parse_json(read_small(path, MOST_BYTES))
        if not isinstance(rows, list):
            raise ValueError("it is no list")
        entries = [_entry(row) for row in rows]
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"{path.name} is no table of weights ({error}): expected a JSON list of name, sha256, size "
            "and urls"
        ) from error
    return {entry.name: entry for entry in entries}


def _entry(row: Any) -> WeightsEntry:
    """An entry, of which every field has been looked at; ValueError says what is wrong."""
    keys = WeightsEntry.__annotations__
    if not isinstance(row, dict) or not keys.keys() - {"urls"} <= row.keys() <= keys.keys():
        raise ValueError("an entry has other fields")
    name, digest, size, urls = row["name"], row["sha256"], row["size"], row.get("urls", [])
    if not isinstance(name, str) or not re.fullmatch(r"[^./\0][^/\0]{0,199}", name):
        raise ValueError("a name is no name of a file")
    if not isinstance(digest, str) or not re.fullmatch("[0-9a-fA-F]{64}", digest):
        raise ValueError(f"the sha256 of {name} has not 64 hexadecimal digits")
    if type(size) is not int or not 0 < size <= LARGEST:
        raise ValueError(f"the size of {name} is no number of bytes")
    if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
        raise ValueError(f"the urls of {name} are no list of addresses")
    return WeightsEntry(name, digest.lower(), size, tuple(urls))
