"""Test pins of certificates and SSH host keys: every accepted form, every refusal, comparison and display."""

from __future__ import annotations

import subprocess
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Callable
from hashlib import md5, sha1, sha256, sha512
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis_settings import fixed_examples

from reconciler.kinds.pins import (
    PinError,
    differs_from_server,
    find_wrong_hash,
    format_hash_forms,
    get_key_blob,
    matches_key,
    parse_certificate_hash,
    parse_host_key_pin,
)
from reconciler.model.trust import ServerIdentity, ServerKind

Parse = Callable[[str], ServerIdentity]

PRIVATE = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OPENSSH = PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
PKCS8 = PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
LINE = PRIVATE.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
ENCODED = LINE.split()[1]
BLOB = b64decode(ENCODED)
OTHER_LINE = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()
OTHER = OTHER_LINE.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
PEM_BODIES = [line for pem in (OPENSSH, PKCS8) for line in pem.splitlines() if "-" not in line]


def certificate_pin(digest: str, certificate: str = "") -> ServerIdentity:
    return ServerIdentity(ServerKind.CERTIFICATE, hash=digest, certificate=certificate)


def host_key(digest: str = "", public_key: str = "") -> ServerIdentity:
    return ServerIdentity(ServerKind.FINGERPRINT, hash=digest, public_key=public_key)


def encode(raw: bytes) -> str:
    return b64encode(raw).decode()


def list_forms(raw: bytes) -> list[str]:
    """List all forms in which people write a hash, without the name of its algorithm."""
    padded, hexadecimal = (b64encode(raw), urlsafe_b64encode(raw)), (raw.hex(), raw.hex(":"))
    base64 = [form.decode() for form in padded]
    return [
        *base64,
        *(form.rstrip("=") for form in base64),
        *hexadecimal,
        *(form.upper() for form in hexadecimal),
    ]


def compute(raw: bytes) -> list[bytes]:
    return [md5(raw).digest(), sha1(raw).digest(), sha256(raw).digest()]


def refuse(parse: Parse, text: str) -> PinError:
    with pytest.raises(PinError) as caught:
        parse(text)
    assert str(caught.value) == caught.value.message
    return caught.value


digests = st.binary(min_size=32, max_size=32)
blanks = st.sampled_from(["", " ", "\n", "\t ", "  \r\n"])


@given(digests, blanks, blanks)
@example(b"\xfb\xff" * 16, " ", "\n")  # `+` and `/`, `-` and `_`
def test_every_form_of_a_certificates_hash_is_one_pin(raw: bytes, before: str, after: str) -> None:
    forms = list_forms(raw)
    named = [f"{name}{form}" for form in forms for name in ("SHA256:", "sha-256:", "sha256 Fingerprint=")]
    for form in (*forms, *named):
        assert parse_certificate_hash(f"{before}{form}{after}") == certificate_pin(encode(raw))


