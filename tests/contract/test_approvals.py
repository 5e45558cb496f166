"""Check that certificates and fingerprints can be listed, read, approved and revoked."""

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
HOST_KEY = generate_host_key("orders")
SPECIAL_HASH = "/a+b//c+/d=/"  # has the special characters of base64 at every position


@dataclass(frozen=True)
class ApprovalKind:
    """Certificate or fingerprint: names and messages of the API."""

    plural: str
    entity: str
    field: str
    value: str
    approved: str
    revoked: str

    def build_body(self, given_hash: str = SPECIAL_HASH) -> dict[str, Any]:
        return {"hash": given_hash, self.field: self.value}


CERTIFICATES = ApprovalKind(
    plural="certificates",
    entity="Certificate",
    field="encoded_cert",
    value=CERTIFICATE,
    approved="The certificate has been approved.",
    revoked="Certificate '{hash}' has been revoked for destination '{id}'",
)
FINGERPRINTS = ApprovalKind(
    plural="fingerprints",
    entity="Fingerprint",
    field="public_key",
    value=HOST_KEY,
    approved="The fingerprint has been approved.",
    revoked="Fingerprint with hash = '{hash}' has been revoked for destination id = '{id}'",
)
both_kinds = pytest.mark.parametrize("kind", [CERTIFICATES, FINGERPRINTS], ids=lambda kind: kind.plural)


def _create_approvals_path(account: EmulatedAccount, kind: ApprovalKind) -> str:
    return f"/v1/destinations/{account.must_create('postgres_warehouse', POSTGRES)}/{kind.plural}"


def _list_hashes(account: EmulatedAccount, path: str) -> list[str]:
    return [item["hash"] for item in account.get(path).data["items"]]


@both_kinds
def test_an_approval_is_listed_and_readable(account: EmulatedAccount, kind: ApprovalKind) -> None:
    path = _create_approvals_path(account, kind)
    assert account.get(path).data == {"items": []}
    answer = account.post(path, kind.build_body())
    assert (answer.status, answer.json["code"], answer.json["message"]) == (201, "Success", kind.approved)
    assert answer.data["id"] == urlsafe_b64encode(SPECIAL_HASH.encode()).decode().rstrip("=")
    assert answer.data["hash"] == SPECIAL_HASH
    assert answer.data["validated_date"].endswith("Z")
    listed = account.get(path)
    assert listed.json["message"] == f"Destination {kind.plural} retrieved successfully"
    assert listed.data["items"] == [answer.data]
    shown = account.get(f"{path}/{answer.data['id']}")
    assert shown.data == answer.data
    assert shown.json["message"].startswith(f"Destination {kind.entity.lower()} details")


def test_an_approved_certificate_shows_its_parsed_content(account: EmulatedAccount) -> None:
    data = account.post(_create_approvals_path(account, CERTIFICATES), CERTIFICATES.build_body()).data
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


def test_an_approved_fingerprint_echoes_its_key(account: EmulatedAccount) -> None:
    data = account.post(_create_approvals_path(account, FINGERPRINTS), FINGERPRINTS.build_body()).data
    assert list(data) == ["id", "hash", "public_key", "validated_date", "validated_by"]
    assert data["public_key"] == HOST_KEY


@both_kinds
def test_an_approval_with_invalid_content_is_accepted(account: EmulatedAccount, kind: ApprovalKind) -> None:
    path = f"/v1/destinations/{account.must_create('snowflake', {})}/{kind.plural}"
    assert account.post(path, {"hash": "h", kind.field: "nonsense"}).status == 201


@both_kinds
@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("given_hash", [SPECIAL_HASH, "r+u4QL4MGvZe/w==", "plain", "über", "a?b#c%2F"])
def test_an_approval_is_found_by_hash_and_by_id(
    account: EmulatedAccount, kind: ApprovalKind, method: str, given_hash: str
) -> None:
    path = _create_approvals_path(account, kind)
    identifier = account.post(path, kind.build_body(given_hash)).data["id"]
    for name in (quote(given_hash, safe=""), identifier, identifier + "=="):
        assert account.send(method, f"{path}/{name}").status == 200, name
        account.post(path, kind.build_body(given_hash))


@both_kinds
def test_a_revoked_hash_is_deleted(account: EmulatedAccount, kind: ApprovalKind) -> None:
    path = _create_approvals_path(account, kind)
    for given_hash in ("one", SPECIAL_HASH):
        account.post(path, kind.build_body(given_hash))
    answer = account.delete(f"{path}/{quote(SPECIAL_HASH, safe='')}")
    message = kind.revoked.format(hash=SPECIAL_HASH, id=path.split("/")[3])
    assert (answer.status, answer.json) == (200, {"code": "Success", "message": message})
    assert _list_hashes(account, path) == ["one"]
    assert account.delete(f"{path}/{quote(SPECIAL_HASH, safe='')}").error == (404, f"NotFound_{kind.entity}")


@both_kinds
def test_a_missing_approval_or_destination_is_404(account: EmulatedAccount, kind: ApprovalKind) -> None:
    path = _create_approvals_path(account, kind)
    assert account.get(f"{path}/none").error == (404, f"NotFound_{kind.entity}")
    lost = f"/v1/destinations/no_such/{kind.plural}"
    for answer in (account.get(lost), account.post(lost, kind.build_body()), account.get(f"{lost}/h")):
        assert answer.error == (404, "NotFound_Destination")


