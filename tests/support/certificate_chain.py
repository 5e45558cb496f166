"""Make chains of certificates and SSH host keys, as a server shows them."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from textwrap import wrap

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

VALID_UNTIL = datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)


@dataclass(frozen=True)
class MadeCertificate:
    """A certificate: base64 of DER."""

    encoded: str

    @property
    def hash(self) -> str:
        """Return base64 of the SHA-256 of its DER form."""
        return b64encode(sha256(b64decode(self.encoded)).digest()).decode()

    @property
    def pem(self) -> str:
        """Return the certificate in PEM form."""
        lines = "\n".join(wrap(self.encoded, 64))
        return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"


@cache
def make_chain(name: str = "acme", *, until: datetime = VALID_UNTIL) -> tuple[MadeCertificate, ...]:
    """Make a chain of three: the server, the intermediate, the root. The same name gives the same chain."""
    root_key, middle_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    root = _build(f"{name} root", f"{name} root", root_key, root_key, until)
    middle = _build(f"{name} intermediate", f"{name} root", middle_key, root_key, until)
    server = _build(f"db.{name}.example", f"{name} intermediate", server_key, middle_key, until)
    return server, middle, root


def _build(
    subject: str,
    issuer: str,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    until: datetime,
) -> MadeCertificate:
    names = (x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]) for name in (subject, issuer))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(next(names))
        .issuer_name(next(names))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(until)
        .sign(signer, SHA256())
    )
    return MadeCertificate(b64encode(certificate.public_bytes(Encoding.DER)).decode())


@cache
def make_host_key(name: str = "bastion") -> str:
    """Make an SSH host key, as `TYPE BASE64`. The same name gives the same key."""
    key = ed25519.Ed25519PrivateKey.generate().public_key()
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
