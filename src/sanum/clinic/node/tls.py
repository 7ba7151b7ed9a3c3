"""TLS with given certificates: both sides show one, and both look at the other's."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from .errors import NodeError


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
        return self._context(ssl.Purpose.CLIENT_AUTH)

    def client_context(self) -> ssl.SSLContext:
        """For peers that this node connects to: their certificate must name their host.

        Raises
        ------
        NodeError
            A file cannot be used.
        """
        return self._context(ssl.Purpose.SERVER_AUTH)

    def _context(self, purpose: ssl.Purpose) -> ssl.SSLContext:
        for path in (self.certificate, self.key, self.authority):
            if not path.is_file():
                raise NodeError(f"no such file for TLS: {path}")
        try:
            context = ssl.create_default_context(purpose, cafile=str(self.authority))
        except (ssl.SSLError, OSError):
            raise NodeError(f"expected certificates of an authority in PEM in {self.authority}") from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            # a key with a password would be asked for at the terminal, which a service has not
            context.load_cert_chain(self.certificate, self.key, password=lambda: "")
        except (ssl.SSLError, OSError):
            raise NodeError(
                f"expected a certificate in {self.certificate} and its key, without a password, in {self.key}"
            ) from None
        return context
