"""Test the reading of certificates: real ones of PEM files and of the API, unusual ones, and other files."""

from __future__ import annotations

import re
import subprocess
import sys
from base64 import b64decode, b64encode
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509 import NameOID
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis_settings import fixed_examples

from reconciler.kinds.certificates import MAX_PEM_SIZE, is_expired, read_der, read_pem
from reconciler.kinds.pins import PinError, find_wrong_hash, format_hash_forms, parse_certificate_hash
from reconciler.model.trust import ServerIdentity, ServerKind

KEY = ec.generate_private_key(ec.SECP256R1())
LAST_MOMENT = datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)
PRIVATE = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
PUBLIC = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
SSH = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)


def make_name(**attributes: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(getattr(NameOID, oid), text) for oid, text in attributes.items()])


SUBJECT = make_name(COUNTRY_NAME="US", ORGANIZATION_NAME="Acme, Inc.", COMMON_NAME="db.acme.example")
ISSUER = make_name(ORGANIZATION_NAME="Acme", COMMON_NAME="Acme Root")


def build(
    subject: x509.Name = SUBJECT,
    issuer: x509.Name = ISSUER,
    expires: datetime = LAST_MOMENT,
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey = KEY,
) -> bytes:
    """Build a certificate of version 3 with the serial number 1, in DER."""
    return (
        x509.CertificateBuilder(issuer, subject, key.public_key(), 1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(expires)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else SHA256())
        .public_bytes(Encoding.DER)
    )


def to_pem(der: bytes, label: str = "CERTIFICATE") -> bytes:
    encoded = re.sub("(.{64})", r"\1\n", b64encode(der).decode()).strip()
    return f"-----BEGIN {label}-----\n{encoded}\n-----END {label}-----\n".encode()


def identify(der: bytes, subject: str = "", issuer: str = "", expires: str = "") -> ServerIdentity:
    return ServerIdentity(
        ServerKind.CERTIFICATE,
        hash=b64encode(sha256(der).digest()).decode(),
        subject=subject,
        issuer=issuer,
        expires=expires,
        certificate=b64encode(der).decode(),
    )


DER = build()
PEM = to_pem(DER)
IDENTITY = identify(DER, "CN=db.acme.example,O=Acme\\, Inc.,C=US", "CN=Acme Root,O=Acme", "2049-12-31")
ENCODED = b64encode(DER).decode()


def read(der: bytes) -> ServerIdentity:
    """Read a certificate from the API and from a file, which has to give the same identity."""
    identity = read_der(b64encode(der).decode())
    assert read_pem(to_pem(der)) == identity
    return identity


def refuse(content: bytes) -> PinError:
    with pytest.raises(PinError) as caught:
        read_pem(content)
    return caught.value


def number_case(value: object) -> str:
    """Give a case a number as its name: certificates and keys are others in each process."""
    return "case"


@pytest.mark.parametrize(
    "content",
    [
        PEM,
        PEM.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + PEM,
        PEM.decode().encode("utf-16"),
        b"Certificate:\n    Data:\n        Version: 3 (0x2)\n" + PEM + b"\ntrailing text \xff\n",
        b"\n\n  " + PEM.rstrip(),
        to_pem(DER, "X509 CERTIFICATE"),
        PUBLIC + PEM,
        PEM + b"# keep the PRIVATE KEY elsewhere\n",
        PEM + b" " * (MAX_PEM_SIZE - len(PEM)),
    ],
    ids=number_case,
)
def test_a_pem_file_with_one_certificate_is_read(content: bytes) -> None:
    assert read_pem(content) == IDENTITY


def test_openssl_sees_the_same_certificate(tmp_path: Path) -> None:
    file = tmp_path / "root.pem"
    file.write_bytes(PEM)

    def ask(*options: str) -> str:
        command = ["openssl", "x509", "-in", str(file), *options]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    shown = ask("-noout", "-fingerprint", "-sha256").strip()
    assert shown.endswith(format_hash_forms(IDENTITY)[1])
    assert parse_certificate_hash(shown).hash == IDENTITY.hash
    assert read_pem(ask("-text").encode()) == IDENTITY
    assert ask("-noout", "-subject", "-nameopt", "RFC2253").strip() == f"subject={IDENTITY.subject}"


