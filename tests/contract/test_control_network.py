"""Check control of the network: certificates and host keys that Fivetran does not trust, and their approvals."""

from __future__ import annotations

from base64 import b64decode
from textwrap import wrap
from typing import Any

import pytest
from control_requests import control, send_control
from emulated_account import POSTGRES, SNOWFLAKE, EmulatedAccount

from reconciler.emulator.key_material import generate_chain, generate_host_key, read_certificate

SERVER, ISSUER = generate_chain("a server")
HOST_KEY = generate_host_key("a host")
TUNNEL = {**POSTGRES, "connection_type": "SshTunnel", "tunnel_host": "bastion", "tunnel_user": "fivetran"}


def make_pem(*chain: str) -> str:
    return "".join(
        "\n".join(["-----BEGIN CERTIFICATE-----", *wrap(each, 64), "-----END CERTIFICATE-----", ""])
        for each in chain
    )


def present(account: EmulatedAccount, **settings: Any) -> Any:
    return control(account, "POST", "/network", settings)


def create(account: EmulatedAccount, name: str = "sales", config: Any = None) -> str:
    """Create a tested destination. Returns its id."""
    group = account.create_group(name)
    body = {"group_id": group, "run_setup_tests": True}
    assert account.create_destination("postgres_warehouse", config or POSTGRES, **body).status == 201
    return group


def run_tests(account: EmulatedAccount, identifier: str) -> dict[str, Any]:
    """Run the setup tests. Returns the results by title."""
    tests = account.post(f"/v1/destinations/{identifier}/test").data["setup_tests"]
    return {test["title"]: test for test in tests}


def get_status(account: EmulatedAccount, identifier: str) -> Any:
    return account.get(f"/v1/destinations/{identifier}").data["setup_status"]


def list_waiting(account: EmulatedAccount, query: str = "") -> list[str]:
    listed = control(account, "GET", f"/approvals{query}")["approvals"]
    return [waiting["hash"] for entry in listed for waiting in entry["waiting"]]


def test_a_certificate_is_presented_to_a_group_before_it_exists(account: EmulatedAccount) -> None:
    answer = present(account, group="sales", certificate="generated")
    assert answer["selected_destinations"] == []
    other, sales = create(account, "other"), create(account, "sales")
    assert (get_status(account, other), get_status(account, sales)) == ("connected", "incomplete")
    details = run_tests(account, sales)["Validate Certificate"]["details"]
    assert [certificate["hash"] for certificate in details] == list_waiting(account)
    assert len(details) == 2


def test_a_certificate_is_presented_to_one_destination_or_to_all(account: EmulatedAccount) -> None:
    one, other = create(account, "one"), create(account, "other")
    assert present(account, destination=one, certificate="generated")["selected_destinations"] == [one]
    assert "Validate Certificate" in run_tests(account, one)
    assert "Validate Certificate" not in run_tests(account, other)
    everywhere = present(account, group="*", certificate="generated")
    assert everywhere["selected_destinations"] == [one, other]
    assert "Validate Certificate" in run_tests(account, other)
    present(account, destination=one, certificate="trusted")
    assert "Validate Certificate" not in run_tests(account, one)


def test_a_generated_certificate_stays_until_it_is_rotated(account: EmulatedAccount) -> None:
    identifier = create(account)

    def list_hashes(word: str) -> list[str]:
        present(account, group="sales", certificate=word)
        return list_waiting(account)

    first = list_hashes("generated")
    assert list_hashes("generated") == first
    rotated = list_hashes("rotated")
    assert rotated != first
    assert list_hashes("trusted") == []
    assert run_tests(account, identifier)["Host Connection"]["status"] == "PASSED"
    assert list_hashes("generated") == rotated


@pytest.mark.parametrize(
    ("given", "chain"),
    [
        (make_pem(SERVER), [SERVER]),
        (make_pem(SERVER, ISSUER), [SERVER, ISSUER]),
        (SERVER, [SERVER]),
        ([SERVER, make_pem(ISSUER)], [SERVER, ISSUER]),
    ],
    ids=["PEM", "chain in PEM", "base64", "list"],
)
def test_own_certificates_are_presented(account: EmulatedAccount, given: Any, chain: list[str]) -> None:
    identifier = create(account)
    present(account, group="sales", certificate=given)
    details = run_tests(account, identifier)["Validate Certificate"]["details"]
    assert [each["encoded_cert"] for each in details] == chain
    assert list_waiting(account) == [read_certificate(each).hash for each in chain]


