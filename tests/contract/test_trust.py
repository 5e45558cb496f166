"""Check setup tests against untrusted servers: certificates and SSH host keys."""

from __future__ import annotations

from typing import Any

import pytest
from emulated_account import POSTGRES, SNOWFLAKE, EmulatedAccount

from reconciler.emulator.key_material import read_certificate
from reconciler.emulator.setup_tests import SetupTest

TUNNEL = {"tunnel_host": "bastion.acme.example", "tunnel_port": 22, "tunnel_user": "fivetran"}


def _create_tunnelled(account: EmulatedAccount, **fields: Any) -> str:
    return account.must_create(
        "postgres_warehouse", {**POSTGRES, **TUNNEL, "connection_type": "SshTunnel"}, **fields
    )


def _run_tests(account: EmulatedAccount, identifier: str, **body: Any) -> Any:
    return account.post(f"/v1/destinations/{identifier}/test", body).data


def _list_titles(data: Any) -> dict[str, str]:
    return {test["title"]: test["status"] for test in data["setup_tests"]}


def _list_approved(account: EmulatedAccount, identifier: str, plural: str) -> list[str]:
    return [item["hash"] for item in account.get(f"/v1/destinations/{identifier}/{plural}").data["items"]]


def test_an_unknown_certificate_is_shown_as_a_chain(account: EmulatedAccount) -> None:
    identifier = account.must_create("postgres_warehouse", POSTGRES)
    hashes = account.dashboard.present_certificate(destination=identifier)
    data = _run_tests(account, identifier)
    test = data["setup_tests"][0]
    assert (test["title"], test["status"]) == ("Validate Certificate", "FAILED")
    assert test["message"] == "No trust anchors for this connection"
    assert [each["hash"] for each in test["details"]] == list(hashes)
    for each in test["details"]:
        assert list(each) == ["hash", "name", "public_key", "encoded_cert", "sha1", "sha256"]
        assert read_certificate(each["encoded_cert"]).to_details() == each
    assert data["setup_status"] == "incomplete"


def test_an_unknown_host_key_is_shown_as_one_object(account: EmulatedAccount) -> None:
    identifier = _create_tunnelled(account)
    presented = account.dashboard.present_host_key(destination=identifier)
    data = _run_tests(account, identifier)
    test = data["setup_tests"][0]
    assert (test["title"], test["status"]) == ("SSH Tunnel Connection", "FAILED")
    assert test["message"] == "The ssh key might have changed"
    assert list(test["details"]) == ["hash", "public_key", "type", "name"]
    assert (test["details"]["hash"], test["details"]["type"]) == (presented, "ssh-rsa")
    assert data["setup_status"] == "incomplete"


def test_tests_after_a_failed_check_are_skipped(account: EmulatedAccount) -> None:
    identifier = _create_tunnelled(account)
    account.dashboard.present_host_key(destination=identifier)
    account.dashboard.present_certificate(destination=identifier)
    statuses = list(_list_titles(_run_tests(account, identifier)).values())
    assert statuses[0] == "FAILED"
    assert set(statuses[1:]) == {"SKIPPED"}
    assert "Validate Certificate" not in _list_titles(_run_tests(account, identifier))


@pytest.mark.parametrize("position", [0, 1])
def test_any_certificate_of_the_chain_can_be_approved(account: EmulatedAccount, position: int) -> None:
    identifier = account.must_create("postgres_warehouse", POSTGRES)
    account.dashboard.present_certificate(destination=identifier)
    details = _run_tests(account, identifier)["setup_tests"][0]["details"][position]
    body = {"hash": details["hash"], "encoded_cert": details["encoded_cert"]}
    assert account.post(f"/v1/destinations/{identifier}/certificates", body).status == 201
    data = _run_tests(account, identifier)
    assert data["setup_status"] == "connected"
    assert _list_titles(data)["Validate Certificate"] == "PASSED"
    assert "details" not in data["setup_tests"][0]