@pytest.mark.parametrize(
    ("text", "message", "advice"),
    [
        ("", "the hash of the certificate is empty", "SHA-256 of the certificate"),
        (" \n", "the hash of the certificate is empty", "SHA-256 of the certificate"),
        (sha1(b"").hexdigest(), "the hash is the SHA-1 of a certificate; Fivetran identifies", "{pem: PATH}"),
        (encode(sha1(b"").digest()), "the hash is the SHA-1 of a certificate", "{pem: PATH}"),
        (f"sha1 Fingerprint={sha1(b'').hexdigest()}", "the hash is the SHA-1 of a", "{pem: PATH}"),
        (md5(b"").digest().hex(":"), "the hash is the MD5 of a certificate; Fivetran identi", "{pem: PATH}"),
        (f"MD5:{md5(b'').digest().hex(':')}", "the hash is the MD5 of a certificate", "{pem: PATH}"),
        (f"SHA256:{sha1(b'').hexdigest()}", "the hash has 20 bytes, a SHA-256 has 32", "SHA-256"),
        (sha512(b"").hexdigest(), "the hash has 64 bytes, a SHA-256 has 32", "SHA-256"),
        (sha256(b"").hexdigest()[2:], "the hash has 31 bytes, a SHA-256 has 32", "SHA-256"),
        ("ab", "the hash has 1 byte, a SHA-256 has 32", "SHA-256"),
        (sha256(b"").hexdigest()[1:], "the text is no SHA-256 in base64 or hexadecimal", "SHA-256"),
        ("the root of acme", "the text is no SHA-256 in base64 or hexadecimal", "SHA-256"),
        ("SHA256:", "the text is no SHA-256 in base64 or hexadecimal", "SHA-256"),
        ("é" * 43, "the text is no SHA-256 in base64 or hexadecimal", "SHA-256"),
        ("-----BEGIN CERTIFICATE-----\nMII", "the text is a certificate or a key instead", "{pem: PATH}"),
        ("MIIDdTCCAl2gAwIBAgIB", "the text is a certificate or a key instead", "{pem: PATH}"),
        ("certs/root.pem", "the text is a path instead of the hash", "`{pem: PATH}`"),
        ("C:\\certs\\root.crt", "the text is a path instead of the hash", "`{pem: PATH}`"),
        ("./root", "the text is a path instead of the hash", "`{pem: PATH}`"),
        ("~/root", "the text is a path instead of the hash", "`{pem: PATH}`"),
        (LINE, "the text is the key of an SSH host", "`fingerprints:`"),
        (f"db.example.com {LINE}", "the text is the key of an SSH host", "`fingerprints:`"),
        (ENCODED, "the text is the key of an SSH host", "`fingerprints:`"),
        ("ssh-ed25519 AAAA", "the text is the key of an SSH host", "`fingerprints:`"),
        (OPENSSH, "the text is a private key", "may be compromised"),
    ],
)
def test_no_hash_of_a_certificate_is_refused_by_what_it_is(text: str, message: str, advice: str) -> None:
    error = refuse(parse_certificate_hash, text)
    assert error.message.startswith(message)
    assert advice in error.advice


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ""),
        ("", " bastion host key"),
        ("  ", "\r\n"),
        ("db.example.com ", ""),
        ("[db.example.com]:2222 ", " bastion"),
        ("db.example.com,10.0.0.1\t", ""),
        ("|1|c2FsdA==|aGFzaA== ", ""),
        ("# db.example.com:22 SSH-2.0-OpenSSH_9.6\n\n", "\n"),
    ],
)
def test_a_line_with_a_host_key_pins_the_key(before: str, after: str) -> None:
    assert parse_host_key_pin(f"{before}{LINE}{after}") == host_key(public_key=LINE)


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(65537, 2048),
        *(ec.generate_private_key(curve) for curve in (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1())),
    ],
)
def test_keys_of_every_type_are_pins(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> None:
    line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    assert parse_host_key_pin(f"{line} comment") == host_key(public_key=line)


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("ssh-dss", [b"p", b"q", b"g", b"y"]),
        ("sk-ssh-ed25519@openssh.com", [bytes(32), b"ssh:"]),
        ("sk-ecdsa-sha2-nistp256@openssh.com", [b"nistp256", bytes(65), b"ssh:"]),
    ],
)
def test_keys_that_the_library_does_not_generate_are_pins(kind: str, parts: list[bytes]) -> None:
    blob = b"".join(len(part).to_bytes(4) + part for part in (kind.encode(), *parts))
    line = f"{kind} {encode(blob)}"
    assert parse_host_key_pin(line) == host_key(public_key=line)


def test_ssh_keygen_prints_the_forms_of_pins(tmp_path: Path) -> None:
    file = tmp_path / "host.pub"
    file.write_text(LINE)
    for algorithm, digest in zip(("md5", "sha1", "sha256"), compute(BLOB), strict=True):
        command = ["ssh-keygen", "-l", "-E", algorithm, "-f", str(file)]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[1]
        assert parse_host_key_pin(shown) == host_key(encode(digest))
    assert shown in format_hash_forms(host_key(public_key=LINE))


@given(st.binary(), blanks)
@example(b"\xfb\xff" * 16, "")
def test_every_form_of_a_host_keys_hash_is_one_pin(content: bytes, blank: str) -> None:
    for name, digest in zip(("MD5", "SHA1", "SHA256"), compute(content), strict=True):
        forms = list_forms(digest)
        for form in (*forms, *(f"{name}:{form}" for form in forms)):
            assert parse_host_key_pin(f"{blank}{form}{blank}") == host_key(encode(digest))


