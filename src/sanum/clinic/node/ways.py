"""Other ways in than C-STORE: watched folders and DICOMweb servers, looked at again and again."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from .errors import NodeError
from .inbox import LARGEST, HandedOver, Taker, digest
from .peers import WebPeer
from .pull import pull
from .tls import Tls
from .watch import FolderWatch

WATCH_EVERY_S, PULL_EVERY_S = 5.0, 60.0
ENDING_S = 5.0
"""A server that is in the middle of an answer is waited for so long when the node ends."""
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
    largest : int
        Bytes of one file; larger ones are left where they are.
    """

    folders: tuple[Path, ...] = ()
    servers: tuple[WebPeer, ...] = ()
    remove: bool = False
    quiet_s: float = 10.0
    days: int = 2
    largest: int = LARGEST


def require_watchable(folders: Sequence[Path], root: Path) -> None:
    """That folders are there, and that the node does not watch what it writes itself.

    Parameters
    ----------
    folders : sequence of Path
        To watch.
    root : Path
        Of the node.

    Raises
    ------
    NodeError
        One is not there; or it is in the node's folder, or holds it.
    """
    own = root.resolve()
    for folder in folders:
        if not folder.is_dir():
            raise NodeError(f"no such folder to watch: {folder}")
        there = folder.resolve()
        if own in (there, *there.parents) or there in own.parents:
            raise NodeError(
                f"{folder} cannot be watched: one of it and the node's folder {root} is in the other"
            )


def bring(ways: WaysIn, take: Taker, memory: Path, stopping: threading.Event, tls: Tls | None = None) -> None:
    """Bring what is new, until told to stop; what goes wrong is logged, and tried again.

    Each way in has a thread of its own: a server without an end keeps no folder waiting.

    Parameters
    ----------
    ways : WaysIn
        Where to look.
    take : function
        Takes the bytes of each file, and has them on the disk when it returns; called by several threads.
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
    looks = [*_looks(ways, take, memory, stopping, tls)]
    threads = [threading.Thread(target=_keep_looking, args=(*one, stopping), daemon=True) for one in looks]
    for thread in threads:
        thread.start()
    if threads:
        stopping.wait()
    until = time.monotonic() + ENDING_S
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))


def _keep_looking(words: str, every_s: float, look: Callable[[], int], stopping: threading.Event) -> None:
    while not stopping.is_set():
        try:
            if count := look():
                _log.info("%s: %d new objects", words, count)
        except NodeError as error:
            _log.warning("%s: %s", words, error)
        except Exception as error:  # noqa: BLE001 whatever a server says, the node asks it again
            told = error.strerror if isinstance(error, OSError) else None  # others may hold values
            _log.warning("%s: %s: %s", words, type(error).__name__, told or "not expected")
        stopping.wait(every_s)


def _looks(
    ways: WaysIn, take: Taker, memory: Path, stopping: threading.Event, tls: Tls | None
) -> Iterator[tuple[str, float, Callable[[], int]]]:
    for k, folder in enumerate(ways.folders, start=1):
        path = memory / f"watched-{digest(str(folder.resolve()))}.txt"
        watch = FolderWatch(
            folder, take, path, quiet_s=ways.quiet_s, remove=ways.remove, largest=ways.largest
        )

        def see(watch: FolderWatch = watch) -> int:
            return watch.look(time.monotonic())

        yield f"watched folder {k}", WATCH_EVERY_S, see
    for server in ways.servers:
        known = HandedOver(memory / f"pulled-{digest(str(server))}.txt")

        def ask(server: WebPeer = server, known: HandedOver = known) -> int:
            since = date.today() - timedelta(days=ways.days)
            found = pull(
                server, take, known, since=since, largest=ways.largest, is_ended=stopping.is_set, tls=tls
            )
            return found.instances

        yield str(server), PULL_EVERY_S, ask
