"""Read and generate certificates and SSH keys.

`cryptography` is imported inside the functions that need it: it takes a tenth of a second to load, and most
emulators never see a certificate.
"""

from __future__ import annotations

import re
import warnings
from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import sha1, sha256
from typing import TYPE_CHECKING, Any

from reconciler.emulator.ids import digest

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import rsa

_JAVA_NAMES = {
    "2.5.4.3": "CN",
    "2.5.4.5": "SERIALNUMBER",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "0.9.2342.19200300.100.1.25": "DC",
    "1.2.840.113549.1.9.1": "EMAILADDRESS",
}
_JAVA_CURVES = {
    "secp256r1": "secp256r1 [NIST P-256] (1.2.840.10045.3.1.7)",
    "secp384r1": "secp384r1 [NIST P-384] (1.3.132.0.34)",
    "secp521r1": "secp521r1 [NIST P-521] (1.3.132.0.35)",
}
_PEM_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----([^-]*)-----END CERTIFICATE-----")
_NEEDS_QUOTES = re.compile(r'[,+=<>#;\\"\n]|^ | $')


@dataclass(frozen=True, slots=True)
class Certificate:
    """Certificate in the form of the client, with the facts that Fivetran reads in it.

    `encoded_cert` is base64 of the DER form, `hash` base64 of its SHA-256. `name` and `public_key` are empty
    if the bytes are no certificate: Fivetran accepts any bytes.
    """

    hash: str
    name: str
    public_key: str
    encoded_cert: str
    sha1: str
    sha256: str

    def to_details(self) -> dict[str, Any]:
        """Return the certificate in the form of a setup test's details."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class HostKey:
    """Key of an SSH server: a line of `authorized_keys`, and the text by which the API names the key."""

    hash: str
    public_key: str

    def to_details(self) -> dict[str, Any]:
        """Return the key in the form of a setup test's details."""
        kind, _, rest = self.public_key.partition(" ")
        _, _, comment = rest.partition(" ")
        return {"hash": self.hash, "public_key": self.public_key, "type": kind, "name": comment}


def read_certificate(encoded: str) -> Certificate:
    """Read a certificate from base64 of DER, or from any other text. Never fails."""
    try:
        raw = b64decode("".join(encoded.split()), validate=True)
    except ValueError:
        raw = encoded.encode()
    name, public_key = _read_subject_and_key(raw)
    checksum = sha256(raw)
    return Certificate(
        hash=b64encode(checksum.digest()).decode(),
        name=name,
        public_key=public_key,
        encoded_cert=encoded,
        sha1=sha1(raw, usedforsecurity=False).hexdigest(),
        sha256=checksum.hexdigest(),
    )


def parse_chain(text: str) -> tuple[str, ...]:
    """Parse certificates in PEM form, or one certificate as base64 of DER. Returns base64 of DER of each.

    Raises ValueError for any other text. The message repeats nothing of the text.
    """
    if "PRIVATE KEY" in text:
        raise ValueError("the text holds a private key, which nothing here needs")
    blocks = _PEM_CERTIFICATE.findall(text) or [text]
    chain = tuple("".join(block.split()) for block in blocks)
    # Every certificate has a key. Its subject may be empty.
    if not all(read_certificate(encoded).public_key for encoded in chain):
        raise ValueError("the text is no certificate in PEM form or in base64 of DER")
    return chain


def read_blob(line: str) -> bytes:
    """Read the key of an SSH host without type and comment. A text that is no key is read as a whole."""
    _, _, rest = line.partition(" ")
    try:
        blob = b64decode(rest.split(" ")[0], validate=True)
    except ValueError:
        blob = b""
    return blob or line.encode()


def parse_host_key(line: str) -> str:
    """Parse the public key of an SSH host, as a line of `authorized_keys` or of a `.pub` file. Returns the line.

    Raises ValueError for any other text. The message repeats nothing of the text.
    """
    kind, _, rest = line.strip().partition(" ")
    encoded, _, _ = rest.partition(" ")
    try:
        raw = b64decode(encoded, validate=True)
    except ValueError:
        raw = b""
    # The key begins with the length and the name of its type.
    name = raw[4 : 4 + int.from_bytes(raw[:4])]
    if "\n" in line.strip() or not kind or name != kind.encode():
        raise ValueError("the text is no public key of SSH such as `ssh-ed25519 AAAA… bastion`")
    return line.strip()