def test_an_md5_in_base64_that_looks_hexadecimal_is_base64() -> None:
    text = "abcdefabcdef0123456789=="  # 16 bytes; the digits alone would be 11 bytes in hexadecimal
    assert (
        parse_host_key_pin(text).hash == parse_host_key_pin(text.rstrip("=")).hash == encode(b64decode(text))
    )


def cut(line: str, count: int) -> str:
    kind, encoded = line.split()
    return f"{kind} {encode(b64decode(encoded)[:-count])}"


@pytest.mark.parametrize(
    ("text", "message", "advice"),
    [
        ("", "the pin of the host key is empty", "`ssh-keyscan` prints it"),
        ("# db.example.com:22 SSH-2.0\n", "the pin of the host key is empty", "`ssh-keyscan` prints it"),
        (f"{LINE}\n{OTHER}", "the text has 2 lines, a host key has one", "each key on its own"),
        (f"@revoked * {LINE}", "lines of `known_hosts` with a marker such as `@revoked`", "ssh-keyscan"),
        (f"@cert-authority * {LINE}", "lines of `known_hosts` with a marker such as `@cert-", "ssh-keyscan"),
        (f"@secret {LINE}", "lines of `known_hosts` with a marker such as `@…`", "ssh-keyscan"),
        (
            LINE.replace("ssh-ed25519", "ssh-ed25518"),
            "unknown type of host key `ssh-ed25518`",
            "`ssh-ed25519`",
        ),
        (f"db {LINE.replace('ssh-ed', 'ssh_ed')}", "the type of the host key is unknown", "`ssh-ed25519`"),
        (
            f"quantum-9 {ENCODED}",
            "unknown type of host key `quantum-9`",
            "known types are ssh-ed25519, ssh-rsa",
        ),
        ("ssh-ed25519-cert-v01@openssh.com AAAAI", "the text is an SSH certificate", "ssh-keyscan"),
        (f"ssh-rsa {ENCODED}", "the line says `ssh-rsa`, but its key has the type `ssh-ed25519`", "copy"),
        (cut(LINE, 1), "the `ssh-ed25519` key is damaged or not complete", "copy the whole line again"),
        (cut(LINE, 36), "the `ssh-ed25519` key is damaged or not complete", "copy the whole line again"),
        (f"ssh-ed25519 {encode(BLOB[:15] + bytes(4))}", "the `ssh-ed25519` key is damaged", "copy"),
        (LINE[:-1], "the `ssh-ed25519` key is damaged or not complete", "copy the whole line again"),
        (LINE + "AAAA", "the `ssh-ed25519` key is damaged or not complete", "copy the whole line again"),
        ("ssh-ed25519 AAAA…", "the `ssh-ed25519` key is damaged or not complete", "copy the whole line"),
        ("ssh-ed25519", "`ssh-ed25519` has no key behind it", "ssh-keyscan"),
        (ENCODED, "the key lacks its type", "write `ssh-ed25519` and a blank before it"),
        (
            sha512(b"").hexdigest(),
            "the hash has 64 bytes; an MD5 has 16, a SHA-1 20 and a SHA-256 32",
            "keyscan",
        ),
        ("a0", "the hash has 1 byte; an MD5 has 16", "pin the key itself, as `ssh-keyscan` prints it"),
        (f"SHA256:{sha1(b'').hexdigest()}", "the hash has 20 bytes, a SHA-256 has 32", "ssh-keyscan"),
        ("MD5:ab:cd", "the hash has 2 bytes, an MD5 has 16", "ssh-keyscan"),
        ("my bastion", "the text is neither a host key nor the hash of one", "ssh-keyscan"),
        ("SHA256:…", "the text is neither a host key nor the hash of one", "ssh-keyscan"),
        ("-----BEGIN CERTIFICATE-----\nMII", "the text is a block of PEM, no line", "`certificates:`"),
        ("---- BEGIN SSH2 PUBLIC KEY ----\nAAAA", "the text is a block of PEM, no line", "ssh-keyscan"),
    ],
)
def test_no_host_key_is_refused_by_what_it_is(text: str, message: str, advice: str) -> None:
    error = refuse(parse_host_key_pin, text)
    assert error.message.startswith(message)
    assert advice in error.advice


