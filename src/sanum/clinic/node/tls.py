"""TLS with given certificates: both sides show one, and both look at the other's."""

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import NodeError

SILENT_S = 30.0


@dataclass(frozen=True)
class Tls:
    """Certificate, key and authority, as files in PEM.

    Parameters
    ----------
    certificate : Path
        Of this node, with the certificates between it and the authority, if there are any.
    key : Path
        Of the certificate, without a password.
    authority : Path
        Certificates of those who signed the peers' certificates; nobody else is believed.
    """

    certificate: Path
    key: Path
    authority: Path

    def server_context(self) -> ssl.SSLContext:
        """For those who connect to this node: they must show a certificate of the authority.

        Raises
        ------
        NodeError
            A file cannot be used.
        """
        return self._loaded(_LateHandshake(ssl.PROTOCOL_TLS_SERVER))

    def client_context(self) -> ssl.SSLContext:
        """For peers that this node connects to: their certificate must name their host.

        Raises
        ------
        NodeError
            A file cannot be used.
        """
        return self._loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))

    def _loaded(self, context: ssl.SSLContext) -> ssl.SSLContext:
        for path in (self.certificate, self.key, self.authority):
            if not path.is_file():
                raise NodeError(f"no such file for TLS: {path}")
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(self.authority)
        except OSError:
            raise NodeError(f"expected certificates of an authority in PEM in {self.authority}") from None
        try:
            # a key with a password would be asked for at the terminal, which a service has not
            context.load_cert_chain(self.certificate, self.key, password=lambda: "")
        except OSError:
            raise NodeError(
                f"expected a certificate in {self.certificate} and its key, without a password, in {self.key}"
            ) from None
        return context


class _LateHandshake(ssl.SSLContext):
    """Agrees on TLS when the first bytes are read, in the connection's own thread.

    pynetdicom wraps a socket in the loop that accepts connections: one who connects and says nothing would
    keep all others out.
    """

    def wrap_socket(self, sock: socket.socket, *args: Any, **more: Any) -> ssl.SSLSocket:
        """A socket that has not agreed on anything yet; a read of it waits for so long at most.

        Parameters
        ----------
        sock : socket
            Of a connection.
        *args, **more : object
            As of `ssl.SSLContext`.
        """
        sock.settimeout(SILENT_S)
        return super().wrap_socket(sock, *args, **{**more, "do_handshake_on_connect": False})
