"""Send results: every status is read, and a peer that is away or busy is asked again."""

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from .dimse import Instance, Reply, instance_from, store_once
from .errors import PeerUnreachable
from .peers import Peer, WebPeer
from .statuses import SUCCESS, is_stored, may_pass
from .tls import Tls

LONGEST_WAIT_S = 600.0


@dataclass(frozen=True)
class Sent:
    """What became of instances that were sent.

    Parameters
    ----------
    stored : tuple of str
        SOP instance UIDs of those that the peer has.
    refused : tuple of Reply
        Of those that it has not.
    warned : tuple of Reply
        Of those that it has, with a warning.
    """

    stored: tuple[str, ...]
    refused: tuple[Reply, ...]
    warned: tuple[Reply, ...] = ()


def send(
    files: Sequence[Path],
    peer: Peer | WebPeer,
    *,
    own_aet: str,
    tls: Tls | None = None,
    attempts: int = 5,
    wait_s: float = 2.0,
    sleep: Callable[[float], object] = time.sleep,
    on_answer: Callable[[Reply], object] = bool,
) -> Sent:
    """Send DICOM files to a peer, by C-STORE or STOW-RS.

    What the peer stored, or refused for good, is not sent again. The rest is: after `wait_s`, twice that,
    and so on.

    Parameters
    ----------
    files : sequence of Path
        Of results. They are sent as they are; a peer that only takes another plain encoding gets that.
    peer : Peer or WebPeer
        Where to.
    own_aet : str
        Title of this node.
    tls : Tls, optional
        Certificates; default: without TLS, or with those of the system for https.
    attempts : int
        How often to try, at least 1.
    wait_s : float
        Seconds before the second attempt; at most 600 before a later one.
    sleep : function
        Waits for as many seconds.
    on_answer : function
        Called with each answer as it comes, so that it can be kept at once.

    Returns
    -------
    Sent
        What the peer said in the end.

    Raises
    ------
    PeerUnreachable
        It did not answer to some, after all attempts.
    PeerRefuses
        It takes nothing from this node.
    NodeError
        A file is none that can be sent, or TLS cannot be had.
    """
    waiting = [instance_from(path) for path in files]
    answers: dict[str, Reply] = {}
    trouble: PeerUnreachable | None = None
    for attempt in range(max(attempts, 1)):
        if attempt:
            sleep(min(wait_s * 2 ** (attempt - 1), LONGEST_WAIT_S))
        trouble = None
        try:
            with closing(_attempt(waiting, peer, own_aet, tls)) as heard:
                for answer in heard:
                    answers[answer.uid] = answer
                    on_answer(answer)
        except PeerUnreachable as error:
            trouble = error
        waiting = [one for one in waiting if one.uid not in answers or may_pass(answers[one.uid].status)]
        if not waiting:
            break
    if trouble is not None:
        count = f"{attempts} attempts" if attempts > 1 else "one attempt"
        raise PeerUnreachable(f"{trouble}; {len(waiting)} of {len(files)} files are not sent after {count}")
    return Sent(
        tuple(a.uid for a in answers.values() if is_stored(a.status)),
        tuple(a for a in answers.values() if not is_stored(a.status)),
        tuple(a for a in answers.values() if is_stored(a.status) and a.status != SUCCESS),
    )


def _attempt(
    instances: Sequence[Instance], peer: Peer | WebPeer, own_aet: str, tls: Tls | None
) -> Generator[Reply, None, None]:
    if isinstance(peer, WebPeer):
        from .stow import stow_once

        return stow_once(instances, peer, tls)
    return store_once(instances, peer, own_aet, tls)
