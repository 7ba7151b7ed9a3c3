"""Results on their way to the peers: every status is kept, so that what a peer has is not sent again."""

import json
import logging
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ...files import parse_json
from .dimse import Reply, instance_from
from .errors import NodeError
from .folder import NodeFolder
from .peers import Peer, WebPeer
from .queue import Entry, Queue
from .send import send
from .statuses import is_stored, may_pass
from .tls import Tls
from .work import NodeStops, objects_in

FIRST_WAIT_S, LONGEST_WAIT_S = 5.0, 600.0
"""Between tries: twice as long after each, up to the longest."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Route:
    """Where results go, and as whom.

    Parameters
    ----------
    peers : tuple of Peer or WebPeer
        Each gets all results.
    own_aet : str
        Title of the node.
    tls : Tls, optional
        Certificates; default: without TLS.
    """

    peers: tuple[Peer | WebPeer, ...]
    own_aet: str
    tls: Tls | None = None


@dataclass
class _Settled:
    """What a peer said to objects, for good."""

    path: Path
    answers: dict[tuple[str, str], Reply] = field(default_factory=dict)
    unwritten: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> "_Settled":
        found = cls(path)
        with suppress(FileNotFoundError):
            for line in path.read_bytes().splitlines():
                with suppress(ValueError, TypeError, LookupError):  # a line that was not written to its end
                    one = parse_json(line)
                    found.answers[one["peer"], one["uid"]] = Reply(one["uid"], one["status"], one["words"])
        return found

    def add(self, peer: str, answer: Reply) -> None:
        self.answers[peer, answer.uid] = answer
        self.unwritten.append(json.dumps({"peer": peer, **vars(answer)}) + "\n")
        self.write()

    def write(self) -> None:
        """Have all answers on the disk; one that could not be written is kept until it can."""
        if not self.unwritten:
            return
        with open(self.path, "a+b") as stream:
            if end := stream.seek(0, os.SEEK_END):
                stream.seek(end - 1)
                if stream.read(1) != b"\n":  # a line that was not written to its end
                    stream.write(b"\n")
            stream.write("".join(self.unwritten).encode())
            stream.flush()
            os.fsync(stream.fileno())
        self.unwritten.clear()


class Delivery:
    """What sends the results of series, one after the other.

    Parameters
    ----------
    folder : NodeFolder
        Of the node.
    queue : Queue
        Of the node.
    route : Route
        Where they go.
    is_stopping : function
        Whether the node ends.
    clock : function
        Seconds since 1970.
    """

    def __init__(
        self,
        folder: NodeFolder,
        queue: Queue,
        route: Route,
        is_stopping: Callable[[], bool],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder, self._queue, self._route = folder, queue, route
        self._is_stopping, self._clock = is_stopping, clock
        self._unwritten: dict[str, _Settled] = {}

    def do(self, entry: Entry) -> None:
        """Send the results of one series to all peers, as far as they have none, and say what came of it.

        What a peer refused for good is sent again only if the series was opened again. If it is opened while
        results are sent, no further one is. While the disk takes no answers of peers, nothing is sent.

        Parameters
        ----------
        entry : Entry
            In state processing, with results.
        """
        try:
            files = {instance_from(path).uid: path for path in objects_in(self._folder, entry.key)}
        except NodeError:
            files = {}
        if not files:  # somebody removed or damaged them: they are made anew
            self._queue.change(entry.key, only=["processing"], count=entry.count, is_made=False)
            return
        settled = self._unwritten.pop(entry.key, None) or _Settled.read(journal(self._folder, entry.key))
        if not entry.tries:  # the first try: what was refused before may be taken now
            settled.answers = {key: one for key, one in settled.answers.items() if is_stored(one.status)}
        before, troubles = len(settled.answers), list[str]()
        try:
            settled.write()
            for peer in self._route.peers:
                missing = [path for uid, path in files.items() if (str(peer), uid) not in settled.answers]
                troubles += self._send(missing, peer, settled, entry)
        except NodeStops:
            return
        except OSError as error:
            self._unwritten[entry.key] = settled
            troubles = [f"the answers of peers cannot be kept: {error.strerror or error}"]
        answers = {key: one for key, one in settled.answers.items() if key[1] in files}
        refused = [(peer, one) for (peer, _), one in answers.items() if not is_stored(one.status)]
        sent = {
            str(peer): sum(at == str(peer) and is_stored(one.status) for (at, _), one in answers.items())
            for peer in self._route.peers
        }
        new: dict[str, object] = {"sent": sent}
        if troubles:
            tries = 1 if len(settled.answers) > before else entry.tries + 1
            wait = min(FIRST_WAIT_S * 2 ** min(tries - 1, 20), LONGEST_WAIT_S)
            new |= {"tries": tries, "next_try": self._clock() + wait}
            new |= {"reason": f"results wait, {troubles[0]}; sent again in {wait:.0f} s (try {tries})"}
        elif refused:
            who, first = refused[0]
            said = f"{who} refused {len(refused)} of {len(files)} objects: {first.words}"
            new |= {"state": "error", "reason": said}
        else:
            new |= {"state": "done", "reason": "", "tries": 0, "next_try": 0.0}
        self._queue.change(entry.key, only=["processing"], count=entry.count, **new)
        if troubles:
            _log.warning("%s: %s", entry.key, new["reason"])

    def _send(
        self, files: Sequence[Path], peer: Peer | WebPeer, settled: _Settled, entry: Entry
    ) -> list[str]:
        """Send some files; why some of them must be sent again."""
        later: list[str] = []

        def answered(answer: Reply) -> None:
            if may_pass(answer.status):
                later.append(f"{peer}: {answer.words}")
            else:
                settled.add(str(peer), answer)
            now = self._queue.get(entry.key)
            is_open = now is None or (now.state, now.count, now.is_made) != (entry.state, entry.count, True)
            if self._is_stopping() or is_open:
                raise NodeStops

        if files:
            try:
                send(
                    files,
                    peer,
                    own_aet=self._route.own_aet,
                    tls=self._route.tls,
                    attempts=1,
                    on_answer=answered,
                )
            except NodeError as error:
                return [str(error)]
        return later[:1]


def journal(folder: NodeFolder, key: str) -> Path:
    """Where the answers of peers to the results of a series are kept.

    Parameters
    ----------
    folder : NodeFolder
        Of the node.
    key : str
        Of the series.
    """
    return folder.states / f"{key}.sent"
