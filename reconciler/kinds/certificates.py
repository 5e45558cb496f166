"""Read certificates from PEM files of projects and from answers of the API.

`cryptography` is imported inside the functions that need it: it takes a tenth of a second to load, and most runs never
see a certificate.
"""

from __future__ import annotations

import re
import warnings
from base64 import b64decode
from collections.abc import Callable
from datetime import date
from hashlib import sha256
from typing import TYPE_CHECKING, TypeVar

from reconciler.kinds.pins import (
    FINGERPRINTS_ADVICE,
    PRIVATE_KEY_ADVICE,
    PinError,
    decode_base64,
    encode_base64,
    holds_host_key,
    holds_private_key,
    is_private_key,
)
from reconciler.model.trust import ServerIdentity, ServerKind

if TYPE_CHECKING:
    from cryptography import x509

_Fact = TypeVar("_Fact")

MAX_PEM_SIZE = 64 * 1024
"""Largest PEM file that is read, in bytes."""

_BEGIN = re.compile(r"-----BEGIN (?:X509 )?CERTIFICATE-----")
_BLOCK = re.compile(r"-----BEGIN ((?:X509 )?CERTIFICATE)-----([^-]*)-----END \1-----")
# The tag of a PrintableString behind the id of an attribute of names (2.5.4.x)
_PRINTABLE, _UTF8 = re.compile(rb"(?<=\x06\x03\x55\x04.)\x13", re.DOTALL), b"\x0c"
_LABEL = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----")

_PEM_ADVICE = "name a file with one certificate, from `-----BEGIN CERTIFICATE-----` to its `END` line"
_DER_ADVICE = "convert the file: `openssl x509 -inform der -in FILE -out FILE.pem`"
_EXPORT_ADVICE = "get the certificate of the server or of its issuing CA, and name its file"
_SEQUENCE, _INTEGER, _BIT_STRING, _VERSION, _CONSTRUCTED = 0x30, 0x02, 0x03, 0xA0, 0x20

_CONTENTS = {
    "PUBLIC KEY": ("a public key", _EXPORT_ADVICE),
    "CERTIFICATE REQUEST": ("a certificate request", f"a CA has to sign the request: {_EXPORT_ADVICE}"),
    "TRUSTED CERTIFICATE": (
        "a certificate in OpenSSL's own form",
        "convert the file: `openssl x509 -in FILE -out FILE.pem`",
    ),
    "PKCS7": (
        "a PKCS #7 container",
        "convert the file: `openssl pkcs7 -print_certs -in FILE -out FILE.pem`, and keep the certificate to trust",
    ),
    "X509 CRL": ("a list of revoked certificates", _EXPORT_ADVICE),
}
"""Contents of PEM files without a certificate, by the end of their label: noun and advice."""


def read_pem(content: bytes) -> ServerIdentity:
    """Read the certificate of a PEM file.

    Text around the certificate is ignored. A certificate that breaks the standard keeps its hash, and the facts that
    can be read. Raises PinError for a file without or with several certificates, with a private key, or larger than 64
    KiB.
    """
    text = _decode_text(content)
    if holds_private_key(text) or is_private_key(content):
        raise PinError("the file holds a private key", PRIVATE_KEY_ADVICE)
    if len(content) > MAX_PEM_SIZE:
        raise PinError("the file is larger than 64 KiB", _PEM_ADVICE)
    count = len(_BEGIN.findall(text))
    if count > 1:
        advice = "keep the certificate to trust, normally that of the root or the issuing CA, and remove the others"
        raise PinError(f"the file holds {count} certificates instead of one", advice)
    if count == 0:
        raise _explain_content(content, text)
    block = _BLOCK.search(text)
    der = decode_base64("".join(block[2].split())) if block else b""
    if not _is_certificate(der):
        raise PinError("the certificate is damaged or not complete", "export the certificate again")
    return _read_facts(der)


def read_der(encoded: str) -> ServerIdentity:
    """Read a certificate of the API, in base64 of DER. Never fails.

    Fivetran accepts any bytes: those of no certificate have a hash but no facts. A text that is no base64 has neither
    hash nor certificate.
    """
    try:
        raw = b64decode("".join(encoded.split()), validate=True)
    except ValueError:
        raw = b""
    return _read_facts(raw) if raw else ServerIdentity(ServerKind.CERTIFICATE)


def is_expired(identity: ServerIdentity, today: date) -> bool:
    """Return whether the last day of a certificate is over. False if that day is unknown."""
    return identity.expires != "" and identity.expires < today.isoformat()


