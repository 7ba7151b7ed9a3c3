"""Associations with a peer, and storing files by C-STORE: one attempt, each status as it comes."""

import socket
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from pydicom.filereader import read_file_meta_info
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from ...extras import needs_extra
from ...scan.dicom_file import DAMAGED
from .errors import NodeError, NothingOffered, PeerRefuses, PeerUnreachable
from .peers import Peer
from .statuses import NO_SUCH_CLASS, PROCESSING_FAILURE, words_of
from .tls import Tls

EXTRA = "clinic"
CONNECT_S, ANSWER_S = 10.0, 60.0
MOST_CONTEXTS = 128  # of an association (PS3.8, 9.3.2.2)
_TRANSIENT = 2  # result of an association (PS3.8, 9.3.4)
_WHY_REJECTED = {
    (1, 3): "it does not know the AE title {own}",
    (1, 7): "its AE title is not {peer}",
    (3, 1): "it has too much to do",
    (3, 2): "it has reached a limit of its own",
}


@dataclass(frozen=True)
class Instance:
    """A file that is to be stored, as its own header names it.

    Parameters
    ----------
    path : Path
        Of the file.
    uid, sop_class, syntax : str
        Its identifier, what kind of object it is, and how it is encoded.
    """

    path: Path
    uid: str
    sop_class: str
    syntax: str


@dataclass(frozen=True)
class Reply:
    """What a peer said to one instance.

    Parameters
    ----------
    uid : str
        SOP instance UID.
    status : int
        16 bits, as in C-STORE.
    words : str
        The same in words.
    """

    uid: str
    status: int
    words: str


def instance_from(path: Path) -> Instance:
    """What the header of a DICOM file says; nothing else of it is read.

    Parameters
    ----------
    path : Path
        Of the file.

    Raises
    ------
    NodeError
        It is none that can be sent.
    """
    try:
        meta = read_file_meta_info(path)
        return Instance(
            path, meta.MediaStorageSOPInstanceUID, meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID
        )
    except (*DAMAGED, pydicom.errors.InvalidDicomError):
        raise NodeError(f"cannot send {path.name}: expected a DICOM file with its header") from None


@contextmanager
def association(
    peer: Peer, wanted: Sequence[tuple[str, Sequence[str]]], own_aet: str, tls: Tls | None = None
) -> Iterator[Any]:
    """An association with a peer, released in the end.

    Parameters
    ----------
    peer : Peer
        Whom to ask.
    wanted : sequence of (str, sequence of str)
        Kinds of objects or services, each with how they may be encoded; at most 128.
    own_aet : str
        Title of this node.
    tls : Tls, optional
        Certificates; default: without TLS.

    Yields
    ------
    pynetdicom.association.Association
        It is established.

    Raises
    ------
    PeerUnreachable
        No answer, or one that says: later.
    NothingOffered
        It offers none of what is wanted.
    PeerRefuses
        It will not speak to this node.
    MissingExtra
        pynetdicom is not installed.
    """
    with needs_extra("the node", EXTRA):
        from pynetdicom import _config, evt
        from pynetdicom.ae import ApplicationEntity
    _config.STORE_SEND_CHUNKED_DATASET = True  # files are sent as they are, and not read as a whole
    entity = ApplicationEntity(own_aet)
    entity.connection_timeout, entity.acse_timeout = CONNECT_S, CONNECT_S
    entity.dimse_timeout, entity.network_timeout = ANSWER_S, ANSWER_S
    for kind, syntaxes in wanted:
        entity.add_requested_context(kind, list(syntaxes))
    context = None if tls is None else (tls.client_context(), peer.host)
    reached: list[Any] = []
    link = entity.associate(
        peer.host,
        peer.port,
        ae_title=peer.aet,
        tls_args=context,
        evt_handlers=[(evt.EVT_CONN_OPEN, reached.append)],
    )
    if not link.is_established:
        raise _why_not(link, peer, own_aet, bool(reached), tls)
    try:
        yield link
    finally:
        if link.is_established:
            link.release()