def test_an_approved_host_key_passes(account: EmulatedAccount) -> None:
    identifier = _create_tunnelled(account)
    account.dashboard.present_host_key(destination=identifier)
    details = _run_tests(account, identifier)["setup_tests"][0]["details"]
    body = {"hash": details["hash"], "public_key": details["public_key"]}
    account.post(f"/v1/destinations/{identifier}/fingerprints", body)
    data = _run_tests(account, identifier)
    assert data["setup_status"] == "connected"
    assert _list_titles(data)["SSH Tunnel Connection"] == "PASSED"


def test_an_approval_of_another_hash_has_no_effect(account: EmulatedAccount) -> None:
    identifier = account.must_create("postgres_warehouse", POSTGRES)
    account.dashboard.present_certificate(destination=identifier)
    account.post(f"/v1/destinations/{identifier}/certificates", {"hash": "another", "encoded_cert": "x"})
    assert _list_titles(_run_tests(account, identifier))["Validate Certificate"] == "FAILED"


def test_a_revoked_certificate_breaks_the_destination(account: EmulatedAccount) -> None:
    identifier = account.must_create("postgres_warehouse", POSTGRES)
    account.dashboard.present_certificate(destination=identifier)
    assert _run_tests(account, identifier, trust_certificates=True)["setup_status"] == "connected"
    for approved in account.get(f"/v1/destinations/{identifier}/certificates").data["items"]:
        account.delete(f"/v1/destinations/{identifier}/certificates/{approved['id']}")
    assert _run_tests(account, identifier)["setup_status"] == "broken"


@pytest.mark.parametrize("flag", [True, "true"])
def test_a_trusting_test_run_approves_automatically(account: EmulatedAccount, flag: object) -> None:
    identifier = _create_tunnelled(account)
    key = account.dashboard.present_host_key(destination=identifier)
    chain = account.dashboard.present_certificate(destination=identifier)
    data = _run_tests(account, identifier, trust_certificates=flag, trust_fingerprints=flag)
    assert data["setup_status"] == "connected"
    assert not any("details" in test for test in data["setup_tests"])
    assert _list_approved(account, identifier, "fingerprints") == [key]
    assert _list_approved(account, identifier, "certificates") == list(chain)
    assert _run_tests(account, identifier)["setup_status"] == "connected"


def test_each_trust_flag_covers_one_kind(account: EmulatedAccount) -> None:
    identifier = _create_tunnelled(account)
    account.dashboard.present_host_key(destination=identifier)
    account.dashboard.present_certificate(destination=identifier)
    assert (
        _list_titles(_run_tests(account, identifier, trust_certificates=True))["SSH Tunnel Connection"]
        == "FAILED"
    )
    titles = _list_titles(_run_tests(account, identifier, trust_fingerprints=True))
    assert (titles["SSH Tunnel Connection"], titles["Validate Certificate"]) == ("PASSED", "FAILED")
    assert _list_approved(account, identifier, "certificates") == []


def test_a_repeated_trust_flag_causes_no_conflict() -> None:
    account = EmulatedAccount(repeated_approval="conflict")
    identifier = _create_tunnelled(account)
    account.dashboard.present_certificate(destination=identifier)
    account.dashboard.present_host_key(destination=identifier)
    for _ in range(2):
        answer = _run_tests(account, identifier, trust_certificates=True, trust_fingerprints=True)
        assert answer["setup_status"] == "connected"
    account.emulator.close()


def test_a_create_may_have_trust_flags(account: EmulatedAccount) -> None:
    account.dashboard.present_certificate(group_name="analytics")
    trusting = account.create_destination(
        "postgres_warehouse", POSTGRES, run_setup_tests=True, trust_certificates=True
    )
    assert trusting.data["setup_status"] == "connected"
    cautious = account.create_destination("postgres_warehouse", POSTGRES, run_setup_tests=True)
    assert (cautious.status, cautious.data["setup_status"]) == (201, "incomplete")


