"""The node at work: one thread sorts and decides, one processes, one sends; the network has its own."""

import logging
import threading
import time
import traceback
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ...cohort import lock
from ...cohort.job import Job
from ...scan import ScanError
from .arrivals import recount, sort_arrivals
from .checks import another_node, port_unusable
from .choose import Judgement, Rules, judge
from .counts import instances_expected
from .deliver import LONGEST_WAIT_S, Delivery, Route
from .errors import NodeError
from .folder import KEPT_FREE, Inbox, NodeFolder
from .peers import Peer, WebPeer
from .queue import Entry, Queue, is_uid
from .retire import retire
from .store import Limits, StorageScp
from .ways import WaysIn, bring, require_watchable
from .work import BUSY_S, Processing

TICK_S = 0.2
_ASK_AGAIN_S = 60.0
_PAUSE_S = 5.0  # after an error
_RETIRE_S = 600.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class NodeSettings:
    """How a node works.

    Parameters
    ----------
    aet : str
        Own title.
    address : (str, int)
        Where it listens; port 0 is one that is free.
    known : tuple of str
        Titles of those who may send to it.
    route : Route
        Where results go.
    rules : Rules
        Which series it works on.
    ask : Peer or WebPeer, optional
        Who says how many instances a series has.
    quiet_s : float
        A series is looked at when nothing of it came for so long.
    patience_s : float
        What lacks planes is waited for so long, and is an error then.
    keep_days : float
        What is at its end is removed after so many days; 0: never.
    kept_free : int
        Bytes of the disk that arrivals leave free.
    limits : Limits
        How much others may send.
    ways : WaysIn
        Where scans are fetched from, beside what is sent.
    """

    aet: str
    address: tuple[str, int]
    known: tuple[str, ...]
    route: Route
    rules: Rules
    ask: Peer | WebPeer | None = None
    quiet_s: float = 30.0
    patience_s: float = 600.0
    keep_days: float = 30.0
    kept_free: int = KEPT_FREE
    limits: Limits = field(default_factory=Limits)
    ways: WaysIn = field(default_factory=WaysIn)


