"""What a folder of a node says by itself: a table of its series."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from .folder import ENDING, NodeFolder
from .queue import STATES, Entry, read_entries

_HEAD = ("series", "state", "objects", "sent", "since", "reason")


def as_dict(folder: NodeFolder) -> dict[str, Any]:
    """States with their counts, and each series.

    Parameters
    ----------
    folder : NodeFolder
        Of a node, which may run or not.
    """
    entries = _ordered(folder)
    count = Counter(entry.state for entry in entries)
    return {
        "states": {state: count[state] for state in STATES},
        "new": _files(folder.new),
        "unusable": _files(folder.unusable),
        "series": [
            {
                "series": entry.key,
                "study": entry.study_uid,
                "state": entry.state,
                "reason": entry.reason,
                "objects": entry.count,
                "expected": entry.expected,
                "sent": dict(entry.sent),
                "since": _time(entry.changed),
            }
            for entry in entries
        ],
    }


def _files(folder: Any) -> int:
    return sum(1 for _ in folder.glob(f"*{ENDING}")) if folder.is_dir() else 0


def table_of(folder: NodeFolder) -> list[str]:
    """The same as lines for a terminal.

    Parameters
    ----------
    folder : NodeFolder
        Of a node, which may run or not.
    """
    entries = _ordered(folder)
    rows = [_HEAD, *map(_row, entries)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    count = Counter(entry.state for entry in entries)
    lines.append(", ".join(f"{count[state]} {state}" for state in STATES))
    for number, words in (
        (_files(folder.new), "arrived and not yet looked at"),
        (_files(folder.unusable), f"that cannot be read, in {folder.unusable.name}"),
    ):
        if number:
            lines.append(f"{number} object{'s'[: number - 1]} {words}")
    return lines


def _ordered(folder: NodeFolder) -> list[Entry]:
    entries = read_entries(folder.states) if folder.states.is_dir() else {}
    return sorted(entries.values(), key=lambda one: (STATES.index(one.state), one.changed, one.key))


def _row(entry: Entry) -> tuple[str, ...]:
    objects = str(entry.count) if entry.expected is None else f"{entry.count}/{entry.expected}"
    sent = "+".join(str(number) for number in entry.sent.values()) or "-"
    return entry.key, entry.state, objects, sent, _time(entry.changed), entry.reason or "-"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