def test_trust_flags_without_tests_have_no_effect(account: EmulatedAccount) -> None:
    account.dashboard.present_certificate(group_name="analytics")
    identifier = account.must_create("postgres_warehouse", POSTGRES, trust_certificates=True)
    assert _list_approved(account, identifier, "certificates") == []
    path = f"/v1/destinations/{identifier}"
    account.patch(path, {"trust_certificates": True, "run_setup_tests": False})
    assert _list_approved(account, identifier, "certificates") == []
    assert account.patch(path, {"trust_certificates": True}).data["setup_status"] == "connected"
    assert len(_list_approved(account, identifier, "certificates")) == 2


def test_trust_flags_apply_to_one_run(account: EmulatedAccount) -> None:
    identifier = account.must_create("postgres_warehouse", POSTGRES)
    _run_tests(account, identifier, trust_certificates=True)
    assert not {"trust_certificates", "trust_fingerprints", "run_setup_tests"} & set(
        account.get(f"/v1/destinations/{identifier}").data
    )
    account.dashboard.present_certificate(destination=identifier)
    assert _run_tests(account, identifier)["setup_status"] == "broken"


def test_a_changed_host_key_breaks_the_destination(account: EmulatedAccount) -> None:
    identifier = _create_tunnelled(account)
    first = account.dashboard.present_host_key(destination=identifier)
    assert _run_tests(account, identifier, trust_fingerprints=True)["setup_status"] == "connected"
    second = account.dashboard.present_host_key(destination=identifier)
    assert first != second
    data = _run_tests(account, identifier)
    assert data["setup_status"] == "broken"
    assert data["setup_tests"][0]["details"]["hash"] == second


def test_a_host_key_is_presented_through_a_tunnel_only(account: EmulatedAccount) -> None:
    identifier = account.must_create("postgres_warehouse", POSTGRES)
    account.dashboard.present_host_key(destination=identifier)
    assert _run_tests(account, identifier)["setup_status"] == "connected"


def test_presented_certificates_and_keys_can_be_set(account: EmulatedAccount) -> None:
    identifier = _create_tunnelled(account)
    account.dashboard.present_host_key("ssh-ed25519 AAAA bastion", destination=identifier)
    details = _run_tests(account, identifier)["setup_tests"][0]["details"]
    assert (details["type"], details["name"]) == ("ssh-ed25519", "bastion")
    (shown,) = account.dashboard.present_certificate("TUlJRA==", destination=identifier)
    data = _run_tests(account, identifier, trust_fingerprints=True)
    assert [each["hash"] for each in data["setup_tests"][1]["details"]] == [shown]


def test_a_certificate_of_a_destination_precedes_the_general_certificate(account: EmulatedAccount) -> None:
    account.dashboard.present_certificate()
    one = account.must_create("postgres_warehouse", POSTGRES)
    other = account.must_create("snowflake", SNOWFLAKE)
    shown = account.dashboard.present_certificate(destination=one)
    assert _run_tests(account, one)["setup_tests"][0]["details"][0]["hash"] == shown[0]
    assert _run_tests(account, other)["setup_tests"][0]["details"][0]["hash"] != shown[0]


def test_a_script_starts_after_the_server_is_trusted(account: EmulatedAccount) -> None:
    identifier = account.must_create("postgres_warehouse", POSTGRES)
    account.dashboard.present_certificate(destination=identifier)
    account.dashboard.script_setup_tests([SetupTest("Permission Test", "FAILED")], destination=identifier)
    assert "Permission Test" in _list_titles(_run_tests(account, identifier))
    assert _list_titles(_run_tests(account, identifier, trust_certificates=True)) == {
        "Validate Certificate": "PASSED",
        "Permission Test": "FAILED",
    }
    assert _run_tests(account, identifier)["setup_status"] == "connected"


def test_the_approvals_of_a_run_are_in_the_history(account: EmulatedAccount) -> None:
    identifier = account.must_create("postgres_warehouse", POSTGRES)
    account.dashboard.present_certificate("TUlJRA==", destination=identifier)
    _run_tests(account, identifier, trust_certificates=True)
    verbs = [effect.verb for effect in account.emulator.read_history()[-1].effects]
    assert verbs == ["approved", "tested"]