def store_once(
    instances: Sequence[Instance], peer: Peer, own_aet: str, tls: Tls | None = None
) -> Generator[Reply, None, None]:
    """Store files by C-STORE, in one association; of more kinds than it may have, in several.

    Parameters
    ----------
    instances : sequence of Instance
        What to store.
    peer : Peer
        Where.
    own_aet : str
        Title of this node.
    tls : Tls, optional
        Certificates.

    Yields
    ------
    Reply
        Of each instance, as it comes.

    Raises
    ------
    PeerUnreachable
        It does not answer, or went away; those without an answer may not be stored.
    PeerRefuses
        It will not speak to this node.
    """
    kinds: dict[tuple[str, str], list[Instance]] = {}
    for one in instances:
        kinds.setdefault((one.sop_class, one.syntax), []).append(one)
    pairs = list(kinds)
    for start in range(0, len(pairs), MOST_CONTEXTS // 3):
        some = pairs[start : start + MOST_CONTEXTS // 3]
        these = [one for pair in some for one in kinds[pair]]
        try:
            with association(peer, _contexts(some), own_aet, tls) as link:
                for number, one in enumerate(these):
                    yield _store(link, one, peer, number % 65535 + 1)
        except NothingOffered:
            yield from map(_not_taken, these)


def _contexts(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    """One for each encoding, so that the peer can take each; plain ones too where pixels are plain."""
    wanted: dict[tuple[str, str], None] = {}
    for sop_class, syntax in pairs:
        wanted[sop_class, syntax] = None
        if not UID(syntax).is_compressed:
            wanted[sop_class, ExplicitVRLittleEndian] = wanted[sop_class, ImplicitVRLittleEndian] = None
    return [(sop_class, [syntax]) for sop_class, syntax in wanted]


def _store(link: Any, one: Instance, peer: Peer, number: int) -> Reply:
    accepted = {(c.abstract_syntax, c.transfer_syntax[0]) for c in link.accepted_contexts}
    try:
        if (one.sop_class, one.syntax) in accepted:
            status = link.send_c_store(one.path, msg_id=number)
        else:  # pynetdicom encodes it anew, where no pixels need to be decoded for that
            status = link.send_c_store(pydicom.dcmread(one.path), msg_id=number)
    except RuntimeError:
        raise PeerUnreachable(f"{peer} went away") from None
    except ValueError:
        return _not_taken(one)
    except (OSError, AttributeError) as error:
        return Reply(
            one.uid, PROCESSING_FAILURE, f"not sent, the file cannot be read: {type(error).__name__}"
        )
    if "Status" not in status:
        raise PeerUnreachable(f"{peer} went away, or did not answer within {ANSWER_S:g} s")
    # ErrorComment is not handed on: peers write names and numbers of patients into it
    return Reply(one.uid, int(status.Status), words_of(int(status.Status)))


def _not_taken(one: Instance) -> Reply:
    kind, how = UID(one.sop_class).name, UID(one.syntax).name
    return Reply(one.uid, NO_SUCH_CLASS, words_of(NO_SUCH_CLASS, f"{kind}, encoded as {how}"))


def _why_not(link: Any, peer: Peer, own_aet: str, is_reached: bool, tls: Tls | None) -> NodeError:
    if link.is_rejected:
        said = link.acceptor.primitive
        words = _WHY_REJECTED.get((said.result_source, said.diagnostic), "it gives no reason")
        words = words.format(own=own_aet, peer=peer.aet)
        kind = PeerUnreachable if said.result == _TRANSIENT else PeerRefuses
        return kind(f"{peer} takes no association: {words}")
    if link.rejected_contexts:
        return NothingOffered(f"{peer} offers nothing of what was asked for")
    if is_reached:
        more = ": TLS, or its lack, may not be what it expects" if tls is None else ": TLS may have failed"
        return PeerUnreachable(f"{peer} is reached, but takes no association{more}")
    return PeerUnreachable(f"no answer from {peer}: {_why_silent(peer)}")


def _why_silent(peer: Peer) -> str:
    """Connect once more, to tell why: pynetdicom keeps the reason to itself."""
    try:
        socket.create_connection((peer.host, peer.port), CONNECT_S).close()
    except socket.gaierror:
        return "there is no such host"
    except ConnectionRefusedError:
        return "nobody listens at this port"
    except TimeoutError:
        return f"nothing came within {CONNECT_S:g} s"
    except OSError as error:
        return (error.strerror or "it cannot be reached").lower()
    return "it listens, but its certificate is not believed, or names another host"
