"""What is removed from a node when its time is over."""

import logging
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from ...cohort import Item, failures
from .deliver import journal
from .folder import NodeFolder
from .queue import Entry, Queue

DAY_S = 86400.0
_log = logging.getLogger(__name__)


def retire(
    folder: NodeFolder, queue: Queue, keep_days: float, clock: Callable[[], float] = time.time
) -> list[str]:
    """Remove what has been at its end for so many days: planes, results, and the entry.

    Nothing is removed that was not seen to be old a day before too: the clock may have been set. Results
    that a peer refused stay. Folders are first renamed, so that whenever a node is killed, no series is left
    with some of its planes.

    Parameters
    ----------
    folder : NodeFolder
        Of the node.
    queue : Queue
        Of the node.
    keep_days : float
        How long it is kept; 0: for ever.
    clock : function
        Seconds since 1970.

    Returns
    -------
    list of str
        Keys of series that were removed.

    Raises
    ------
    OSError
        A state, or what cannot be read, cannot be removed.
    """
    removed = []
    if keep_days:
        now = clock()
        before = now - keep_days * DAY_S
        for entry in queue.of("done", "error", "discarded"):
            is_old = entry.changed < before and not (entry.state == "error" and entry.is_made)
            if not is_old or not 0 < entry.old_since <= now:
                since = now if is_old else 0.0
                if entry.old_since != since:
                    queue.change(entry.key, only=[entry.state], count=entry.count, old_since=since)
            elif now - entry.old_since >= DAY_S and _remove(folder, queue, entry):
                removed.append(entry.key)
                _log.info("%s: removed after %g days", entry.key, keep_days)
        if folder.unusable.is_dir():
            for path in folder.unusable.iterdir():
                if path.stat().st_mtime < before:
                    path.unlink()
    shutil.rmtree(folder.removed, ignore_errors=True)
    return removed


def _remove(folder: NodeFolder, queue: Queue, entry: Entry) -> bool:
    """Put the folders of a series out of the way, and forget it; whether that could be done."""
    folder.removed.mkdir(parents=True, exist_ok=True)
    try:
        for place in (folder.series / entry.key, folder.results / entry.key):
            if place.exists():
                place.rename(folder.removed / secrets.token_hex(12))
    except OSError as error:
        _log.warning("%s: cannot be removed: %s", entry.key, error.strerror or error)
        return False
    failures.forget(Item(folder.series / entry.key, Path(entry.key)), folder.results)
    journal(folder, entry.key).unlink(missing_ok=True)
    queue.forget(entry.key)
    return True
