"""Check the switch `fingerprint_hash`: how the API computes the hash of an SSH host key, and what the hash decides."""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from typing import Any, get_args

import pytest
from control_requests import control
from emulated_account import POSTGRES, EmulatedAccount

from reconciler.emulator.key_material import generate_host_key
from reconciler.emulator.switches import Behaviour

HOST_KEY = generate_host_key("a host")
BLOB = b64decode(HOST_KEY.split()[1])
SEED = {"version": 1, "account": {"id": "intently_yarn"}, "network": [{"host_key": HOST_KEY}]}
TUNNEL = {**POSTGRES, "connection_type": "SshTunnel", "tunnel_host": "bastion", "tunnel_user": "fivetran"}
UNTRUSTED = ["SSH Tunnel Connection"]

every_form = pytest.mark.parametrize("form", get_args(Behaviour.model_fields["fingerprint_hash"].annotation))


def encode(raw: bytes) -> str:
    return b64encode(raw).decode()


def open_account(form: str, seed: Any = SEED) -> tuple[EmulatedAccount, str]:
    """Open an account of a seed. Returns it with the path of a destination behind a tunnel."""
    account = EmulatedAccount(fingerprint_hash=form)
    control(account, "POST", "/reset", seed)
    return account, f"/v1/destinations/{account.must_create('postgres_warehouse', TUNNEL)}"


def list_failures(account: EmulatedAccount, path: str, **flags: Any) -> list[str]:
    """Run the setup tests. Returns the titles of the failed tests."""
    tests = account.post(f"{path}/test", flags).data["setup_tests"]
    return [test["title"] for test in tests if test["status"] == "FAILED"]


def read_hash(account: EmulatedAccount, path: str) -> str:
    """Read the hash of the untrusted host key in the details of a setup test."""
    (test, *_) = account.post(f"{path}/test").data["setup_tests"]
    assert test["details"]["public_key"] == HOST_KEY
    return str(test["details"]["hash"])


def approve(account: EmulatedAccount, path: str, given_hash: str) -> None:
    body = {"hash": given_hash, "public_key": HOST_KEY}
    answer = account.post(f"{path}/fingerprints", body)
    assert (answer.status, answer.data["hash"]) == (201, given_hash)


def list_approved(account: EmulatedAccount, path: str) -> list[str]:
    return [item["hash"] for item in account.get(f"{path}/fingerprints").data["items"]]


@pytest.mark.parametrize(
    ("form", "expected"),
    [("sha256", encode(hashlib.sha256(BLOB).digest())), ("md5", encode(hashlib.md5(BLOB).digest()))],
)
def test_a_setup_test_shows_the_digest_of_the_key(form: str, expected: str) -> None:
    account, path = open_account(form)
    assert read_hash(account, path) == expected
    account.emulator.close()


def test_an_opaque_hash_is_no_digest_of_the_key() -> None:
    account, path = open_account("opaque")
    shown = b64decode(read_hash(account, path))
    inputs = (BLOB, HOST_KEY.encode(), HOST_KEY.split()[1].encode(), " ".join(HOST_KEY.split()[:2]).encode())
    names = {name for name in hashlib.algorithms_available if not name.startswith("shake")}
    digests = {hashlib.new(name, data).digest()[:32] for name in names for data in inputs}
    assert len(shown) == 32
    assert shown not in digests
    account.emulator.close()


def test_an_opaque_hash_follows_from_the_key_and_the_account() -> None:
    other_account = {**SEED, "account": {"id": "patient_gardener"}}
    hashes = []
    for seed in (SEED, SEED, other_account):
        account, path = open_account("opaque", seed)
        hashes.append(read_hash(account, path))
        control(account, "POST", "/network", {"host_key": "generated"})
        control(account, "POST", "/network", {"host_key": HOST_KEY})
        assert read_hash(account, path) == hashes[-1]
        account.emulator.close()
    assert hashes[0] == hashes[1] != hashes[2]


@every_form
def test_only_an_approval_with_the_hash_of_the_api_makes_a_key_trusted(form: str) -> None:
    account, path = open_account(form)
    shown = read_hash(account, path)
    approve(account, path, "any+hash/of=the=client")
    assert list_failures(account, path) == UNTRUSTED
    approve(account, path, shown)
    assert list_failures(account, path) == []
    account.delete(f"{path}/fingerprints/{shown}")
    assert list_failures(account, path) == UNTRUSTED
    account.emulator.close()


@every_form
def test_a_trust_flag_approves_with_the_hash_of_the_api(form: str) -> None:
    account, path = open_account(form)
    shown = read_hash(account, path)
    assert list_failures(account, path, trust_fingerprints=True) == []
    assert list_approved(account, path) == [shown]
    assert list_failures(account, path) == []
    control(account, "POST", "/network", {"host_key": "rotated"})
    assert list_failures(account, path) == UNTRUSTED
    account.emulator.close()


@every_form
def test_the_control_approves_with_the_hash_of_the_api(form: str) -> None:
    account, path = open_account(form)
    shown = read_hash(account, path)
    (listed,) = control(account, "GET", "/network")["network"]
    assert listed["host_key"] == {"hash": shown, "public_key": HOST_KEY}
    (before,) = control(account, "GET", "/approvals")["approvals"]
    assert before["waiting"] == [{"kind": "fingerprint", "hash": shown, "name": "bastion host key"}]
    (after,) = control(account, "POST", "/approvals", {"hash": shown})["approvals"]
    assert (after["waiting"], [each["hash"] for each in after["approved"]]) == ([], [shown])
    assert list_failures(account, path) == []
    control(account, "DELETE", "/approvals")
    assert control(account, "GET", "/approvals")["approvals"] == [before]
    account.emulator.close()


def test_a_changed_switch_makes_an_approved_key_wait_again() -> None:
    account, path = open_account("sha256")
    assert list_failures(account, path, trust_fingerprints=True) == []
    control(account, "POST", "/behaviour", {"fingerprint_hash": "md5"})
    assert list_failures(account, path) == UNTRUSTED
    account.emulator.close()