@both_kinds
@pytest.mark.parametrize("field", ["hash", "value"])
def test_both_fields_are_required(account: EmulatedAccount, kind: ApprovalKind, field: str) -> None:
    name = kind.field if field == "value" else "hash"
    answer = account.post(_create_approvals_path(account, kind), {**kind.build_body(), name: None})
    assert answer.error == (400, "InvalidInput")
    assert answer.json["message"] == f"Field '{name}' is required"


@both_kinds
def test_approvals_are_paged(account: EmulatedAccount, kind: ApprovalKind) -> None:
    path = _create_approvals_path(account, kind)
    for number in range(3):
        account.post(path, kind.build_body(f"h{number}"))
    first = account.get(f"{path}?limit=2").data
    assert [item["hash"] for item in first["items"]] == ["h0", "h1"]
    second = account.get(f"{path}?limit=2&cursor={first['next_cursor']}").data
    assert [item["hash"] for item in second["items"]] == ["h2"]


@both_kinds
def test_an_approval_holds_for_one_destination(account: EmulatedAccount, kind: ApprovalKind) -> None:
    account.post(_create_approvals_path(account, kind), kind.build_body())
    assert _list_hashes(account, _create_approvals_path(account, kind)) == []


@both_kinds
def test_a_deleted_destination_loses_its_approvals(account: EmulatedAccount, kind: ApprovalKind) -> None:
    path = _create_approvals_path(account, kind)
    account.post(path, kind.build_body())
    destination = path.rpartition("/")[0]
    account.delete(destination)
    assert account.get(path).error == (404, "NotFound_Destination")
    group = destination.rpartition("/")[2]
    account.post("/v1/destinations", {"group_id": group, "service": "snowflake", "time_zone_offset": "0"})
    assert _list_hashes(account, path) == []


@both_kinds
def test_a_deleted_group_loses_its_approvals(account_with: Make, kind: ApprovalKind) -> None:
    account = account_with(group_with_destination="deleted")
    path = _create_approvals_path(account, kind)
    account.post(path, kind.build_body())
    identifier = path.split("/")[3]
    account.delete(f"/v1/groups/{identifier}")
    account.dashboard.add_group("again", identifier)
    account.dashboard.add_destination(identifier, "snowflake")
    assert _list_hashes(account, path) == []


@both_kinds
@pytest.mark.parametrize(("switch", "status"), [("created", 201), ("ok", 200)])
def test_an_approval_may_be_answered_200_or_201(
    account_with: Make, kind: ApprovalKind, switch: str, status: int
) -> None:
    account = account_with(approval_status=switch)
    assert account.post(_create_approvals_path(account, kind), kind.build_body()).status == status


@both_kinds
def test_the_approver_is_shown_by_name_or_by_id(account_with: Make, kind: ApprovalKind) -> None:
    account = account_with(approver="name")
    owner = account.get("/v1/users").data["items"][0]
    data = account.post(_create_approvals_path(account, kind), kind.build_body()).data
    assert data["validated_by"] == f"{owner['given_name']} {owner['family_name']}"
    account = account_with(approver="user-id")
    data = account.post(_create_approvals_path(account, kind), kind.build_body()).data
    assert data["validated_by"] == account.dashboard.identity.user_id


@both_kinds
def test_a_repeated_approval_changes_nothing(account_with: Make, kind: ApprovalKind) -> None:
    account = account_with(repeated_approval="idempotent")
    path = _create_approvals_path(account, kind)
    first = account.post(path, kind.build_body())
    again = account.post(path, kind.build_body())
    assert (again.status, again.data) == (first.status, first.data)
    assert _list_hashes(account, path) == [SPECIAL_HASH]


@both_kinds
def test_a_repeated_approval_may_be_a_conflict(account_with: Make, kind: ApprovalKind) -> None:
    account = account_with(repeated_approval="conflict")
    path = _create_approvals_path(account, kind)
    account.post(path, kind.build_body())
    assert account.post(path, kind.build_body()).error == (409, "Conflict")
    assert _list_hashes(account, path) == [SPECIAL_HASH]


@both_kinds
def test_the_deprecated_endpoint_answers_without_data(account: EmulatedAccount, kind: ApprovalKind) -> None:
    path = _create_approvals_path(account, kind)
    body = {**kind.build_body(), "destination_id": path.split("/")[3]}
    answer = account.post(f"/v1/{kind.plural}", body)
    assert answer.status == 200
    assert "data" not in answer.json
    assert _list_hashes(account, path) == [SPECIAL_HASH]


@both_kinds
def test_the_deprecated_endpoint_accepts_connections(account: EmulatedAccount, kind: ApprovalKind) -> None:
    connection = account.dashboard.add_connection(account.create_group(), "postgres", "crm")
    path = f"/v1/{kind.plural}"
    assert account.post(path, {**kind.build_body(), "connection_id": connection}).status == 200
    assert account.post(path, {**kind.build_body(), "connection_id": "no"}).error == (
        404,
        "NotFound_Connection",
    )
    assert account.post(path, {**kind.build_body(), "destination_id": "no"}).error == (
        404,
        "NotFound_Destination",
    )
    assert account.post(path, kind.build_body()).error == (400, "InvalidInput")


@both_kinds
def test_the_history_lists_approvals(account: EmulatedAccount, kind: ApprovalKind) -> None:
    path = _create_approvals_path(account, kind)
    account.post(path, kind.build_body("h"))
    account.delete(f"{path}/h")
    effects = [str(effect) for exchange in account.emulator.read_history() for effect in exchange.effects]
    key = f"{path.split('/')[3]}/h"
    assert effects[-2:] == [f"approved {kind.entity.lower()} {key}", f"revoked {kind.entity.lower()} {key}"]
