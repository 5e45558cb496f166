"""TLS certificates: what Fivetran says about one, and ones that nobody has issued."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from hashlib import sha1, sha256
from typing import Any

from reconciler.emulator import der
from reconciler.emulator.ids import digest
from reconciler.emulator.keys import PUBLIC_EXPONENT, made_up_modulus

_ATTRIBUTES = {
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
_OIDS = {name: oid for oid, name in _ATTRIBUTES.items()}
_CURVES = {
    "1.2.840.10045.3.1.7": "secp256r1 [NIST P-256]",
    "1.3.132.0.34": "secp384r1 [NIST P-384]",
    "1.3.132.0.35": "secp521r1 [NIST P-521]",
}
_RSA = "1.2.840.113549.1.1.1"
_RSA_SHA256 = "1.2.840.113549.1.1.11"
_EC = "1.2.840.10045.2.1"
_NEEDS_QUOTES = re.compile(r'[,+=<>#;\\"\n]|^ | $')


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate as it is sent to Fivetran, and all that Fivetran reads in it.

    `encoded` is base64 of the DER form, `hash` base64 of its SHA-256. `name` and `public_key` are empty
    for what is no certificate: Fivetran takes anything.
    """

    encoded: str
    hash: str
    sha1: str
    sha256: str
    name: str
    public_key: str

    def details(self) -> dict[str, Any]:
        """How a setup test shows it."""
        return {
            "hash": self.hash,
            "name": self.name,
            "public_key": self.public_key,
            "encoded_cert": self.encoded,
            "sha1": self.sha1,
            "sha256": self.sha256,
        }


def read(encoded: str) -> Certificate:
    """All about a certificate; never fails."""
    try:
        raw = b64decode("".join(encoded.split()), validate=True)
    except ValueError:
        raw = encoded.encode()
    try:
        name, public_key = _subject_and_key(raw)
    except ValueError:
        name, public_key = "", ""
    checksum = sha256(raw)
    return Certificate(
        encoded=encoded,
        hash=b64encode(checksum.digest()).decode(),
        sha1=sha1(raw, usedforsecurity=False).hexdigest(),
        sha256=checksum.hexdigest(),
        name=name,
        public_key=public_key,
    )


def made_up_chain(*source: object) -> tuple[str, str]:
    """A server's certificate and that of its issuer, in base64: well formed, fixed by the source, and
    signed by nobody."""
    issuer = {"C": "US", "O": "Acme, Inc.", "CN": "Acme Private Root"}
    host = f"db-{digest(*source, size=3).hex()}.acme.example"
    server = _made_up({"C": "US", "O": "Acme, Inc.", "CN": host}, issuer, *source, "server")
    return server, _made_up(issuer, issuer, "issuer")


def _subject_and_key(raw: bytes) -> tuple[str, str]:
    """ValueError where the bytes are no certificate."""
    (certificate,) = der.elements(raw)
    signed, *_ = der.elements(der.content(certificate, der.SEQUENCE))
    fields = der.elements(der.content(signed, der.SEQUENCE))
    if fields[:1] and fields[0][0] == der.CONTEXT_0:  # the version, left out in certificates of version 1
        fields = fields[1:]
    _serial, _algorithm, _issuer, _validity, subject, key, *_ = fields
    return _name(der.content(subject, der.SEQUENCE)), _public_key(der.content(key, der.SEQUENCE))


def _name(subject: bytes) -> str:
    """A distinguished name as Java writes it, most particular part first."""
    parts = []
    for relative in reversed(der.elements(subject)):
        for attribute in der.elements(der.content(relative, der.SET)):
            kind, value = der.elements(der.content(attribute, der.SEQUENCE))
            oid = der.dotted(der.content(kind, der.OBJECT_IDENTIFIER))
            encoding = "utf-16-be" if value[0] == der.UTF16_STRING else "utf-8"
            text = value[1].decode(encoding, "replace")
            if _NEEDS_QUOTES.search(text):
                text = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
            parts.append(f"{_ATTRIBUTES.get(oid, 'OID.' + oid)}={text}")
    return ", ".join(parts)


def _public_key(info: bytes) -> str:
    """A public key as Java writes it."""
    algorithm, key = der.elements(info)
    kind, *parameters = der.elements(der.content(algorithm, der.SEQUENCE))
    oid = der.dotted(der.content(kind, der.OBJECT_IDENTIFIER))
    bits = der.content(key, der.BIT_STRING)[1:]
    if oid == _RSA:
        (numbers,) = der.elements(bits)
        modulus, exponent = (
            int.from_bytes(der.content(number, der.INTEGER))
            for number in der.elements(der.content(numbers, der.SEQUENCE))
        )
        return (
            f"Sun RSA public key, {modulus.bit_length()} bits\n  params: null\n"
            f"  modulus: {modulus}\n  public exponent: {exponent}"
        )
    if oid == _EC and parameters and bits[:1] == b"\x04":
        curve = der.dotted(der.content(parameters[0], der.OBJECT_IDENTIFIER))
        half = len(bits) // 2
        return (
            f"Sun EC public key, {half * 8} bits\n  public x coord: {int.from_bytes(bits[1 : 1 + half])}\n"
            f"  public y coord: {int.from_bytes(bits[1 + half :])}\n"
            f"  parameters: {_CURVES.get(curve, curve)} ({curve})"
        )
    return f"algorithm = {oid}, unparsed keybits = {bits.hex()}"


def _made_up(subject: dict[str, str], issuer: dict[str, str], *source: object) -> str:
    algorithm = der.element(der.SEQUENCE, der.object_identifier(_RSA_SHA256), der.element(der.NULL))
    signed = der.element(
        der.SEQUENCE,
        der.element(der.CONTEXT_0, der.integer(2)),
        der.integer(int.from_bytes(digest(*source, "serial", size=15))),
        algorithm,
        _distinguished(issuer),
        der.element(
            der.SEQUENCE,
            der.element(der.UTC_TIME, b"200101000000Z"),
            der.element(der.UTC_TIME, b"491231235959Z"),
        ),
        _distinguished(subject),
        _key_info(made_up_modulus(*source)),
    )
    signature = b"".join(digest(*source, "signature", part, size=64) for part in range(4))
    return b64encode(
        der.element(der.SEQUENCE, signed, algorithm, der.element(der.BIT_STRING, b"\x00", signature))
    ).decode()


def _distinguished(name: dict[str, str]) -> bytes:
    def part(attribute: str, text: str) -> bytes:
        tag = der.PRINTABLE_STRING if attribute == "C" else der.UTF8_STRING
        pair = (der.object_identifier(_OIDS[attribute]), der.element(tag, text.encode()))
        return der.element(der.SET, der.element(der.SEQUENCE, *pair))

    return der.element(der.SEQUENCE, *(part(attribute, text) for attribute, text in name.items()))


def _key_info(modulus: int) -> bytes:
    algorithm = der.element(der.SEQUENCE, der.object_identifier(_RSA), der.element(der.NULL))
    key = der.element(der.SEQUENCE, der.integer(modulus), der.integer(PUBLIC_EXPONENT))
    return der.element(der.SEQUENCE, algorithm, der.element(der.BIT_STRING, b"\x00", key))