def _decode_text(content: bytes) -> str:
    """Decode a text file with or without a byte order mark. Bytes of no text become replacement characters."""
    # Redirections of PowerShell write UTF-16.
    encoding = "utf-16" if content[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"
    return content.decode(encoding, "replace")


def _explain_content(content: bytes, text: str) -> PinError:
    """Explain a file without a certificate in PEM form, by what it looks like."""
    if not text.strip():
        return PinError("the file is empty", _PEM_ADVICE)
    for label in _LABEL.findall(text):
        for end, (noun, advice) in _CONTENTS.items():
            if label.endswith(end):
                return PinError(f"the file holds {noun} instead of a certificate in PEM form", advice)
    if _is_certificate(content):
        return PinError("the certificate is in DER instead of PEM form", _DER_ADVICE)
    if holds_host_key(text):
        return PinError("the file holds the key of an SSH host, no certificate", FINGERPRINTS_ADVICE)
    return PinError(
        "the file holds no certificate in PEM form", f"{_PEM_ADVICE}; for a file in DER, {_DER_ADVICE}"
    )


def _read_facts(der: bytes) -> ServerIdentity:
    """Read the public facts of a certificate, each empty that the library cannot read."""
    subject, issuer, expires = _parse_facts(der)
    return ServerIdentity(
        ServerKind.CERTIFICATE,
        hash=encode_base64(sha256(der).digest()),
        subject=subject,
        issuer=issuer,
        expires=expires,
        certificate=encode_base64(der),
    )


def _parse_facts(der: bytes) -> tuple[str, str, str]:
    """Parse subject, issuer and the last day (ISO 8601, UTC), empty each that the library refuses."""
    # The library warns of certificates that break the standard. Fivetran accepts them silently.
    with warnings.catch_warnings(action="ignore"):
        # Some old certificates have `*`, `&` or `_` in a PrintableString, for which the library refuses them.
        loaded = _load(der) or _load(_PRINTABLE.sub(_UTF8, der))
        if loaded is None:
            return "", "", ""
        return (
            _try(lambda: _strip(loaded.subject.rfc4514_string())) or "",
            _try(lambda: _strip(loaded.issuer.rfc4514_string())) or "",
            _try(lambda: loaded.not_valid_after_utc.date().isoformat()) or "",
        )


def _load(der: bytes) -> x509.Certificate | None:
    from cryptography import x509

    return _try(lambda: x509.load_der_x509_certificate(der))


def _try(read: Callable[[], _Fact]) -> _Fact | None:
    """Try to read something of a certificate. None if the library refuses it."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.x509 import InvalidVersion

    try:
        return read()
    except (ValueError, TypeError, OverflowError, UnsupportedAlgorithm, InvalidVersion):
        return None


def _strip(text: str) -> str:
    """Strip characters that do not print, such as control and bidi characters. White space becomes one blank."""
    return "".join(filter(str.isprintable, " ".join(text.split())))


def _is_certificate(der: bytes) -> bool:
    """Return whether bytes have the structure of a certificate in DER, which the library may refuse for a detail."""
    try:
        [(outer, content)] = _split_der(der)
        members = _split_der(content)
        body = _split_der(members[0][1])
        _check_lengths(content)
    except (ValueError, IndexError):
        return False
    fields = [tag for tag, _ in body if tag != _VERSION]
    return (
        outer == _SEQUENCE
        and [tag for tag, _ in members] == [_SEQUENCE, _SEQUENCE, _BIT_STRING]
        and fields[:6] == [_INTEGER, *[_SEQUENCE] * 5]
    )


def _check_lengths(der: bytes) -> None:
    """Check that the parts of DER fill it exactly, at every depth. Raises ValueError otherwise."""
    # A list instead of recursion, which a hostile file could exhaust.
    rest = [der]
    while rest:
        rest.extend(content for tag, content in _split_der(rest.pop()) if tag & _CONSTRUCTED)


def _split_der(der: bytes) -> list[tuple[int, bytes]]:
    """Split DER into its parts, each with tag and content. Raises ValueError if a part is cut off."""
    parts, place = [], 0
    while place < len(der):
        first, start = int.from_bytes(der[place + 1 : place + 2]), place + 2
        length = first
        if first > 0x80:
            start += first - 0x80
            length = int.from_bytes(der[place + 2 : start])
        end = start + length
        if first == 0x80 or end > len(der):
            raise ValueError("a part is cut off, or does not tell its length")
        parts.append((der[place], der[start:end]))
        place = end
    return parts
