"""Test certificates and host keys: parsing of real ones, and generated ones that other programs can read."""

from __future__ import annotations

import hashlib
import ssl
import subprocess
import sys
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st
from self_signed_cert import make_server_context

from reconciler.emulator.key_material import (
    Certificate,
    generate_chain,
    generate_group_public_key,
    generate_host_key,
    read_blob,
    read_certificate,
    read_validity,
)

ISSUER = generate_chain("any")[1]
KEY = ec.generate_private_key(ec.SECP256R1())
SERVER_OF_EARLIER_RELEASES = "ad59a7c9b5ffd466c78df83eb3d11f2782996b1c971ed8db59d7f7275032da6c"
ISSUER_OF_EARLIER_RELEASES = "2ff9f454115e420474ccd824d433c6c72920238708cc1d697c45d5e6a0426c56"


Signer = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def _build_certificate(key: Signer, *names: x509.RelativeDistinguishedName) -> bytes:
    """Build a self-signed certificate with the serial number 1, in DER."""
    name = x509.Name(names)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1)
    valid = builder.not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
    certificate = valid.not_valid_after(datetime(2049, 1, 1, tzinfo=UTC)).sign(
        key, SHA256() if isinstance(key, ec.EllipticCurvePrivateKey) else None
    )
    return certificate.public_bytes(Encoding.DER)


def _build_name_part(*attributes: tuple[x509.ObjectIdentifier, str]) -> x509.RelativeDistinguishedName:
    return x509.RelativeDistinguishedName([x509.NameAttribute(oid, text) for oid, text in attributes])


def _read(raw: bytes) -> Certificate:
    return read_certificate(b64encode(raw).decode())


def _read_with_openssl(encoded: str, folder: Path) -> dict[str, str]:
    file = folder / "certificate.pem"
    file.write_text(ssl.DER_cert_to_PEM_cert(b64decode(encoded)))
    context = ssl.create_default_context(cafile=str(file))
    context.load_verify_locations(file)
    decoded = ssl._ssl._test_decode_cert(str(file))  # type: ignore[attr-defined]
    return {key: value for part in decoded["subject"] for key, value in part}


def test_generated_certificates_are_well_formed(tmp_path: Path) -> None:
    server, issuer = generate_chain("orders", 1)
    assert _read_with_openssl(issuer, tmp_path) == {
        "countryName": "US",
        "organizationName": "Acme, Inc.",
        "commonName": "Acme Private Root",
    }
    assert _read_with_openssl(server, tmp_path)["commonName"].endswith(".acme.example")


def test_generated_material_equals_that_of_earlier_releases() -> None:
    """Accounts seeded with an earlier release trust the material that a destination presents today."""
    server, issuer = generate_chain("orders", 1)
    assert read_certificate(server).sha256 == SERVER_OF_EARLIER_RELEASES
    assert read_certificate(issuer).sha256 == ISSUER_OF_EARLIER_RELEASES
    assert _hash_blob(generate_host_key("orders", 1)) == "JIyXcmhYrZlK7jOwuN2JsZXGubZrXLKsVYM6Cu3TYlo="
    group_key = generate_group_public_key("decent_dropsy")
    assert _hash_blob(group_key) == "lpyH4pjpvaIz5bfe8y157Sk8aDJcbTL9YFFBvfY84Ao="


def _hash_blob(line: str) -> str:
    return b64encode(hashlib.sha256(read_blob(line)).digest()).decode()


def test_a_name_is_rendered_as_in_java() -> None:
    assert read_certificate(ISSUER).name == 'CN=Acme Private Root, O="Acme, Inc.", C=US'


def test_checksums_are_computed_from_the_der_form() -> None:
    encoded = generate_chain("orders")[0]
    raw = b64decode(encoded)
    certificate = read_certificate(encoded)
    assert certificate.sha1 == hashlib.sha1(raw).hexdigest()
    assert certificate.sha256 == hashlib.sha256(raw).hexdigest()
    assert b64decode(certificate.hash).hex() == certificate.sha256


def test_line_breaks_do_not_change_a_certificate() -> None:
    encoded = generate_chain("orders")[0]
    broken = "\n".join(encoded[start : start + 64] for start in range(0, len(encoded), 64))
    assert read_certificate(broken).hash == read_certificate(encoded).hash


def test_an_rsa_key_is_rendered_with_modulus_and_exponent() -> None:
    lines = read_certificate(ISSUER).public_key.splitlines()
    assert lines[0] == "Sun RSA public key, 2048 bits"
    assert int(lines[2].removeprefix("  modulus: ")).bit_length() == 2048
    assert lines[3] == "  public exponent: 65537"


