"""Store files on a DICOMweb server (STOW-RS): one attempt, the status of each instance as it comes."""

from collections.abc import Generator, Iterator, Sequence
from typing import Any

import pydicom
from pydicom.dataset import Dataset

from ...scan.dicom_file import DAMAGED
from .dimse import Instance, Reply
from .errors import PeerRefuses
from .peers import WebPeer
from .statuses import PROCESSING_FAILURE, SUCCESS, words_of
from .tls import Tls
from .web import client_of, not_dicomweb, spoken

LARGEST_REQUEST = 32 << 20  # bytes; a larger file goes alone
_ACCEPTED, _CONFLICT = 202, 409  # some, or all, were not stored, and the answer tells which


def stow_once(
    instances: Sequence[Instance], peer: WebPeer, tls: Tls | None = None
) -> Generator[Reply, None, None]:
    """Store files, some in each request.

    Parameters
    ----------
    instances : sequence of Instance
        What to store.
    peer : WebPeer
        Where.
    tls : Tls, optional
        Certificates.

    Yields
    ------
    Reply
        Of each instance.

    Raises
    ------
    PeerUnreachable
        It does not answer, or says: later; those without an answer may not be stored.
    PeerRefuses
        It takes nothing from this node.
    """
    heard: list[Any] = []

    def hear(response: Any, *_: object, **__: object) -> None:
        if response.is_redirect:  # such as to a page that asks for a password; objects do not go there
            response.close()
            raise PeerRefuses(f"{peer} sends elsewhere (HTTP {response.status_code}): is the path right?")
        heard.append(response)

    client = client_of(peer, tls, hear)
    for some in _requests(instances):
        heard.clear()
        read = {}
        for one in some:
            try:
                read[one.uid] = pydicom.dcmread(one.path)
            except DAMAGED as error:
                words = f"not sent, the file cannot be read: {type(error).__name__}"
                yield Reply(one.uid, PROCESSING_FAILURE, words)
        if not read:
            continue
        with spoken(peer):
            try:
                client.store_instances([*read.values()])
            except DAMAGED:  # an error of HTTP, or an answer that the client cannot read
                if not heard or not (heard[-1].ok or heard[-1].status_code == _CONFLICT):
                    raise
        yield from _answers(heard[-1], [*read], peer)


def _requests(instances: Sequence[Instance]) -> Iterator[list[Instance]]:
    some: list[Instance] = []
    total = 0
    for one in instances:
        size = one.path.stat().st_size
        if some and total + size > LARGEST_REQUEST:
            yield some
            some, total = [], 0
        some.append(one)
        total += size
    if some:
        yield some


def _answers(response: Any, uids: Sequence[str], peer: WebPeer) -> Iterator[Reply]:
    """Of each instance what the answer says of it: stored is what is named as stored, and nothing else."""
    told = _told(response, peer)
    if response.status_code == _CONFLICT:  # nothing was stored, whether each is named or not
        told = {uid: told.get(uid, PROCESSING_FAILURE) for uid in uids}
    for uid in uids:
        if uid in told:
            yield Reply(uid, told[uid], words_of(told[uid]))
    if missing := sum(uid not in told for uid in uids):
        count = f"{missing} of {len(uids)} objects"
        raise PeerRefuses(f"{peer} answers, but does not say that it stored {count}: is the path right?")


def _told(response: Any, peer: WebPeer) -> dict[str, int]:
    """Statuses of the instances that an answer names (PS3.18, 10.5.3)."""
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind not in ("application/dicom+json", "application/json"):
        if response.status_code in (_ACCEPTED, _CONFLICT):
            raise PeerRefuses(f"{peer} did not store all, and does not say in JSON which")
        raise not_dicomweb(peer)
    try:
        said = response.json()
        said = Dataset.from_json(said[0] if isinstance(said, list) else said)
        stored, failed = said.get("ReferencedSOPSequence", ()), said.get("FailedSOPSequence", ())
        told = {str(one.ReferencedSOPInstanceUID): int(one.get("WarningReason", SUCCESS)) for one in stored}
        return told | {
            str(one.ReferencedSOPInstanceUID): int(one.get("FailureReason", PROCESSING_FAILURE))
            for one in failed
        }
    except DAMAGED:
        raise not_dicomweb(peer) from None
