"""A fresh self-signed certificate for a host name, made without any library (ECDSA on P-256)."""

from __future__ import annotations

import hashlib
import secrets
import ssl
from base64 import encodebytes
from pathlib import Path

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
GENERATOR = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
Point = tuple[int, int]

EC_KEY = bytes.fromhex("06072a8648ce3d0201")
P_256 = bytes.fromhex("06082a8648ce3d030107")
ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
COMMON_NAME = bytes.fromhex("0603550403")
ALT_NAME = bytes.fromhex("0603551d11")
CONSTRAINTS = bytes.fromhex("0603551d13")


def server_context(host: str, folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server context for `host`, and the file that a client has to trust."""
    key = secrets.randbelow(N - 1) + 1
    public = b"\x04" + b"".join(part.to_bytes(32) for part in _times(key, GENERATOR))
    certificate = folder / "certificate.pem"
    certificate.write_text(_pem("CERTIFICATE", _certificate(host, key, public)))
    private = _der(0x30, b"\x02\x01\x01", _der(4, key.to_bytes(32)), _der(0xA0, P_256))
    (folder / "key.pem").write_text(_pem("EC PRIVATE KEY", private))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, folder / "key.pem")
    return context, certificate


def _certificate(host: str, key: int, public: bytes) -> bytes:
    name = _der(0x30, _der(0x31, _der(0x30, COMMON_NAME, _der(0x0C, host.encode()))))
    alternative = _der(0x30, ALT_NAME, _der(4, _der(0x30, _der(0x82, host.encode()))))
    authority = _der(0x30, CONSTRAINTS, b"\x01\x01\xff", _der(4, _der(0x30, b"\x01\x01\xff")))
    content = _der(
        0x30,
        _der(0xA0, b"\x02\x01\x02"),
        b"\x02\x01\x01",
        ECDSA_SHA256,
        name,
        _der(0x30, _der(0x17, b"200101000000Z"), _der(0x17, b"491231235959Z")),
        name,
        _der(0x30, _der(0x30, EC_KEY, P_256), _der(3, b"\x00", public)),
        _der(0xA3, _der(0x30, alternative, authority)),
    )
    digest = int.from_bytes(hashlib.sha256(content).digest())
    nonce = secrets.randbelow(N - 1) + 1
    r = _times(nonce, GENERATOR)[0] % N
    s = pow(nonce, -1, N) * (digest + r * key) % N
    return _der(0x30, content, ECDSA_SHA256, _der(3, b"\x00", _der(0x30, _integer(r), _integer(s))))


def _der(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    size = len(body)
    length = bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2)
    return bytes([tag]) + length + body


def _integer(value: int) -> bytes:
    return _der(2, value.to_bytes(value.bit_length() // 8 + 1))


def _pem(label: str, der: bytes) -> str:
    return f"-----BEGIN {label}-----\n{encodebytes(der).decode()}-----END {label}-----\n"


def _times(factor: int, point: Point) -> Point:
    result: Point | None = None
    while factor:
        if factor & 1:
            result = point if result is None else _plus(result, point)
        point = _plus(point, point)
        factor >>= 1
    assert result is not None
    return result


def _plus(one: Point, two: Point) -> Point:
    if one == two:
        slope = (3 * one[0] * one[0] - 3) * pow(2 * one[1], -1, P) % P
    else:
        slope = (two[1] - one[1]) * pow(two[0] - one[0], -1, P) % P
    x = (slope * slope - one[0] - two[0]) % P
    return x, (slope * (one[0] - x) - one[1]) % P