@pytest.mark.parametrize(
    ("content", "message", "advice"),
    [
        (PRIVATE, "the file holds a private key", "may be compromised"),
        (PEM + PRIVATE, "the file holds a private key", "remove it from the repository"),
        (PRIVATE.decode().encode("utf-16"), "the file holds a private key", "replace it"),
        (b"-----BEGIN RSA PRIVATE KEY-----\nMII", "the file holds a private key", "replace it"),
        (PRIVATE + b" " * MAX_PEM_SIZE, "the file holds a private key", "replace it"),
        (
            KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
            "the file holds a private key",
            "replace it",
        ),
        (
            KEY.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
            "the file holds a private key",
            "replace it",
        ),
        (PUBLIC, "the file holds a public key instead of a certificate", "certificate of the server or"),
        (SSH, "the file holds the key of an SSH host, no certificate", "`fingerprints:`"),
        (PEM + PEM, "the file holds 2 certificates instead of one", "root or the issuing CA"),
        (PEM * 4, "the file holds 4 certificates instead of one", "root or the issuing CA"),
        (PEM + PEM[:90], "the file holds 2 certificates instead of one", "root or the issuing CA"),
        (
            DER,
            "the certificate is in DER instead of PEM form",
            "`openssl x509 -inform der -in FILE -out FILE.pem`",
        ),
        (DER[:-1], "the file holds no certificate in PEM form", "-----BEGIN CERTIFICATE-----"),
        (b64encode(DER), "the file holds no certificate in PEM form", "-----BEGIN CERTIFICATE-----"),
        (b"\x89PNG\r\n", "the file holds no certificate in PEM form", "-----BEGIN CERTIFICATE-----"),
        (b"-----BEGIN FLOWERS-----", "the file holds no certificate in PEM form", "-----BEGIN CERT"),
        (
            to_pem(DER, "CERTIFICATE REQUEST"),
            "the file holds a certificate request instead of a",
            "CA has to sign",
        ),
        (
            to_pem(DER, "NEW CERTIFICATE REQUEST"),
            "the file holds a certificate request instead",
            "CA has to sign",
        ),
        (
            to_pem(DER, "TRUSTED CERTIFICATE"),
            "the file holds a certificate in OpenSSL's own form",
            "openssl x509",
        ),
        (to_pem(DER, "PKCS7"), "the file holds a PKCS #7 container", "`openssl pkcs7 -print_certs"),
        (
            to_pem(DER, "X509 CRL"),
            "the file holds a list of revoked certificates",
            "certificate of the server",
        ),
        (PEM[:-5], "the certificate is damaged or not complete", "export the certificate again"),
        (PEM[:200], "the certificate is damaged or not complete", "export the certificate again"),
        (PEM.replace(b"\nMII", b"\n!II"), "the certificate is damaged or not complete", "export"),
        (to_pem(b""), "the certificate is damaged or not complete", "export the certificate again"),
        (to_pem(b"any bytes"), "the certificate is damaged or not complete", "export the certificate again"),
        (to_pem(DER[:-1]), "the certificate is damaged or not complete", "export the certificate again"),
        (to_pem(DER + b"\0"), "the certificate is damaged or not complete", "export the certificate again"),
        (to_pem(DER + b"\x05\x00"), "the certificate is damaged or not complete", "export the certificate"),
        (
            to_pem(DER.replace(b"\x0c\x04Acme", b"\x0c\x05Acme")),
            "the certificate is damaged or not complete",
            "export",
        ),
        (to_pem(DER[:8] + DER[12:]), "the certificate is damaged or not complete", "export"),
        (to_pem(b"\x30\x80" + b"\x30\x80" * 9999), "the certificate is damaged or not complete", "export"),
        (to_pem(b"\x30\x06\x30\x00\x30\x00\x03\x00"), "the certificate is damaged or not complete", "export"),
        (b"", "the file is empty", "`-----BEGIN CERTIFICATE-----`"),
        (b"\xef\xbb\xbf \r\n", "the file is empty", "`-----BEGIN CERTIFICATE-----`"),
        (PEM + b" " * (MAX_PEM_SIZE - len(PEM) + 1), "the file is larger than 64 KiB", "one certificate"),
    ],
    ids=number_case,
)
def test_any_other_file_is_refused_by_what_it_is(content: bytes, message: str, advice: str) -> None:
    error = refuse(content)
    assert error.message.startswith(message)
    assert advice in error.advice