@pytest.mark.parametrize("parse", [parse_certificate_hash, parse_host_key_pin])
@pytest.mark.parametrize(
    "text",
    [
        OPENSSH,
        PKCS8,
        "".join(OPENSSH.splitlines()[1:-1]),
        "".join(PKCS8.splitlines()[1:-1]),
        OPENSSH.splitlines()[1],
        "-----BEGIN RSA PRIVATE KEY-----",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nabc",
        "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----",
        "PuTTY-User-Key-File-3: ssh-ed25519",
        f"{LINE}\n{OPENSSH}",
    ],
)
def test_a_private_key_is_refused_as_such(parse: Parse, text: str) -> None:
    error = refuse(parse, text)
    assert error.message == "the text is a private key"
    assert "remove it from the repository" in error.advice and "replace it" in error.advice


def test_a_hash_that_begins_like_a_private_key_is_a_hash() -> None:
    raw = b"\x30\x20\x02\x01\x00\x30".ljust(32, b"\x00")
    assert parse_certificate_hash(encode(raw)).hash == parse_host_key_pin(raw.hex()).hash == encode(raw)


words = st.one_of(
    st.text(),
    st.text("abcdef0123456789:=-+/@.A", max_size=200),
    st.sampled_from(
        [*LINE.split(), *PEM_BODIES, OPENSSH, PKCS8, "SHA256:", "@revoked", "#", "ssh-ed25518", "x" * 99]
    ),
    st.binary(max_size=80).map(encode),
)
texts = st.lists(words, max_size=4).flatmap(
    lambda parts: st.sampled_from(["", " ", "\n", ":"]).map(lambda blank: blank.join(parts))
)


@pytest.mark.parametrize("parse", [parse_certificate_hash, parse_host_key_pin])
def test_any_text_is_a_pin_or_refused_without_repetition(parse: Parse) -> None:
    @fixed_examples(300)
    @given(texts)
    @example("AAAA" * 100)
    @example(f"{'a-' * 60}b {ENCODED}")
    @example(f"{'abcdefghijkl-' * 3}z@abcdefghijklmnop {ENCODED}")
    @example(f"host {PEM_BODIES[0]} {ENCODED}")
    @example("ssh-ed25519 " + "\x00" * 5000)
    def check(text: str) -> None:
        try:
            identity = parse(text)
        except PinError as error:
            shown = f"{error.message}\n{error.advice}"
            assert not [body for body in PEM_BODIES if body[:12] in shown]
            assert not [
                start for start in range(len(text) - 40) if text[start : start + 41] in error.message
            ], error.message
            assert error.message and error.advice and "\n" not in shown.replace("\n", "", 1)
        else:
            assert bool(identity.hash) != bool(identity.public_key)
            # The normal form of a pin is a pin, and the same one.
            assert parse(identity.hash or identity.public_key) == identity

    check()


@pytest.mark.parametrize(
    ("line", "blob"),
    [
        (LINE, BLOB),
        (f"{LINE} a comment", BLOB),
        (f"db.example.com {LINE}", BLOB),
        (ENCODED, BLOB),
        (LINE.replace("=", ""), BLOB),
        (f"quantum-9 {encode((9).to_bytes(4) + b'quantum-9' + b'key')}", b"\0\0\0\x09quantum-9key"),
        (encode((9).to_bytes(4) + b"quantum-9" + b"key"), b""),
        (f"ssh-rsa {encode(b'any bytes')}", b""),
        (f"ssh-rsa {encode((99).to_bytes(4) + b'ssh-rsa')}", b""),
        (f"é {encode((2).to_bytes(4) + 'é'.encode())}", b""),
        ("ssh-ed25519", b""),
        ("no key", b""),
        ("", b""),
    ],
)
def test_a_key_is_found_in_any_line(line: str, blob: bytes) -> None:
    assert get_key_blob(line) == blob


HASHES = [encode(digest) for digest in compute(BLOB)]
MD5, SHA1, SHA256 = HASHES