def read_validity(encoded: str) -> tuple[datetime, datetime] | None:
    """Read the first and the last moment of a certificate, in base64 of DER. None if the text is no certificate."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        with warnings.catch_warnings(action="ignore"):
            certificate = x509.load_der_x509_certificate(b64decode("".join(encoded.split()), validate=True))
            return certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        return None


def generate_chain(*source: object) -> tuple[str, str]:
    """Generate the certificate of a server and of its issuer, well formed, in base64.

    The source determines both certificates.
    """
    issuer = {"C": "US", "O": "Acme, Inc.", "CN": "Acme Private Root"}
    server = {**issuer, "CN": f"db-{digest(*source, size=3).hex()}.acme.example"}
    return _generate_certificate(server, issuer, *source, "server"), _generate_certificate(
        issuer, issuer, "issuer"
    )


def generate_host_key(*source: object) -> str:
    """Generate the key of an SSH server, as a line of `authorized_keys`. The source determines the key."""
    return _render_ssh_line(_generate_public_key("host", *source), "bastion host key")


def generate_group_public_key(group_id: str) -> str:
    """Generate the `ssh-rsa` line of the connections of a group, for SSH tunnels.

    The id determines the line.
    """
    return _render_ssh_line(_generate_public_key(group_id), "fivetran user key")


def _read_subject_and_key(raw: bytes) -> tuple[str, str]:
    """Read the subject and the public key in Java's notation, both empty if the bytes are no certificate."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        # The library warns of certificates that break the standard. Fivetran accepts them silently.
        with warnings.catch_warnings(action="ignore"):
            certificate = x509.load_der_x509_certificate(raw)
            return _render_java_name(certificate.subject), _render_java_key(certificate)
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        return "", ""


def _render_java_name(subject: x509.Name) -> str:
    """Render a distinguished name in Java's notation, most specific part first."""
    parts = []
    for attribute in (attribute for relative in reversed(subject.rdns) for attribute in relative):
        text = (
            attribute.value
            if isinstance(attribute.value, str)
            else attribute.value.decode("utf-8", "replace")
        )
        if _NEEDS_QUOTES.search(text):
            text = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
        oid = attribute.oid.dotted_string
        parts.append(f"{_JAVA_NAMES.get(oid, 'OID.' + oid)}={text}")
    return ", ".join(parts)


def _render_java_key(certificate: x509.Certificate) -> str:
    """Render a public key in Java's notation."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return (
            f"Sun RSA public key, {key.key_size} bits\n  params: null\n"
            f"  modulus: {numbers.n}\n  public exponent: {numbers.e}"
        )
    if isinstance(key, ec.EllipticCurvePublicKey):
        point = key.public_numbers()
        return (
            f"Sun EC public key, {key.key_size} bits\n  public x coord: {point.x}\n"
            f"  public y coord: {point.y}\n  parameters: {_JAVA_CURVES.get(key.curve.name, key.curve.name)}"
        )
    bits = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return (
        f"algorithm = {certificate.public_key_algorithm_oid.dotted_string}, unparsed keybits = {bits.hex()}"
    )


def _generate_certificate(subject: dict[str, str], issuer: dict[str, str], *source: object) -> str:
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding

    oids = {name: x509.ObjectIdentifier(oid) for oid, name in _JAVA_NAMES.items()}
    subject_name, issuer_name = (
        x509.Name([x509.NameAttribute(oids[attribute], text) for attribute, text in name.items()])
        for name in (subject, issuer)
    )
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject_name)
        .issuer_name(issuer_name)
        .public_key(_generate_public_key(*source))
        .serial_number(int.from_bytes(digest(*source, "serial", size=15)))
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC))
        .sign(_generate_throwaway_key(), SHA256())
    )
    # The issuer has no private key, and every process has another throwaway key. Bytes derived from the source
    # replace the signature, so that the certificate depends on its source alone.
    signature = b"".join(digest(*source, "signature", part, size=64) for part in range(4))
    return b64encode(signed.public_bytes(Encoding.DER).removesuffix(signed.signature) + signature).decode()


@cache
def _generate_throwaway_key() -> rsa.RSAPrivateKey:
    """Generate a private key for discarded signatures: the library builds no certificate without a key."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(65537, 2048)


def _generate_public_key(*source: object) -> rsa.RSAPublicKey:
    """Generate an RSA key of 2048 bits without a private half: its modulus is a hash of the source."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    raw = b"".join(digest(*source, "rsa", part, size=64) for part in range(4))
    modulus = int.from_bytes(bytes([raw[0] | 0x80]) + raw[1:-1] + bytes([raw[-1] | 1]))
    return rsa.RSAPublicNumbers(65537, modulus).public_key()


def _render_ssh_line(key: rsa.RSAPublicKey, comment: str) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return f"{key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()} {comment}"
