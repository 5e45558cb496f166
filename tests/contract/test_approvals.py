"""Certificates and fingerprints of destinations: list, read, approve, revoke."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from emulated_account import POSTGRES, EmulatedAccount

from reconciler.emulator.key_material import generate_chain, generate_host_key, read_certificate

Make = Callable[..., EmulatedAccount]
CERTIFICATE = generate_chain("orders")[0]
HOST_KEY = generate_host_key("orders").public_key
AWKWARD = "/a+b//c+/d=/"  # base64 has slashes and plus signs; here they are everywhere


@dataclass(frozen=True)
class Sort:
    """One of the two things that can be approved."""

    plural: str
    entity: str
    field: str
    value: str
    approved: str
    revoked: str

    def body(self, given_hash: str = AWKWARD) -> dict[str, Any]:
        return {"hash": given_hash, self.field: self.value}


CERTIFICATES = Sort(
    plural="certificates",
    entity="Certificate",
    field="encoded_cert",
    value=CERTIFICATE,
    approved="The certificate has been approved.",
    revoked="Certificate '{hash}' has been revoked for destination '{id}'",
)
FINGERPRINTS = Sort(
    plural="fingerprints",
    entity="Fingerprint",
    field="public_key",
    value=HOST_KEY,
    approved="The fingerprint has been approved.",
    revoked="Fingerprint with hash = '{hash}' has been revoked for destination id = '{id}'",
)
both = pytest.mark.parametrize("sort", [CERTIFICATES, FINGERPRINTS], ids=lambda sort: sort.plural)


def _path(account: EmulatedAccount, sort: Sort) -> str:
    return f"/v1/destinations/{account.must_create('postgres_warehouse', POSTGRES)}/{sort.plural}"


def _hashes(account: EmulatedAccount, path: str) -> list[str]:
    return [item["hash"] for item in account.get(path).data["items"]]


@both
def test_an_approval_shows_in_the_list_and_by_itself(account: EmulatedAccount, sort: Sort) -> None:
    path = _path(account, sort)
    assert account.get(path).data == {"items": []}
    answer = account.post(path, sort.body())
    assert (answer.status, answer.json["code"], answer.json["message"]) == (201, "Success", sort.approved)
    assert answer.data["id"] == urlsafe_b64encode(AWKWARD.encode()).decode().rstrip("=")
    assert answer.data["hash"] == AWKWARD
    assert answer.data["validated_date"].endswith("Z")
    listed = account.get(path)
    assert listed.json["message"] == f"Destination {sort.plural} retrieved successfully"
    assert listed.data["items"] == [answer.data]
    shown = account.get(f"{path}/{answer.data['id']}")
    assert shown.data == answer.data
    assert shown.json["message"].startswith(f"Destination {sort.entity.lower()} details")


def test_a_certificate_is_told_by_its_content(account: EmulatedAccount) -> None:
    data = account.post(_path(account, CERTIFICATES), CERTIFICATES.body()).data
    known = read_certificate(CERTIFICATE)
    assert list(data) == [
        "id",
        "name",
        "hash",
        "type",
        "sha1",
        "sha256",
        "public_key",
        "validated_date",
        "validated_by",
    ]
    assert (data["name"], data["type"]) == (known.name, "TLS")
    assert (data["sha1"], data["sha256"], data["public_key"]) == (known.sha1, known.sha256, known.public_key)


def test_a_fingerprint_has_the_key_as_it_was_given(account: EmulatedAccount) -> None:
    data = account.post(_path(account, FINGERPRINTS), FINGERPRINTS.body()).data
    assert list(data) == ["id", "hash", "public_key", "validated_date", "validated_by"]
    assert data["public_key"] == HOST_KEY


@both
def test_nothing_that_is_given_is_checked(account: EmulatedAccount, sort: Sort) -> None:
    path = f"/v1/destinations/{account.must_create('snowflake', {})}/{sort.plural}"
    assert account.post(path, {"hash": "h", sort.field: "nonsense"}).status == 201


@both
@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("given_hash", [AWKWARD, "r+u4QL4MGvZe/w==", "plain", "über", "a?b#c%2F"])
def test_a_hash_is_found_raw_and_by_its_id(
    account: EmulatedAccount, sort: Sort, method: str, given_hash: str
) -> None:
    path = _path(account, sort)
    identifier = account.post(path, sort.body(given_hash)).data["id"]
    for name in (quote(given_hash, safe=""), identifier, identifier + "=="):
        assert account.send(method, f"{path}/{name}").status == 200, name
        account.post(path, sort.body(given_hash))


@both
def test_a_revoked_hash_is_gone(account: EmulatedAccount, sort: Sort) -> None:
    path = _path(account, sort)
    for given_hash in ("one", AWKWARD):
        account.post(path, sort.body(given_hash))
    answer = account.delete(f"{path}/{quote(AWKWARD, safe='')}")
    message = sort.revoked.format(hash=AWKWARD, id=path.split("/")[3])
    assert (answer.status, answer.json) == (200, {"code": "Success", "message": message})
    assert _hashes(account, path) == ["one"]
    assert account.delete(f"{path}/{quote(AWKWARD, safe='')}").error == (404, f"NotFound_{sort.entity}")


@both
def test_what_is_missing_is_not_found(account: EmulatedAccount, sort: Sort) -> None:
    path = _path(account, sort)
    assert account.get(f"{path}/none").error == (404, f"NotFound_{sort.entity}")
    lost = f"/v1/destinations/no_such/{sort.plural}"
    for answer in (account.get(lost), account.post(lost, sort.body()), account.get(f"{lost}/h")):
        assert answer.error == (404, "NotFound_Destination")


@both
@pytest.mark.parametrize("field", ["hash", "value"])
def test_both_fields_are_required(account: EmulatedAccount, sort: Sort, field: str) -> None:
    name = sort.field if field == "value" else "hash"
    answer = account.post(_path(account, sort), {**sort.body(), name: None})
    assert answer.error == (400, "InvalidInput")
    assert answer.json["message"] == f"Field '{name}' is required"


@both
def test_approvals_come_in_pages(account: EmulatedAccount, sort: Sort) -> None:
    path = _path(account, sort)
    for number in range(3):
        account.post(path, sort.body(f"h{number}"))
    first = account.get(f"{path}?limit=2").data
    assert [item["hash"] for item in first["items"]] == ["h0", "h1"]
    second = account.get(f"{path}?limit=2&cursor={first['next_cursor']}").data
    assert [item["hash"] for item in second["items"]] == ["h2"]


@both
def test_an_approval_holds_for_one_destination(account: EmulatedAccount, sort: Sort) -> None:
    account.post(_path(account, sort), sort.body())
    assert _hashes(account, _path(account, sort)) == []


@both
def test_a_deleted_destination_takes_its_approvals_along(account: EmulatedAccount, sort: Sort) -> None:
    path = _path(account, sort)
    account.post(path, sort.body())
    destination = path.rpartition("/")[0]
    account.delete(destination)
    assert account.get(path).error == (404, "NotFound_Destination")
    group = destination.rpartition("/")[2]
    account.post("/v1/destinations", {"group_id": group, "service": "snowflake", "time_zone_offset": "0"})
    assert _hashes(account, path) == []


@both
def test_a_deleted_group_takes_them_along_too(account_with: Make, sort: Sort) -> None:
    account = account_with(group_with_destination="deleted")
    path = _path(account, sort)
    account.post(path, sort.body())
    identifier = path.split("/")[3]
    account.delete(f"/v1/groups/{identifier}")
    account.dashboard.add_group("again", identifier)
    account.dashboard.add_destination(identifier, "snowflake")
    assert _hashes(account, path) == []


@both
@pytest.mark.parametrize(("switch", "status"), [("created", 201), ("ok", 200)])
def test_an_approval_may_be_answered_as_documented(
    account_with: Make, sort: Sort, switch: str, status: int
) -> None:
    account = account_with(approval_status=switch)
    assert account.post(_path(account, sort), sort.body()).status == status


@both
def test_whoever_approves_is_named_or_numbered(account_with: Make, sort: Sort) -> None:
    account = account_with(approver="name")
    owner = account.get("/v1/users").data["items"][0]
    data = account.post(_path(account, sort), sort.body()).data
    assert data["validated_by"] == f"{owner['given_name']} {owner['family_name']}"
    account = account_with(approver="user-id")
    data = account.post(_path(account, sort), sort.body()).data
    assert data["validated_by"] == account.dashboard.identity.user_id


@both
def test_approving_again_changes_nothing(account_with: Make, sort: Sort) -> None:
    account = account_with(repeated_approval="idempotent")
    path = _path(account, sort)
    first = account.post(path, sort.body())
    again = account.post(path, sort.body())
    assert (again.status, again.data) == (first.status, first.data)
    assert _hashes(account, path) == [AWKWARD]


@both
def test_approving_again_may_be_a_conflict(account_with: Make, sort: Sort) -> None:
    account = account_with(repeated_approval="conflict")
    path = _path(account, sort)
    account.post(path, sort.body())
    assert account.post(path, sort.body()).error == (409, "Conflict")
    assert _hashes(account, path) == [AWKWARD]


@both
def test_the_old_form_approves_without_data(account: EmulatedAccount, sort: Sort) -> None:
    path = _path(account, sort)
    body = {**sort.body(), "destination_id": path.split("/")[3]}
    answer = account.post(f"/v1/{sort.plural}", body)
    assert answer.status == 200
    assert "data" not in answer.json
    assert _hashes(account, path) == [AWKWARD]


@both
def test_the_old_form_also_takes_connections(account: EmulatedAccount, sort: Sort) -> None:
    connection = account.dashboard.add_connection(account.create_group(), "postgres", "crm")
    path = f"/v1/{sort.plural}"
    assert account.post(path, {**sort.body(), "connection_id": connection}).status == 200
    assert account.post(path, {**sort.body(), "connection_id": "no"}).error == (404, "NotFound_Connection")
    assert account.post(path, {**sort.body(), "destination_id": "no"}).error == (404, "NotFound_Destination")
    assert account.post(path, sort.body()).error == (400, "InvalidInput")


@both
def test_the_history_tells_approvals(account: EmulatedAccount, sort: Sort) -> None:
    path = _path(account, sort)
    account.post(path, sort.body("h"))
    account.delete(f"{path}/h")
    effects = [str(effect) for exchange in account.emulator.read_history() for effect in exchange.effects]
    key = f"{path.split('/')[3]}/h"
    assert effects[-2:] == [f"approved {sort.entity.lower()} {key}", f"revoked {sort.entity.lower()} {key}"]