def test_a_real_request_is_refused() -> None:
    request = x509.CertificateSigningRequestBuilder(SUBJECT).sign(KEY, SHA256())
    assert "certificate request" in refuse(request.public_bytes(Encoding.PEM)).message


def test_a_certificate_of_the_api_is_read() -> None:
    assert read_der(ENCODED) == IDENTITY
    assert (
        read_der("\n".join(ENCODED[start : start + 64] for start in range(0, len(ENCODED), 64))) == IDENTITY
    )
    assert find_wrong_hash(replace(IDENTITY, hash="AAAA")) == IDENTITY.hash


@pytest.mark.parametrize(
    "raw",
    [b"any", DER[:-1], DER + b"\0", b"\x30\x80" * 9, PRIVATE, b"\x30\x06\x30\x00\x30\x00\x03\x00"],
    ids=number_case,
)
def test_bytes_of_no_certificate_have_a_hash_alone(raw: bytes) -> None:
    assert read_der(b64encode(raw).decode()) == identify(raw)


@pytest.mark.parametrize(
    "text",
    ["", " ", "no base 64!", "abc", "====", "é", "\ud800", ENCODED[:-1] + "!", "AAAA=AAA"],
    ids=number_case,
)
def test_a_text_of_no_base64_has_not_even_a_hash(text: str) -> None:
    assert read_der(text) == ServerIdentity(ServerKind.CERTIFICATE)


def test_an_empty_subject_stays_empty() -> None:
    assert read(build(subject=x509.Name([]))).subject == ""
    assert read(build(issuer=x509.Name([]))).issuer == ""


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Acme\u202eemcA", "CN=AcmeemcA"),
        ("Acme\x1b[31m\x07", "CN=Acme[31m"),
        ("two\r\nlines \t\u2028here", "CN=two lines here"),
        ("zero\u200bwidth\u2066", "CN=zerowidth"),
        ("Café 漢字 `x`", "CN=Café 漢字 `x`"),
    ],
    ids=number_case,
)
def test_names_have_no_characters_that_do_not_print(name: str, shown: str) -> None:
    identity = read(build(subject=make_name(COMMON_NAME=name), issuer=make_name(COMMON_NAME=name)))
    assert (identity.subject, identity.issuer) == (shown, shown)


@pytest.mark.parametrize(
    "key", [ed25519.Ed25519PrivateKey.generate(), rsa.generate_private_key(65537, 2048)], ids=number_case
)
def test_certificates_of_other_keys_are_read(key: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey) -> None:
    der = build(key=key)
    assert read(der) == replace(IDENTITY, hash=identify(der).hash, certificate=identify(der).certificate)


def patch(old: bytes, new: bytes, der: bytes = DER) -> bytes:
    """Patch the only or the first occurrence of bytes by others of the same length."""
    assert old in der and len(old) == len(new)
    return der.replace(old, new, 1)


OF_EC_KEYS, OF_P256 = bytes.fromhex("06072a8648ce3d0201"), bytes.fromhex("06082a8648ce3d030107")
SERIAL = b"\x02\x01\x01\x30"
FACTS = ("CN=db.acme.example,O=Acme\\, Inc.,C=US", "CN=Acme Root,O=Acme", "2049-12-31")


