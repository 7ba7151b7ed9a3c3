"""The node at work: one thread sorts, one decides, one processes, one sends; the network has its own."""

import logging
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ...cohort import lock
from ...cohort.job import Job
from .arrivals import recount, sort_arrivals
from .checks import another_node, port_unusable
from .choose import Rules
from .decide import Deciding
from .deliver import LONGEST_WAIT_S, Delivery, Route
from .errors import NodeError, told
from .folder import KEPT_FREE, Inbox, NodeFolder
from .peers import Peer, WebPeer
from .queue import Entry, Queue
from .retire import retire
from .store import Limits, StorageScp
from .ways import WaysIn, bring, require_watchable
from .work import BUSY_S, Processing

TICK_S = 0.2
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
        self._deciding = Deciding(self.folder, self.queue, settings)
        self._busy: dict[str, int] = {}
        self._retired = self._locked = 0.0
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
            The port cannot be used; another node has taken over the folder.
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
                threading.Thread(target=self._keep_deciding, name="deciding"),
                threading.Thread(target=self._keep_doing, args=(self._work.do, False), name="work"),
                threading.Thread(target=self._keep_doing, args=(self._delivery.do, True), name="delivery"),
                threading.Thread(target=self._bring, name="ways in"),
            ]
            with lock.kept_fresh(lambda: [self.folder.lock]):
                for thread in threads:
                    thread.start()
                try:
                    while not ended.wait(TICK_S):
                        self._require_lock()
                        self._guarded(self.look)
                finally:
                    self._stopping.set()
                    self.scp.stop()
                    for thread in threads:
                        thread.join()
                    _log.info("stopped; what arrived is kept")
        finally:
            self._stopping.set()
            if lock.is_held(self.folder.lock, self._name):
                lock.release(self.folder.lock)

    def _require_lock(self) -> None:
        """After a sleep, another machine may have the folder."""
        now = time.monotonic()
        if now - self._locked > _PAUSE_S:
            if not lock.is_held(self.folder.lock, self._name):
                raise NodeError("another node has taken over the folder: this one ends")
            self._locked = now

    def _bring(self) -> None:
        bring(
            self.settings.ways,
            lambda content: self.inbox.put([content]),
            self.folder.root / "fetched",
            self._stopping,
            self.settings.route.tls,
        )

    def look(self) -> None:
        """Sort what arrived, and remove what is old."""
        if not self._is_counted:  # at the start, and after a disk was full in between
            recount(self.folder, self.queue)
            self._is_counted = True
        now, arrived = time.monotonic(), self.inbox.arrived()
        if arrived:
            self._is_counted = False
            self._deciding.hear(sort_arrivals(arrived, self.folder, self.queue).keys, now)
            self._is_counted = True
        else:
            self._deciding.hear((), now)
        if now - self._retired > _RETIRE_S or not self._retired:
            self._retired = now
            retire(self.folder, self.queue, self.settings.keep_days)

    def _keep_deciding(self) -> None:
        while not self._stopping.wait(TICK_S):
            self._guarded(self._deciding.look)

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
                if not self._stopping.is_set():
                    self._guarded(partial(self._do, do, entry))
            self._stopping.wait(TICK_S)

    def _do(self, do: Callable[[Entry], None], entry: Entry) -> None:
        """Do one thing with one series, unless another thread has it: none is made while it is sent.

        With an error of ours it waits, and the others do not.
        """
        me = threading.get_ident()
        if self._busy.setdefault(entry.key, me) != me:
            return
        try:
            if self.queue.get(entry.key) is entry:
                do(entry)
        except Exception as error:  # noqa: BLE001 a service goes on, and says what happened
            reason = f"waits after an error of the node, {told(error)}"
            _log.error("%s: %s", entry.key, reason)
            again = time.time() + BUSY_S
            self.queue.change(entry.key, only=["processing"], reason=reason, next_try=again)
        finally:
            del self._busy[entry.key]

    def _guarded(self, do: Callable[[], None]) -> None:
        """Do something; a full disk does not end the node."""
        try:
            do()
        except Exception as error:  # noqa: BLE001 as above
            _log.error("%s; tried again in %.0f s", told(error), _PAUSE_S)
            self._stopping.wait(_PAUSE_S)
