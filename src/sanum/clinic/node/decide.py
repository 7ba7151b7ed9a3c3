"""Whether a series that is quiet is whole and wanted."""

import logging
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .choose import Judgement, judge
from .counts import instances_expected
from .errors import NodeError, told
from .folder import NodeFolder
from .queue import Entry, Queue, is_uid

if TYPE_CHECKING:
    from .service import NodeSettings

AGAIN_S = 60.0
"""So often a series that waits is looked at, and an archive that did not answer is asked."""

_PAUSE_S = 5.0  # after an error
_log = logging.getLogger(__name__)


class Deciding:
    """What decides about series that are quiet; whoever sorts says what it hears.

    Parameters
    ----------
    folder : NodeFolder
        Of the node.
    queue : Queue
        Of the node.
    settings : NodeSettings
        Rules, whom to ask, and how long to wait.
    """

    def __init__(self, folder: NodeFolder, queue: Queue, settings: "NodeSettings") -> None:
        self._folder, self._queue, self._settings = folder, queue, settings
        self._heard: dict[str, float] = {}
        self._next: dict[str, float] = {}
        self._sorted, self._silent_until = time.monotonic(), 0.0
        self._silence = ""

    def hear(self, keys: Iterable[str], now: float) -> None:
        """All that had arrived at some time is sorted by now.

        Parameters
        ----------
        keys : iterable of str
            Series of which something was among it.
        now : float
            That time, by the monotonic clock.
        """
        for key in keys:
            self._heard[key] = now
            self._next.pop(key, None)
        self._sorted = now

    def look(self) -> None:
        """Decide about all series that are quiet, one by one; an error with one keeps no other back."""
        for entry in self._queue.of("incoming"):
            quiet = self._sorted - self._heard.setdefault(entry.key, self._sorted)
            if quiet < self._settings.quiet_s or time.monotonic() < self._next.get(entry.key, 0.0):
                continue
            try:
                wait_s = self._decide(entry, quiet)
            except Exception as error:  # noqa: BLE001 a service goes on, and says what happened
                wait_s = _PAUSE_S
                _log.error("%s: %s; tried again in %.0f s", entry.key, told(error), wait_s)
            self._next[entry.key] = time.monotonic() + wait_s

    def _decide(self, entry: Entry, quiet: float) -> float:
        """Whether a quiet series is complete, and what becomes of it; seconds until the next look."""
        verdict, expected, silence = judge(self._folder.series / entry.key, self._settings.rules), None, ""
        if not (verdict.discarded or verdict.wrong):
            try:
                expected = self._expected(entry)
            except NodeError as error:
                silence = f"waits for the archive's count: {error}"
        if expected is not None and entry.count < expected:
            verdict = Judgement(lacking=f"{entry.count} of {expected} objects came, by the archive's count")
        new: dict[str, object] = {"expected": expected, "reason": ""}
        left = self._settings.patience_s - quiet
        if verdict.discarded:
            new |= {"state": "discarded", "reason": verdict.discarded}
        elif verdict.wrong:
            new |= {"state": "error", "reason": verdict.wrong}
        elif verdict.lacking and left > 0:
            new |= {"reason": f"waits for more: {verdict.lacking}"}
        elif verdict.lacking:
            new |= {"state": "error", "reason": verdict.lacking}
        elif silence and left > 0:
            new |= {"reason": silence}
        else:
            new |= {"state": "processing"}
        self._queue.change(entry.key, only=["incoming"], count=entry.count, **new)
        return max(min(AGAIN_S, left), 0.0)

    def _expected(self, entry: Entry) -> int | None:
        """How many objects the archive has of a series, where it says so; the silent is asked later."""
        ask = self._settings.ask
        if ask is None or not (is_uid(entry.study_uid) and is_uid(entry.series_uid)):
            return None
        if time.monotonic() < self._silent_until:
            raise NodeError(self._silence)
        own, tls = self._settings.aet, self._settings.route.tls
        try:
            return instances_expected(ask, entry.study_uid, entry.series_uid, own_aet=own, tls=tls) or None
        except NodeError as error:
            self._silence, self._silent_until = str(error), time.monotonic() + AGAIN_S
            _log.warning("objects of series are not counted for a minute: %s", error)
            raise
