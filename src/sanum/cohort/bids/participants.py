"""participants.tsv: what is known of the subjects. Whatever is wrong with it is a note, and no error."""

import csv
import io
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from ...scan.names import printable

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
    lines, notes = _lines(path, taken)
    count = Counter(subject for subject, _ in lines)
    if twice := [subject for subject, many in count.items() if many > 1]:
        notes.append(f"participants.tsv has several lines of {_some(twice)}: the last counts.")
    return dict(lines), notes


def require_agreement(path: Path, columns: Collection[str]) -> None:
    """Raise `ValueError`, which names the subjects, if a table says two things about somebody.

    Parameters
    ----------
    path : Path
        Of the table.
    columns : collection of str
        Where that matters, in any case; n/a says nothing.
    """
    told: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    wanted = {name.strip().casefold() for name in columns}
    for subject, cells in _lines(path, ())[0]:
        for name, value in cells.items():
            if name.strip().casefold() in wanted and value.strip().casefold() not in ("", "n/a", "nan"):
                told[subject, name].add(value.strip())
    if against := [f"{s}: {name} {' and '.join(sorted(v))}" for (s, name), v in told.items() if len(v) > 1]:
        raise ValueError(
            f"participants.tsv contradicts itself ({_some(against)}): keep one line of each subject"
        )


def _lines(path: Path, taken: Collection[str]) -> tuple[list[tuple[str, Mapping[str, str]]], list[str]]:
    """Subject and columns of each line, and notes."""
    if not path.exists():
        return [], []
    try:
        text, notes = _decoded(path.read_bytes())
        lines = csv.reader(io.StringIO(text, newline=""), delimiter="\t", quoting=csv.QUOTE_NONE)
        head, *rows = [line for line in lines if line] or [[]]
    except (OSError, csv.Error) as error:
        return [], [f"participants.tsv cannot be read, and is left out: {error}."]
    keys = [name.strip().casefold() for name in head]
    if KEY not in keys:
        return [], [*notes, f"participants.tsv has no column {KEY}, and is left out."]
    place, names = keys.index(KEY), _free(head, taken)
    if renamed := [f"{old} as {new}" for old, new in zip(head, names, strict=True) if new not in (old, KEY)]:
        notes.append(f"Columns of participants.tsv that clash with ours: {', '.join(renamed)}.")
    found: list[tuple[str, Mapping[str, str]]] = []
    for row in rows:
        cells = [*row, *["n/a"] * (len(names) - len(row))]
        columns = dict(zip(names, cells, strict=False))
        del columns[names[place]]
        found.append((f"sub-{cells[place].strip().removeprefix('sub-')}", columns))
    return found, notes


def joined(
    table: Participants, subjects: Collection[str], known: Collection[str]
) -> tuple[Participants, list[str]]:
    """Columns by subject, and notes on lines and subjects that do not match.

    Spreadsheets turn the label 01 into 1, or 1.0: such a line is that of the one subject of the same number,
    where there is one, and only one such line.

    Parameters
    ----------
    table : dict
        As of `read_participants`.
    subjects : collection of str
        The subjects with results.
    known : collection of str
        All subjects of the data set.
    """
    everybody = {*subjects, *known}
    same, lines = defaultdict[int | None, list[str]](list), defaultdict[int | None, list[str]](list)
    for subject in everybody:
        same[_number_of(subject)].append(subject)
    for line in table.keys() - everybody:
        lines[_number_of(line)].append(line)
    restored = {
        same[number][0]: those[0]
        for number, those in lines.items()
        if number is not None and len(those) == len(same[number]) == 1 and same[number][0] not in table
    }
    found = {**table, **{subject: table[line] for subject, line in restored.items()}}
    notes = []
    if restored:
        pairs = [f"{restored[s].removeprefix('sub-')} for {s}" for s in sorted(restored)]
        notes.append(
            f"participants.tsv has lost leading zeros: {len(pairs)} lines were matched ({_some(pairs)})."
        )
    if not found.keys() & set(subjects):
        return found, [*notes, "participants.tsv has no line of any subject here."]
    if missing := sorted(set(subjects) - found.keys()):
        notes.append(f"Subjects without a line in participants.tsv: {len(missing)} ({_some(missing)}).")
    if nobody := sorted(table.keys() - everybody - set(restored.values())):
        notes.append(
            f"Lines of participants.tsv that match no subject, or several: {len(nobody)} ({_some(nobody)})."
        )
    return found, notes


def _number_of(subject: str) -> int | None:
    match = re.fullmatch(r"sub-([0-9]{1,18})(\.0+)?", subject)
    return int(match[1]) if match else None


def _some(names: Iterable[str], most: int = 6) -> str:
    names = [printable(name) for name in names]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


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
