"""What becomes of each series: a small file each, so that a node that was killed goes on where it was."""

import json
import logging
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, get_args

from ...files import PARTIAL, parse_json, read_small, whole_file

State = Literal["incoming", "processing", "done", "error", "discarded"]
STATES: tuple[State, ...] = get_args(State)
"""Incoming: more may come. Processing: complete; results are made, and then sent. Discarded: not wanted."""

_MOST_BYTES = 1 << 20
_UID = re.compile(r"(?=.{1,64}\Z)[0-9]+(\.[0-9]+)*")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """What is known of a series; of a patient nothing is.

    Parameters
    ----------
    key : str
        Name of its folder: its UID, or a digest of one that is no UID.
    study_uid, series_uid : str
        As its first object says.
    state : str
        One of `STATES`.
    reason : str
        Why it is so, in one sentence.
    count : int
        Objects that arrived.
    expected : int or None
        Objects that the archive has, where it says so.
    changed : float
        When it got into this state, seconds since 1970.
    starts : int
        How often its processing began, since it was last complete.
    is_made : bool
        Whether its results are there.
    sent : mapping of str to int
        Of each peer, how many objects it has stored.
    tries : int
        To send, without success, since a peer last answered.
    next_try : float
        When to send again, seconds since 1970.
    old_since : float
        When it was first seen to be old enough to be removed, seconds since 1970; 0: it is not.
    """

    key: str
    study_uid: str = ""
    series_uid: str = ""
    state: State = "incoming"
    reason: str = ""
    count: int = 0
    expected: int | None = None
    changed: float = 0.0
    starts: int = 0
    is_made: bool = False
    sent: Mapping[str, int] = field(default_factory=dict)
    tries: int = 0
    next_try: float = 0.0
    old_since: float = 0.0


def is_uid(text: str) -> bool:
    """Whether a text is made as a UID is.

    Parameters
    ----------
    text : str
        From the network.
    """
    return _UID.fullmatch(text) is not None


def key_of_uid(uid: str) -> str:
    """A name of files for a UID from the network, whatever it holds.

    Parameters
    ----------
    uid : str
        Of a series or an instance.

    Examples
    --------
    >>> key_of_uid("1.2.840.1"), key_of_uid("../etc")
    ('1.2.840.1', 'xf7f9121fdb53d8de')
    """
    if is_uid(uid):
        return uid
    return "x" + sha256(uid.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def read_entries(folder: Path) -> dict[str, Entry]:
    """All entries, by key; one that is damaged is left out.

    Parameters
    ----------
    folder : Path
        Of states.
    """
    found = {}
    for path in sorted(folder.glob("*.json")):
        if path.name.startswith(PARTIAL):
            continue
        try:
            found[path.stem] = _entry(path)
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            _log.warning("the state of %s is damaged (%s): it is looked at anew", path.stem, error)
    return found


class Queue:
    """The states of all series; every change is on the disk before it counts.

    Parameters
    ----------
    folder : Path
        Of states.
    clock : function
        Seconds since 1970.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder, self._clock = folder, clock
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f"{PARTIAL}*"):
            left.unlink(missing_ok=True)
        self._entries = read_entries(folder)
        self._change = threading.RLock()

    def get(self, key: str) -> Entry | None:
        """The entry of a series, None where there is none.

        Parameters
        ----------
        key : str
            Of the series.
        """
        return self._entries.get(key)

    def of(self, *states: State) -> list[Entry]:
        """Entries in these states.

        Parameters
        ----------
        *states : str
            Of `STATES`.
        """
        return [entry for entry in list(self._entries.values()) if entry.state in states]

    def put(self, entry: Entry) -> Entry:
        """Keep a new entry, or one in place of another.

        Parameters
        ----------
        entry : Entry
            With its key.

        Raises
        ------
        OSError
            It cannot be written; then nothing changed.
        """
        with self._change:
            before = self._entries.get(entry.key)
            if before is None or before.state != entry.state:
                entry = replace(entry, changed=self._clock())
                sent = [f"{count} results sent to {peer}" for peer, count in entry.sent.items()]
                more = [entry.reason] if entry.reason else sent if entry.state == "done" else []
                _log.info("%s", ", ".join([f"{entry.key}: {entry.state}", *more]))
            if entry != before:
                with whole_file(self._folder / f"{entry.key}.json") as path:
                    path.write_text(json.dumps(asdict(entry), indent=1) + "\n", encoding="utf-8")
                self._entries[entry.key] = entry
            return entry

    def change(
        self, key: str, *, only: Iterable[State] = STATES, count: int | None = None, **new: Any
    ) -> bool:
        """Change an entry, unless it is another by now; whether it was changed.

        Parameters
        ----------
        key : str
            Of the series.
        only : iterable of str
            States that it may be in.
        count : int, optional
            Objects that it may have: with more, somebody else has changed it.
        **new : object
            Fields of the entry.
        """
        with self._change:
            entry = self._entries.get(key)
            if entry is None or entry.state not in only or count not in (None, entry.count):
                return False
            self.put(replace(entry, **new))
            return True

    def forget(self, key: str) -> None:
        """Remove an entry.

        Parameters
        ----------
        key : str
            Of the series.
        """
        with self._change:
            (self._folder / f"{key}.json").unlink(missing_ok=True)
            self._entries.pop(key, None)


def _entry(path: Path) -> Entry:
    found = parse_json(read_small(path, _MOST_BYTES, follow=False))
    names = {one.name for one in fields(Entry)}
    if not isinstance(found, dict) or not found.keys() <= names or found.get("key") != path.stem:
        raise ValueError("it is none")
    entry = Entry(**found)
    plain = Entry("")
    for name in names - {"expected"}:
        value, kind = getattr(entry, name), type(getattr(plain, name))
        if not isinstance(value, (int, float) if kind is float else kind):
            raise ValueError(f"its {name} is none")
    if entry.state not in STATES or not isinstance(entry.expected, int | None):
        raise ValueError("its state is none")
    return entry