def test_a_real_certificate_with_an_elliptic_key_is_read(tmp_path: Path) -> None:
    _, file = make_server_context("db.acme.example", tmp_path)
    certificate = read_certificate(b64encode(ssl.PEM_cert_to_DER_cert(file.read_text())).decode())
    assert certificate.name == "CN=db.acme.example"
    assert certificate.public_key.startswith("Sun EC public key, 256 bits\n  public x coord: ")
    assert certificate.public_key.endswith("parameters: secp256r1 [NIST P-256] (1.2.840.10045.3.1.7)")


@pytest.mark.parametrize(
    ("curve", "shown"),
    [
        (ec.SECP384R1(), "384 bits secp384r1 [NIST P-384] (1.3.132.0.34)"),
        (ec.SECP521R1(), "521 bits secp521r1 [NIST P-521] (1.3.132.0.35)"),
        (ec.SECP256K1(), "256 bits secp256k1"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_an_elliptic_key_is_rendered_with_its_curve(curve: ec.EllipticCurve, shown: str) -> None:
    key = ec.generate_private_key(curve)
    point = key.public_key().public_numbers()
    bits, _, parameters = shown.partition(" bits ")
    assert _read(_build_certificate(key)).public_key.split("\n") == [
        f"Sun EC public key, {bits} bits",
        f"  public x coord: {point.x}",
        f"  public y coord: {point.y}",
        f"  parameters: {parameters}",
    ]


def test_a_key_of_another_kind_is_rendered_with_its_bits() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    bits = key.public_key().public_bytes_raw().hex()
    assert _read(_build_certificate(key)).public_key == f"algorithm = 1.3.101.112, unparsed keybits = {bits}"


def test_unusual_names_are_rendered_as_in_java() -> None:
    country = _build_name_part((x509.NameOID.COUNTRY_NAME, "US"))
    person = _build_name_part(
        (x509.NameOID.GIVEN_NAME, 'A"da'), (x509.NameOID.ORGANIZATIONAL_UNIT_NAME, " B\\2")
    )
    name = _read(_build_certificate(KEY, country, person)).name
    assert sorted(name.split(", ")[:2]) == [r'OID.2.5.4.42="A\"da"', r'OU=" B\\2"']
    assert name.endswith(", C=US")


def test_a_certificate_that_breaks_the_standard_is_read_without_a_warning() -> None:
    raw = _build_certificate(KEY, _build_name_part((x509.NameOID.COMMON_NAME, "db")))
    version_3, serial = b"\xa0\x03\x02\x01\x02", b"\x02\x01\x01"
    negative = raw.replace(version_3 + serial, version_3 + b"\x02\x01\xff")
    assert negative != raw
    assert _read(negative).name == "CN=db"


def test_a_certificate_of_an_unknown_version_has_no_public_key() -> None:
    raw = _build_certificate(KEY).replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x0f")
    assert _read(raw).public_key == ""


def test_an_emulator_starts_without_the_library() -> None:
    program = "import sys, reconciler.emulator.app; print('cryptography' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("text", ["", "MIID9DCC...", "no certificate", "MAA=", "////"])
def test_an_invalid_certificate_is_accepted(text: str) -> None:
    certificate = read_certificate(text)
    assert (certificate.name, certificate.public_key) == ("", "")
    assert len(certificate.sha256) == 64


@given(cut=st.integers(0, 900), flipped=st.integers(0, 899), value=st.integers(0, 255))
def test_damaged_certificates_never_fail(cut: int, flipped: int, value: int) -> None:
    raw = bytearray(b64decode(ISSUER))
    raw[flipped % len(raw)] = value
    read_certificate(b64encode(bytes(raw)).decode())
    read_certificate(b64encode(bytes(raw[:cut])).decode())


def test_a_chain_follows_its_source_and_shares_its_issuer() -> None:
    assert generate_chain("a", 1) == generate_chain("a", 1)
    assert generate_chain("a", 1)[0] != generate_chain("a", 2)[0]
    assert generate_chain("a", 1)[1] == generate_chain("b", 2)[1]


def test_the_blob_of_a_host_key_has_neither_type_nor_comment() -> None:
    encoded = generate_host_key("orders", 1).split(" ")[1]
    assert read_blob(f"ssh-rsa {encoded}") == b64decode(encoded)
    assert read_blob(f"ssh-rsa {encoded} another comment") == b64decode(encoded)


@pytest.mark.parametrize("text", ["", "key", "ssh-rsa", "ssh-rsa AAAAB3...", "ssh-rsa  x"])
def test_a_text_that_is_no_host_key_is_its_own_blob(text: str) -> None:
    assert read_blob(text) == text.encode()


def test_keys_of_groups_and_hosts_are_different() -> None:
    assert generate_host_key("orders").split()[1] != generate_group_public_key("orders").split()[1]


def test_the_validity_is_that_of_the_certificate() -> None:
    begin, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert [read_validity(encoded) for encoded in generate_chain("any")] == [(begin, end)] * 2
    for text in ("", "no certificate", "AAAA", "\udc80"):
        assert read_validity(text) is None