class Node:
    """A node on one folder, from `start` to `stop`.

    Parameters
    ----------
    root : Path
        Its folder; made if missing.
    job : Job
        What is done with each series.
    settings : NodeSettings
        How it works.

    Raises
    ------
    NodeError
        Another node works on the folder, or it cannot be written.
    """

    def __init__(self, root: Path, job: Job, settings: NodeSettings) -> None:
        for library in ("pydicom", "pynetdicom"):  # they repeat values that they do not like, names too
            logging.getLogger(library).setLevel(logging.CRITICAL + 1)
        self.folder, self.settings = NodeFolder(root), settings
        self._name = uuid.uuid4().hex
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)  # it will have names of patients
            if not lock.acquire(self.folder.lock, self._name):
                raise another_node(root)
            self.inbox = Inbox(self.folder, settings.kept_free)
            self.queue = Queue(self.folder.states)
        except OSError as error:
            raise NodeError(f"cannot write to {root}: {error.strerror or error}") from error
        self._stopping = threading.Event()
        self._work = Processing(self.folder, self.queue, job, self._stopping.is_set)
        self._delivery = Delivery(self.folder, self.queue, settings.route, self._stopping.is_set)
        tls = settings.route.tls
        self.scp = StorageScp(
            self.inbox,
            settings.aet,
            settings.known,
            settings.address,
            tls=tls.server_context() if tls else None,
            limits=settings.limits,
        )
        self._heard: dict[str, float] = {}
        self._asked: dict[str, float] = {}
        self._retired = self._silent_until = 0.0
        self._is_counted = False

    def run(self, ended: threading.Event) -> None:
        """Processing until somebody says that it ends.

        Parameters
        ----------
        ended : threading.Event
            Set by whoever ends it.

        Raises
        ------
        NodeError
            The port cannot be used.
        """
        try:
            require_watchable(self.settings.ways.folders, self.folder.root)
            self.inbox.tidy()
            try:
                self.scp.start()
            except OSError as error:
                raise port_unusable(self.settings.address, error) from None
            _log.info(
                "%s listens at port %d of %s", self.settings.aet, self.scp.port, self.settings.address[0]
            )
            threads = [
                threading.Thread(target=self._keep_doing, args=(self._work.do, False), name="work"),
                threading.Thread(target=self._keep_doing, args=(self._delivery.do, True), name="delivery"),
                threading.Thread(target=self._bring, name="ways in"),
            ]
            with lock.kept_fresh(lambda: [self.folder.lock]):
                for thread in threads:
                    thread.start()
                try:
                    while not ended.wait(TICK_S):
                        self._guarded(self.look)
                finally:
                    self._stopping.set()
                    self.scp.stop()
                    for thread in threads:
                        thread.join()
                    _log.info("stopped; what arrived is kept")
        finally:
            self._stopping.set()
            lock.release(self.folder.lock)

    def _bring(self) -> None:
        bring(
            self.settings.ways,
            lambda content: self.inbox.put([content]),
            self.folder.root / "fetched",
            self._stopping,
            self.settings.route.tls,
        )

    def look(self) -> None:
        """Sort what arrived, decide about series that are quiet, and remove what is old."""
        if not self._is_counted:  # at the start, and after a disk was full in between
            recount(self.folder, self.queue)
            self._is_counted = True
        arrived = self.inbox.arrived()
        if arrived:
            now, self._is_counted = time.monotonic(), False
            for key in sort_arrivals(arrived, self.folder, self.queue).keys:
                self._heard[key] = now
            self._is_counted = True
        for entry in self.queue.of("incoming"):
            quiet = time.monotonic() - self._heard.setdefault(entry.key, time.monotonic())
            if quiet >= self.settings.quiet_s and not self.inbox.arrived():
                self._decide(entry, quiet)
        if time.monotonic() - self._retired > _RETIRE_S or not self._retired:
            self._retired = time.monotonic()
            retire(self.folder, self.queue, self.settings.keep_days)

    def _decide(self, entry: Entry, quiet: float) -> None:
        """Whether a quiet series is complete, and what is done with it."""
        if entry.reason and quiet < self.settings.patience_s and not self._may_ask(entry.key):
            return
        verdict = judge(self.folder.series / entry.key, self.settings.rules)
        expected = None if verdict.discarded or verdict.wrong else self._expected(entry)
        if expected is not None and entry.count < expected and not verdict.discarded:
            verdict = Judgement(lacking=f"{entry.count} of {expected} objects came, by the archive's count")
        new: dict[str, object] = {"expected": expected, "reason": ""}
        if verdict.discarded:
            new |= {"state": "discarded", "reason": verdict.discarded}
        elif verdict.wrong:
            new |= {"state": "error", "reason": verdict.wrong}
        elif verdict.lacking and quiet < self.settings.patience_s:
            new |= {"reason": f"waits for more: {verdict.lacking}"}
        elif verdict.lacking:
            new |= {"state": "error", "reason": verdict.lacking}
        else:
            new |= {"state": "processing"}
        self.queue.change(entry.key, only=["incoming"], count=entry.count, **new)

    def _may_ask(self, key: str) -> bool:
        """Whether a series that waits is looked at once more: an archive may have counted it by now."""
        now = time.monotonic()
        if now - self._asked.get(key, 0.0) < min(_ASK_AGAIN_S, self.settings.patience_s):
            return False
        self._asked[key] = now
        return True

    def _expected(self, entry: Entry) -> int | None:
        """How many objects the archive has of a series, where it says so."""
        ask = self.settings.ask
        if ask is None or time.monotonic() < self._silent_until:
            return None
        if not (is_uid(entry.study_uid) and is_uid(entry.series_uid)):
            return None
        self._asked[entry.key] = time.monotonic()
        try:
            count = instances_expected(
                ask, entry.study_uid, entry.series_uid, own_aet=self.settings.aet, tls=self.settings.route.tls
            )
        except NodeError as error:
            self._silent_until = time.monotonic() + _ASK_AGAIN_S
            _log.warning("objects of series are not counted for a minute: %s", error)
            return None
        return count or None

    def _keep_doing(self, do: Callable[[Entry], None], made: bool) -> None:
        """Do what is to be done in one thread, the longest waiting first."""
        while not self._stopping.is_set():
            now = time.time()
            due = [
                one
                for one in self.queue.of("processing")
                if one.is_made == made
                and not now < one.next_try <= now + LONGEST_WAIT_S  # later: the clock went back
            ]
            for entry in sorted(due, key=lambda one: (one.next_try, one.changed)):
                if not self._stopping.is_set() and self.queue.get(entry.key) is entry:
                    self._guarded(partial(self._do, do, entry))
            self._stopping.wait(TICK_S)

    def _do(self, do: Callable[[Entry], None], entry: Entry) -> None:
        """Do one thing with one series; with an error of ours it waits, and the others do not."""
        try:
            do(entry)
        except Exception as error:  # noqa: BLE001 a service goes on, and says what happened
            reason = f"waits after an error of the node, {_words_of(error)}"
            _log.error("%s: %s", entry.key, reason)
            again = time.time() + BUSY_S
            self.queue.change(entry.key, only=["processing"], reason=reason, next_try=again)

    def _guarded(self, do: Callable[[], None]) -> None:
        """Do something; a full disk does not end the node."""
        try:
            do()
        except Exception as error:  # noqa: BLE001 as above
            _log.error("%s; tried again in %.0f s", _words_of(error), _PAUSE_S)
            self._stopping.wait(_PAUSE_S)


def _words_of(error: Exception) -> str:
    """Words of an error of ours; of another the place alone, for its words may hold values of a data set."""
    if isinstance(error, NodeError | ScanError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    last, line = [*traceback.walk_tb(error.__traceback__)][-1]
    return f"{type(error).__name__} in {Path(last.f_code.co_filename).name}, line {line}"
