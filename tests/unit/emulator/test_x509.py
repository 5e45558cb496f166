"""Certificates and host keys: reading real ones, and made-up ones that others can read."""

from __future__ import annotations

import hashlib
import ssl
from base64 import b64decode, b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from self_signed import server_context

from reconciler.emulator import der, x509
from reconciler.emulator.keys import HostKey, group_public_key, made_up_host_key

ISSUER = x509.made_up_chain("any")[1]


def _as_openssl_reads_it(encoded: str, folder: Path) -> dict[str, str]:
    file = folder / "certificate.pem"
    file.write_text(ssl.DER_cert_to_PEM_cert(b64decode(encoded)))
    context = ssl.create_default_context(cafile=str(file))
    context.load_verify_locations(file)
    decoded = ssl._ssl._test_decode_cert(str(file))  # type: ignore[attr-defined]
    return {key: value for part in decoded["subject"] for key, value in part}


def test_made_up_certificates_are_well_formed(tmp_path: Path) -> None:
    server, issuer = x509.made_up_chain("orders", 1)
    assert _as_openssl_reads_it(issuer, tmp_path) == {
        "countryName": "US",
        "organizationName": "Acme, Inc.",
        "commonName": "Acme Private Root",
    }
    assert _as_openssl_reads_it(server, tmp_path)["commonName"].endswith(".acme.example")


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255, 256, 65_535])
def test_what_is_written_as_der_is_read_again(size: int) -> None:
    written = der.element(der.UTF8_STRING, b"x" * size)
    assert der.elements(written * 2) == [(der.UTF8_STRING, b"x" * size)] * 2
    assert len(written) - size == 2 + (size > 127) + (size > 255)  # DER has one form, the shortest


@pytest.mark.parametrize("oid", ["2.5.4.3", "1.2.840.113549.1.1.11", "0.9.2342.19200300.100.1.25"])
def test_object_identifiers_keep_their_numbers(oid: str) -> None:
    ((_, body),) = der.elements(der.object_identifier(oid))
    assert der.dotted(body) == oid


def test_a_name_is_written_as_java_does() -> None:
    assert x509.read(ISSUER).name == 'CN=Acme Private Root, O="Acme, Inc.", C=US'


def test_checksums_are_those_of_the_der_form() -> None:
    encoded = x509.made_up_chain("orders")[0]
    raw = b64decode(encoded)
    certificate = x509.read(encoded)
    assert certificate.sha1 == hashlib.sha1(raw).hexdigest()
    assert certificate.sha256 == hashlib.sha256(raw).hexdigest()
    assert b64decode(certificate.hash).hex() == certificate.sha256


def test_line_breaks_do_not_change_a_certificate() -> None:
    encoded = x509.made_up_chain("orders")[0]
    broken = "\n".join(encoded[start : start + 64] for start in range(0, len(encoded), 64))
    assert x509.read(broken).hash == x509.read(encoded).hash


def test_an_rsa_key_is_told_by_its_numbers() -> None:
    lines = x509.read(ISSUER).public_key.splitlines()
    assert lines[0] == "Sun RSA public key, 2048 bits"
    assert int(lines[2].removeprefix("  modulus: ")).bit_length() == 2048
    assert lines[3] == "  public exponent: 65537"


def test_a_real_certificate_with_an_elliptic_key_is_read(tmp_path: Path) -> None:
    _, file = server_context("db.acme.example", tmp_path)
    certificate = x509.read(b64encode(ssl.PEM_cert_to_DER_cert(file.read_text())).decode())
    assert certificate.name == "CN=db.acme.example"
    assert certificate.public_key.startswith("Sun EC public key, 256 bits\n  public x coord: ")
    assert certificate.public_key.endswith("parameters: secp256r1 [NIST P-256] (1.2.840.10045.3.1.7)")


@pytest.mark.parametrize("nonsense", ["", "MIID9DCC...", "no certificate", "MAA=", "////"])
def test_what_is_no_certificate_is_taken_all_the_same(nonsense: str) -> None:
    certificate = x509.read(nonsense)
    assert (certificate.name, certificate.public_key) == ("", "")
    assert len(certificate.sha256) == 64


@given(cut=st.integers(0, 900), flipped=st.integers(0, 899), value=st.integers(0, 255))
def test_damaged_certificates_never_fail(cut: int, flipped: int, value: int) -> None:
    raw = bytearray(b64decode(ISSUER))
    raw[flipped % len(raw)] = value
    x509.read(b64encode(bytes(raw)).decode())
    x509.read(b64encode(bytes(raw[:cut])).decode())


def test_a_chain_follows_its_source_and_shares_its_issuer() -> None:
    assert x509.made_up_chain("a", 1) == x509.made_up_chain("a", 1)
    assert x509.made_up_chain("a", 1)[0] != x509.made_up_chain("a", 2)[0]
    assert x509.made_up_chain("a", 1)[1] == x509.made_up_chain("b", 2)[1]


def test_a_host_key_is_told_by_the_key_and_not_by_its_comment() -> None:
    key = made_up_host_key("orders", 1)
    blob = key.public_key.split(" ")[1]
    assert key.hash == b64encode(hashlib.sha256(b64decode(blob)).digest()).decode()
    assert HostKey(f"ssh-rsa {blob} another comment").hash == key.hash
    assert key.details() == {
        "hash": key.hash,
        "public_key": key.public_key,
        "type": "ssh-rsa",
        "name": "bastion host key",
    }


@pytest.mark.parametrize("nonsense", ["", "key", "ssh-rsa", "ssh-rsa AAAAB3...", "ssh-rsa  x"])
def test_what_is_no_key_has_a_hash_too(nonsense: str) -> None:
    assert len(b64decode(HostKey(nonsense).hash)) == 32


def test_keys_of_groups_and_hosts_are_different() -> None:
    assert made_up_host_key("orders").public_key.split()[1] != group_public_key("orders").split()[1]
