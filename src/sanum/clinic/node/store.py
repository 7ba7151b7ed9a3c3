"""The storage SCP: it writes what arrives, untouched and as it came, and decodes nothing of it.

An object is an opaque run of bytes here. What it is, and whether it is any good, others see later. Nobody
who is not known is listened to, and nobody can fill the memory or the disk.
"""

import logging
import secrets
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Self

from pydicom.uid import (
    UID,
    AllTransferSyntaxes,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from pynetdicom import AllStoragePresentationContexts, build_context, evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dsutils import encode_file_meta
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import AssociationSocket, ThreadedAssociationServer

from .folder import Inbox

VERIFICATION = "1.2.840.10008.1.1"
_PLAIN = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian)
SYNTAXES: list[str | UID] = [*_PLAIN, *(one for one in AllTransferSyntaxes if one not in _PLAIN)]
"""Encodings that are taken: all, plain ones first where a peer offers several."""

SUCCESS, OUT_OF_RESOURCES, CANNOT_UNDERSTAND = 0x0000, 0xA700, 0xC000

_NOBODY = secrets.token_hex(8)  # a title that nobody has: with no titles, pynetdicom lets everybody in
_PREAMBLE = bytes(128) + b"DICM"
_LARGEST_REQUEST = 1 << 20  # of a peer that asks for an association: 128 contexts with all encodings are less
_HEADER = 1 << 10  # of a PDU, beside what it carries
_HANDSHAKE_S = 30.0
_PART = 1 << 16  # read at once
_SILENT_S = 10.0  # a connection that does not ask for an association so long is ended
_BESIDE = 64  # connections beside associations, so that who is silent keeps nobody out

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """How much others may send.

    Parameters
    ----------
    associations : int
        At the same time; further ones are told to come later.
    pdu_bytes : int
        Largest PDU.
    object_bytes : int
        Largest object, and most that a peer may send ahead.
    idle_s : float
        An association without a message for so long is ended.
    """

    associations: int = 10
    pdu_bytes: int = 1 << 17
    object_bytes: int = 1 << 29
    idle_s: float = 60.0


