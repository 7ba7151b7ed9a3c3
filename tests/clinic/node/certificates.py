"""Certificates for tests, made when they are needed."""

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sanum.clinic.node.tls import Tls

PEM = serialization.Encoding.PEM


class Authority:
    """Signs certificates for 127.0.0.1."""

    def __init__(self, folder: Path):
        folder.mkdir()
        self.folder, self.key = folder, ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign("authority", self.key, is_authority=True)
        self.path = folder / "authority.pem"
        self.path.write_bytes(self.certificate.public_bytes(PEM))

    def _sign(self, name, key, *, is_authority=False, host="127.0.0.1"):
        name, day = (
            x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]),
            datetime.timedelta(days=1),
        )
        now = datetime.datetime.now(datetime.UTC)
        one = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name if is_authority else self.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - day)
            .not_valid_after(now + day)
            .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False
            )
        )
        return one.sign(self.key, hashes.SHA256())

    def issue(self, name, host="127.0.0.1", password=None):
        key = ec.generate_private_key(ec.SECP256R1())
        certificate, secret = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        certificate.write_bytes(self._sign(name, key, host=host).public_bytes(PEM))
        hidden = serialization.NoEncryption()
        if password:
            hidden = serialization.BestAvailableEncryption(password)
        secret.write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, hidden))
        return Tls(certificate, secret, self.path)