@pytest.mark.parametrize(
    ("der", "facts"),
    [
        (patch(OF_EC_KEYS, OF_EC_KEYS[:-1] + b"\x7f"), FACTS),
        (patch(OF_P256, OF_P256[:-1] + b"\x7f"), FACTS),
        (patch(SERIAL, b"\x02\x01\x00\x30"), FACTS),
        (patch(SERIAL, b"\x02\x01\xff\x30"), FACTS),
        (patch(b"\x13\x02US", b"\x13\x02*&"), ("CN=db.acme.example,O=Acme\\, Inc.,C=*&", *FACTS[1:])),
        (patch(b"\x13\x02US", b"\x13\x02\xe9\xe9"), ("", *FACTS[1:])),
        (patch(b"\x13\x02US", b"\x14\x02\xe9\xe9"), ("", *FACTS[1:])),
        (patch(b"\x0c\x0fdb.acme", b"\x0c\x0fdb.acm\xff"), ("", *FACTS[1:])),
        (build(expires=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)), (*FACTS[:2], "9999-12-31")),
        # The library refuses these as a whole.
        (patch(b"\x02\x01\x02\x02", b"\x02\x01\x07\x02"), ("", "", "")),
        (patch(b"491231235959Z", b"491331235959Z"), ("", "", "")),
        (patch(b"491231235959Z", b"4912312359590"), ("", "", "")),
    ],
    ids=number_case,
)
def test_unusual_certificates_keep_the_facts_that_can_be_read(der: bytes, facts: tuple[str, ...]) -> None:
    assert read(der) == identify(der, *facts)


def test_dates_are_those_of_utc() -> None:
    late = datetime(2030, 6, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert read(build(expires=late)).expires == "2030-05-31"


@pytest.mark.parametrize(
    ("expires", "expected"),
    [("2030-05-30", True), ("2030-05-31", False), ("2030-06-01", False), ("", False), ("9999-12-31", False)],
    ids=number_case,
)
def test_a_certificate_is_expired_after_its_last_day(expires: str, expected: bool) -> None:
    assert is_expired(replace(IDENTITY, expires=expires), date(2030, 5, 31)) is expected


@fixed_examples(150)
@given(st.lists(st.tuples(st.integers(0, len(DER) - 1), st.binary(max_size=3)), min_size=1, max_size=4))
def test_no_damage_lets_the_readers_fail(damages: list[tuple[int, bytes]]) -> None:
    der = DER
    for place, new in damages:
        der = der[:place] + new + der[place + 1 :]
    identity = read_der(b64encode(der).decode())
    assert (identity.hash, identity.certificate) == (identify(der).hash, identify(der).certificate)
    try:
        assert read_pem(to_pem(der)) == identity
    except PinError as error:
        assert error.message == "the certificate is damaged or not complete"
        assert "" in {identity.subject, identity.issuer, identity.expires}, "not all of it can be read"


@fixed_examples(200)
@given(st.text() | st.text("ABab01+/= \n"))
def test_any_text_of_the_api_is_read(text: str) -> None:
    identity = read_der(text)
    assert bool(identity.hash) == bool(identity.certificate)
    if identity.certificate:
        assert b64decode(identity.certificate) == b64decode("".join(text.split()))


pieces = st.sampled_from(
    [PEM, PRIVATE, PUBLIC, PEM[:99], b"-----BEGIN ", b"-----END CERTIFICATE-----", b"\xff\xfe", SSH]
)


@fixed_examples(200)
@given(st.lists(st.binary(max_size=20) | pieces, max_size=4).map(b"".join))
@example(DER)
def test_any_file_is_a_certificate_or_refused_without_repetition(content: bytes) -> None:
    try:
        identity = read_pem(content)
    except PinError as error:
        shown = f"{error.message}\n{error.advice}".encode()
        assert not [line for line in PRIVATE.splitlines()[1:-1] if line[:12] in shown]
        assert not [start for start in range(len(content) - 40) if content[start : start + 41] in shown]
    else:
        assert identity == IDENTITY
        assert b"PRIVATE KEY" not in content


def test_the_module_is_loaded_without_the_library() -> None:
    program = "import sys, reconciler.kinds.certificates; print('cryptography' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