class StorageScp:
    """A storage SCP, which listens from `start` to `stop`.

    Parameters
    ----------
    inbox : Inbox
        Where objects go.
    aet : str
        Own title; associations with another one are rejected.
    known : sequence of str
        Titles of those who may send; others are rejected.
    address : (str, int)
        Host and port; port 0 is one that is free.
    tls : ssl.SSLContext, optional
        Default: without TLS.
    limits : Limits, optional
        How much others may send.
    """

    def __init__(
        self,
        inbox: Inbox,
        aet: str,
        known: Sequence[str],
        address: tuple[str, int],
        *,
        tls: ssl.SSLContext | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._inbox, self._limits = inbox, limits or Limits()
        self._entity = entity = ApplicationEntity(aet)
        entity.require_called_aet, entity.require_calling_aet = True, list(known) or [_NOBODY]
        entity.maximum_associations = self._limits.associations
        entity.maximum_pdu_size = self._limits.pdu_bytes
        entity.network_timeout = entity.dimse_timeout = self._limits.idle_s
        entity.acse_timeout = _SILENT_S
        self._address, self._tls = address, tls
        self._server: _Server | None = None

    @property
    def is_listening(self) -> bool:
        """Whether others can connect."""
        return self._server is not None

    @property
    def port(self) -> int:
        """That it listens at."""
        assert self._server is not None
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Listen.

        Raises
        ------
        OSError
            The port is in use, or not allowed.
        """
        contexts = _Contexts(
            build_context(str(one.abstract_syntax), SYNTAXES) for one in AllStoragePresentationContexts
        )
        contexts.append(build_context(VERIFICATION))
        server = _Server(self._entity, self._address, self._entity.ae_title, contexts, self._tls)
        server.bind(evt.EVT_C_STORE, self._store)
        server.bind(evt.EVT_CONN_OPEN, self._opened)
        server.bind(evt.EVT_REJECTED, self._rejected)
        server.most = self._limits.associations + _BESIDE
        self._server = server
        self._entity._servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.1,), name="storage", daemon=True).start()

    def stop(self) -> None:
        """End all associations, and listen no more; what was acknowledged is on the disk."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            for link in server.active_associations:
                if link.is_established:
                    link.abort()
                else:
                    _hang_up(link)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _store(self, event: Any) -> int:
        """Status of an object that arrived: success once it is on the disk."""
        data: BytesIO = event.request.DataSet
        try:
            meta = encode_file_meta(event.file_meta)
        except (ValueError, TypeError, AttributeError):  # identifiers that are none
            return CANNOT_UNDERSTAND
        try:
            self._inbox.put([_PREAMBLE, meta, data.getbuffer()])
        except OSError as error:
            _log.error("an object was refused: %s", error.strerror or error)
            return OUT_OF_RESOURCES
        finally:
            event.assoc.dul.socket.handled(data.getbuffer().nbytes)
        return SUCCESS

    def _opened(self, event: Any) -> None:
        """Bound what a connection may bring, before anything is read of it."""
        made = event.assoc.dul.socket
        made.__class__ = _BoundedSocket  # pynetdicom makes it, and takes no other class
        made.bound(self._limits)

    def _rejected(self, event: Any) -> None:
        """A line of the log, for who wonders why nothing comes."""
        asked = event.assoc.requestor.primitive
        own, other = asked.called_ae_title, asked.calling_ae_title
        if own != self._entity.ae_title:
            why = f"it calls {own}, and this is {self._entity.ae_title}"
        elif other not in self._entity.require_calling_aet:
            why = "it is not known (--known, --peer)"
        else:
            why = "there are too many at once"
        _log.warning("an association with %s was rejected: %s", other, why)


def _hang_up(link: Association) -> None:
    """End a connection that said nothing: `abort` fails there, and its thread would hold the process."""
    link._kill = True
    link.dul.kill_dul()
    if link.dul.socket is not None:
        link.dul.socket._shutdown_socket()


class _BoundedSocket(AssociationSocket):
    """The socket of an association, which reads no more than it may.

    pynetdicom believes the length that a PDU says of itself, and collects messages before they are handled.
    """

    def bound(self, limits: Limits) -> None:
        self.most, self.largest = limits.object_bytes, max(limits.pdu_bytes + _HEADER, _LARGEST_REQUEST)
        self.waiting, self.idle_s, self.opened = 0, limits.idle_s, time.monotonic()

    def recv(self, nr_bytes: int) -> bytearray:
        self.waiting += nr_bytes
        if nr_bytes > self.largest or self.waiting > self.most:
            _log.warning("an association was ended: it sent more than is taken at once")
            raise OSError("more than is taken at once")
        return self._read(nr_bytes)

    def _read(self, count: int) -> bytearray:
        """So many bytes, before it is too late: who sends one now and then keeps nobody out."""
        is_open = self.assoc.is_established
        end = time.monotonic() + self.idle_s if is_open else self.opened + min(_SILENT_S, self.idle_s)
        link, found = self.socket, bytearray()
        assert link is not None
        while len(found) < count and (left := end - time.monotonic()) > 0:
            link.settimeout(left)
            if not (part := link.recv(min(count - len(found), _PART))):
                break
            found += part
        link.settimeout(self.idle_s)
        return found

    def _shutdown_socket(self) -> None:
        super()._shutdown_socket()
        if self.socket is not None:  # where the other end is gone, it was left open
            self.socket.close()

    def handled(self, count: int) -> None:
        """An object of so many bytes waits no more; nor does anything, where no other came after it."""
        is_last = self.assoc.dimse.msg_queue.empty()
        self.waiting = 0 if is_last else max(self.waiting - count, 0)


class _Contexts(list[PresentationContext]):
    """Is not copied for each association, which takes 60 ms: nobody changes it."""

    def __deepcopy__(self, memo: object) -> Self:
        return self


class _Server(ThreadedAssociationServer):
    """Takes so many connections, and waits for none of them."""

    most = 0

    def verify_request(self, request: Any, client_address: Any) -> bool:
        return len(self.active_associations) < self.most

    def get_request(self) -> tuple[Any, Any]:
        assert self.socket is not None
        link, address = self.socket.accept()
        link.settimeout(_HANDSHAKE_S)
        if self.ssl_context is not None:  # the thread of the association shakes hands, when it first reads
            link = self.ssl_context.wrap_socket(link, server_side=True, do_handshake_on_connect=False)
        return link, address
