"""participants.tsv: what is known of the subjects. Whatever is wrong with it is a note, and no error."""

import csv
import io
from collections.abc import Collection, Mapping
from pathlib import Path

KEY = "participant_id"

Participants = dict[str, Mapping[str, str]]


def read_participants(path: Path, taken: Collection[str]) -> tuple[Participants, list[str]]:
    """Columns by participant, and notes on what could not be read as it is; nothing where there is no table.

    The key's column may be in any case, and the labels without "sub-".

    Parameters
    ----------
    path : Path
        Of the table; it may be missing.
    taken : collection of str
        Columns of the table that these are joined to: columns of the same name, in any case, get a prefix.
    """
    if not path.exists():
        return {}, []
    try:
        text, notes = _decoded(path.read_bytes())
        lines = csv.reader(io.StringIO(text, newline=""), delimiter="\t", quoting=csv.QUOTE_NONE)
        head, *rows = [line for line in lines if line] or [[]]
    except (OSError, csv.Error) as error:
        return {}, [f"participants.tsv cannot be read, and is left out: {error}."]
    keys = [name.strip().casefold() for name in head]
    if KEY not in keys:
        return {}, [*notes, f"participants.tsv has no column {KEY}, and is left out."]
    place, names = keys.index(KEY), _free(head, taken)
    if renamed := [f"{old} as {new}" for old, new in zip(head, names, strict=True) if new not in (old, KEY)]:
        notes.append(f"Columns of participants.tsv that clash with ours: {', '.join(renamed)}.")
    found: Participants = {}
    for row in rows:
        cells = [*row, *["n/a"] * (len(names) - len(row))]
        columns = dict(zip(names, cells, strict=False))
        del columns[names[place]]
        found[f"sub-{cells[place].strip().removeprefix('sub-')}"] = columns
    return found, notes


def _decoded(raw: bytes) -> tuple[str, list[str]]:
    """Text in UTF-8, or in UTF-16 with a mark; else as Latin-1, which takes all bytes, and a note."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", errors="replace"), []
    try:
        return raw.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        return raw.decode("latin-1"), ["participants.tsv is not in UTF-8, and was read as Latin-1."]


def _free(head: list[str], taken: Collection[str]) -> list[str]:
    """The columns' names, the key apart, with a prefix where they are taken, in any case."""
    used, names = {name.casefold() for name in taken}, list[str]()
    for name in head:
        free, key = name, name.strip().casefold() == KEY and KEY not in names
        while not key and free.strip().casefold() in used:
            free = f"participants_{free}"
        used.add(free.strip().casefold())
        names.append(KEY if key else free)
    return names