def test_an_own_host_key_is_presented(account: EmulatedAccount) -> None:
    identifier = create(account, "sales", TUNNEL)
    present(account, group="sales", host_key=f"{HOST_KEY}\n")
    details = run_tests(account, identifier)["SSH Tunnel Connection"]["details"]
    assert details["public_key"] == HOST_KEY
    assert details["type"] == "ssh-rsa"
    assert list_waiting(account) == [details["hash"]]
    present(account, group="sales", host_key="rotated")
    assert list_waiting(account) != [details["hash"]]
    present(account, group="sales", host_key="trusted")
    assert list_waiting(account) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"certificate": "genrated"}, "did you mean `generated`?"),
        ({"certificate": "Zm9v"}, "the text is no certificate"),
        ({"certificate": []}, "write `generated`, `rotated`, `trusted`, or a text in PEM form"),
        ({"certificate": {"a": 1}}, "must be a text"),
        (
            {"certificate": "-----BEGIN RSA PRIVATE KEY-----\ncanary-7\n-----END RSA PRIVATE KEY-----"},
            "private key",
        ),
        ({"host_key": "ssh-rsa nonsense"}, "the text is no public key of SSH"),
        ({"host_key": HOST_KEY.replace("ssh-rsa", "ssh-dss")}, "the text is no public key of SSH"),
        ({"host_key": f"{HOST_KEY}\n{HOST_KEY}"}, "the text is no public key of SSH"),
        ({"host_key": 3}, "or a line of `authorized_keys`"),
        ({"setup_test_seconds": -1}, "`setup_test_seconds` is wrong"),
        ({"group": "sales", "destination": "decent_dropsy"}, "exclude each other"),
        (
            {"destination": "decent_drop"},
            "there is no destination `decent_drop`; did you mean `decent_dropsy`?",
        ),
        ({"destination": "xyz"}, "there is no destination `xyz`; known are `decent_dropsy`"),
    ],
)
def test_wrong_settings_are_refused_with_advice(
    account: EmulatedAccount, settings: dict[str, Any], message: str
) -> None:
    account.dashboard.add_group("sales", "decent_dropsy")
    account.dashboard.add_destination("decent_dropsy", "snowflake")
    status, document = send_control(account, "POST", "/network", settings)
    assert status in (400, 404)
    assert message in document["error"]
    assert "canary" not in document["error"]
    assert control(account, "GET", "/network") == {"network": []}


def test_cleared_facts_uncover_more_general_facts(account: EmulatedAccount) -> None:
    create(account)
    present(account, certificate="generated")
    general = list_waiting(account)
    present(account, group="sales", certificate="generated")
    assert list_waiting(account) != general
    control(account, "DELETE", "/network?group=sales")
    assert list_waiting(account) == general
    assert control(account, "DELETE", "/network") == {"network": []}
    assert list_waiting(account) == []


def test_the_network_is_listed_by_hashes_and_names(account: EmulatedAccount) -> None:
    listed = present(account, group="sales", certificate=SERVER, host_key=HOST_KEY, setup_test_seconds=2)
    certificate = read_certificate(SERVER)
    assert listed["network"][0]["certificate"] == [{"hash": certificate.hash, "name": certificate.name}]
    assert listed["network"][0]["host_key"]["public_key"] == HOST_KEY
    assert listed["network"][0]["setup_test_seconds"] == 2.0


def test_an_approval_of_the_server_is_enough_until_it_is_rotated(account: EmulatedAccount) -> None:
    present(account, group="sales", certificate="generated", host_key="generated")
    identifier = create(account, "sales", TUNNEL)
    (entry,) = control(account, "POST", "/approvals", {"group": "sales"})["approvals"]
    assert entry["waiting"] == []
    assert [approval["kind"] for approval in entry["approved"]] == ["certificate", "fingerprint"]
    assert len(account.get(f"/v1/destinations/{identifier}/certificates").data["items"]) == 1
    assert len(account.get(f"/v1/destinations/{identifier}/fingerprints").data["items"]) == 1
    run_tests(account, identifier)
    assert get_status(account, identifier) == "connected"
    present(account, group="sales", certificate="rotated")
    assert run_tests(account, identifier)["Validate Certificate"]["status"] == "FAILED"
    assert get_status(account, identifier) == "broken"


def test_one_certificate_is_approved_and_revoked_by_its_hash(account: EmulatedAccount) -> None:
    present(account, certificate=make_pem(SERVER, ISSUER))
    one, other = create(account, "one"), create(account, "other")
    issuer = read_certificate(ISSUER).hash
    control(account, "POST", "/approvals", {"group": "one", "hash": issuer})
    assert list_waiting(account, "?group=one") == []
    assert len(list_waiting(account, f"?destination={other}")) == 2
    assert b64decode(account.get(f"/v1/destinations/{one}/certificates").data["items"][0]["hash"])
    status, document = send_control(account, "POST", "/approvals", {"group": "one", "hash": issuer})
    assert (status, document["error"]) == (
        404,
        f"there is no waiting hash `{issuer}`; there is none yet",
    )
    assert send_control(account, "DELETE", "/approvals?hash=xyz")[0] == 404
    control(account, "DELETE", "/approvals?group=one")
    assert len(list_waiting(account, "?group=one")) == 2


def test_approvals_of_a_wrong_group_name_the_groups(account: EmulatedAccount) -> None:
    create(account, "sales")
    account.create_group("bare")
    for method, path, body in (
        ("POST", "/approvals", {"group": "sale"}),
        ("GET", "/approvals?group=sale", None),
        ("DELETE", "/approvals?group=sale", None),
    ):
        status, document = send_control(account, method, path, body)
        assert (status, document["error"]) == (404, "there is no group `sale`; did you mean `sales`?")
    status, document = send_control(account, "POST", "/approvals", {"group": "bare"})
    assert (status, document["error"]) == (404, "the group `bare` has no destination")


def test_a_host_key_waits_only_behind_a_tunnel(account: EmulatedAccount) -> None:
    present(account, host_key="generated")
    account.must_create("snowflake", SNOWFLAKE)
    assert list_waiting(account) == []
    create(account, "tunnelled", TUNNEL)
    assert len(list_waiting(account)) == 1


def test_a_dashboard_approval_stays_valid_for_the_api(account: EmulatedAccount) -> None:
    present(account, group="sales", certificate=SERVER)
    identifier = create(account)
    control(account, "POST", "/approvals")
    (approval,) = account.get(f"/v1/destinations/{identifier}/certificates").data["items"]
    owner = account.get("/v1/users").data["items"][0]
    assert approval["validated_by"] == f"{owner['given_name']} {owner['family_name']}"
    assert account.delete(f"/v1/destinations/{identifier}/certificates/{approval['hash']}").status == 200
    assert list_waiting(account) == [approval["hash"]]
