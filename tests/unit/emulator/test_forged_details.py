"""Test that a scripted setup test can show forged servers: a hash that is not the hash of what stands beside it."""

from __future__ import annotations

from typing import Any

import pytest
from control_requests import control
from emulated_account import POSTGRES, EmulatedAccount

from reconciler.emulator.key_material import generate_chain, generate_host_key, read_certificate

SHOWN, NAMED = (read_certificate(encoded) for encoded in generate_chain("forged"))
FORGED_CERTIFICATE = {**SHOWN.to_details(), "hash": NAMED.hash}
FORGED_KEY = {"hash": NAMED.hash, "public_key": generate_host_key("forged"), "type": "ssh-rsa", "name": "x"}
CERTIFICATE_TEST = {
    "title": "Validate Certificate",
    "status": "FAILED",
    "message": "No trust anchors for this connection",
    "details": [FORGED_CERTIFICATE],
}
KEY_TEST = {
    "title": "SSH Tunnel Connection",
    "status": "FAILED",
    "message": "The ssh key might have changed",
    "details": FORGED_KEY,
}


@pytest.mark.parametrize("scripted", [CERTIFICATE_TEST, KEY_TEST], ids=["certificate", "host key"])
@pytest.mark.parametrize("path", ["/setup-tests", "/reset"], ids=["control", "seed"])
def test_a_scripted_test_shows_a_forged_server(scripted: dict[str, Any], path: str) -> None:
    account = EmulatedAccount()
    script = {"group": "sales", "finally_always": [scripted]}
    control(account, "POST", path, script if path != "/reset" else {"version": 1, "setup_tests": [script]})
    group = account.create_group("sales")
    created = account.create_destination("postgres_warehouse", POSTGRES, group_id=group, run_setup_tests=True)
    tested = account.post(f"/v1/destinations/{group}/test")
    for answer in (created, tested):
        assert answer.data["setup_tests"] == [scripted]
        assert answer.data["setup_status"] == "incomplete"
    account.emulator.close()


def test_the_forged_certificate_has_the_hash_of_another() -> None:
    assert (
        read_certificate(FORGED_CERTIFICATE["encoded_cert"]).hash == SHOWN.hash != FORGED_CERTIFICATE["hash"]
    )


def test_an_approval_takes_the_hash_of_the_client_and_does_not_end_the_script() -> None:
    account = EmulatedAccount()
    control(account, "POST", "/setup-tests", {"finally_always": [CERTIFICATE_TEST]})
    group = account.must_create("postgres_warehouse", POSTGRES)
    body = {name: FORGED_CERTIFICATE[name] for name in ("hash", "encoded_cert")}
    approved = account.post(f"/v1/destinations/{group}/certificates", body).data
    assert (approved["hash"], approved["sha256"]) == (NAMED.hash, SHOWN.sha256)
    assert account.post(f"/v1/destinations/{group}/test").data["setup_tests"] == [CERTIFICATE_TEST]
    account.emulator.close()