@pytest.mark.parametrize(
    ("pin", "key", "matches", "differs"),
    [
        # A pinned key
        (host_key(public_key=LINE), host_key("any", f"{LINE} bastion"), True, False),
        (host_key(public_key=LINE), host_key("any", OTHER), False, False),
        (host_key(public_key=LINE), host_key(SHA256, OTHER), False, False),
        (host_key(public_key=LINE), host_key(SHA256), True, False),
        (host_key(public_key=LINE), host_key(b64decode(MD5).hex(":")), True, False),
        (host_key(public_key=LINE), host_key("any"), False, False),
        (host_key(public_key=LINE), host_key(), False, False),
        (host_key(SHA256, LINE), host_key("any", LINE), True, False),
        # A pinned hash, and the hash of the API in any form
        (host_key(SHA256), host_key(SHA256), True, False),
        (host_key(SHA256), host_key(f"SHA256:{SHA256.rstrip('=')}"), True, False),
        (host_key(SHA256), host_key(b64decode(SHA256).hex()), True, False),
        (host_key(MD5), host_key(b64decode(MD5).hex(":")), True, False),
        (host_key("no base64"), host_key("no base64"), True, False),
        (host_key("no base64"), host_key("other text"), False, False),
        (host_key(SHA256), host_key(SHA1), False, False),
        (host_key(SHA256), host_key("any"), False, False),
        (host_key(SHA256), host_key(), False, False),
        # A pinned hash, and the key
        *((host_key(digest), host_key("", LINE), True, False) for digest in HASHES),
        *((host_key(digest), host_key("", OTHER), False, False) for digest in HASHES),
        (host_key(SHA256), host_key(SHA256, LINE), True, False),
        (host_key(SHA256), host_key("any", LINE), True, True),
        (host_key(SHA256), host_key(SHA256, OTHER), True, True),
        (host_key(SHA256), host_key("any", OTHER), False, False),
        (host_key(SHA256), host_key(SHA256, "no key"), True, False),
        # Nothing pinned
        (host_key(), host_key(), False, False),
        (host_key(), host_key("any", LINE), False, False),
        # Another kind
        (certificate_pin(SHA256), host_key(SHA256), False, False),
        (host_key(SHA256), certificate_pin(SHA256), False, False),
    ],
)
def test_a_pin_matches_the_key_that_it_means(
    pin: ServerIdentity, key: ServerIdentity, matches: bool, differs: bool
) -> None:
    assert matches_key(pin, key) is matches
    assert differs_from_server(pin, key) is differs


@given(digests)
def test_both_forms_of_a_certificates_hash_are_pins_of_it(raw: bytes) -> None:
    identity = certificate_pin(encode(raw))
    forms = format_hash_forms(identity)
    assert forms == (identity.hash, raw.hex(":").upper())
    assert {parse_certificate_hash(form) for form in forms} == {identity}


@pytest.mark.parametrize(
    ("identity", "forms"),
    [
        (host_key("text of the API", LINE), ("text of the API", f"SHA256:{SHA256.rstrip('=')}")),
        (host_key(f"SHA256:{SHA256.rstrip('=')}", LINE), (f"SHA256:{SHA256.rstrip('=')}",)),
        (host_key("text of the API"), ("text of the API",)),
        (host_key("", LINE), (f"SHA256:{SHA256.rstrip('=')}",)),
        (host_key(), ()),
        (certificate_pin("no base64"), ("no base64",)),
        (
            certificate_pin("", encode(b"any")),
            (encode(sha256(b"any").digest()), sha256(b"any").digest().hex(":").upper()),
        ),
        (certificate_pin(""), ()),
    ],
)
def test_known_forms_are_shown_once(identity: ServerIdentity, forms: tuple[str, ...]) -> None:
    assert format_hash_forms(identity) == forms


@pytest.mark.parametrize(
    ("identity", "right"),
    [
        (certificate_pin(SHA256, ENCODED), None),
        (certificate_pin(SHA256.rstrip("="), ENCODED), None),
        (certificate_pin(SHA1, ENCODED), SHA256),
        (certificate_pin("no base64", ENCODED), SHA256),
        (certificate_pin("", ENCODED), None),
        (certificate_pin(SHA1, ""), None),
        (certificate_pin(SHA1, "no base64"), None),
        (ServerIdentity(ServerKind.FINGERPRINT, hash=SHA1, certificate=ENCODED), None),
    ],
)
def test_a_wrong_hash_of_a_certificate_is_found(identity: ServerIdentity, right: str | None) -> None:
    assert find_wrong_hash(identity) == right
