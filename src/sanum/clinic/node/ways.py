"""Other ways in than C-STORE: watched folders and DICOMweb servers, looked at again and again."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from ...scan.dicom_file import DAMAGED
from .errors import NodeError
from .inbox import HandedOver, Taker, digest
from .peers import WebPeer
from .pull import pull
from .tls import Tls
from .watch import FolderWatch

WATCH_EVERY_S, PULL_EVERY_S = 5.0, 60.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WaysIn:
    """Where scans are fetched from.

    Parameters
    ----------
    folders : tuple of Path
        That are watched.
    servers : tuple of WebPeer
        That are asked for new series.
    remove : bool
        Whether files of watched folders are removed once they are here.
    quiet_s : float
        A file that does not change for so long is whole.
    days : int
        Studies of servers may be so many days old.
    """

    folders: tuple[Path, ...] = ()
    servers: tuple[WebPeer, ...] = ()
    remove: bool = False
    quiet_s: float = 10.0
    days: int = 2


def bring(ways: WaysIn, take: Taker, memory: Path, stopping: threading.Event, tls: Tls | None = None) -> None:
    """Bring what is new, until told to stop; what goes wrong is logged, and tried again.

    Parameters
    ----------
    ways : WaysIn
        Where to look.
    take : function
        Takes the bytes of each file, and has them on the disk when it returns.
    memory : Path
        Folder for what was brought before.
    stopping : threading.Event
        Set by who ends it.
    tls : Tls, optional
        Certificates, for servers.

    Raises
    ------
    NodeError
        A folder to watch is not there at the start.
    """
    looks = [*_looks(ways, take, memory, tls)]
    due = [0.0] * len(looks)
    while looks:
        for k, (words, every_s, look) in enumerate(looks):
            if stopping.is_set():
                return
            if time.monotonic() < due[k]:
                continue
            try:
                if count := look():
                    _log.info("%s: %d new objects", words, count)
            except NodeError as error:
                _log.warning("%s: %s", words, error)
            except DAMAGED as error:  # whatever a server says, the other ways in go on
                _log.warning("%s: %s: %s", words, type(error).__name__, error)
            due[k] = time.monotonic() + every_s
        stopping.wait(max(0.0, min(due) - time.monotonic()))
        if stopping.is_set():
            return


def _looks(
    ways: WaysIn, take: Taker, memory: Path, tls: Tls | None
) -> Iterator[tuple[str, float, Callable[[], int]]]:
    for k, folder in enumerate(ways.folders, start=1):
        path = memory / f"watched-{digest(str(folder.resolve()))}.txt"
        watch = FolderWatch(folder, take, path, quiet_s=ways.quiet_s, remove=ways.remove)

        def see(watch: FolderWatch = watch) -> int:
            return watch.look(time.monotonic())

        yield f"watched folder {k}", WATCH_EVERY_S, see
    for server in ways.servers:
        known = HandedOver(memory / f"pulled-{digest(str(server))}.txt")

        def ask(server: WebPeer = server, known: HandedOver = known) -> int:
            since = date.today() - timedelta(days=ways.days)
            return pull(server, take, known, since=since, tls=tls).instances

        yield str(server), PULL_EVERY_S, ask
