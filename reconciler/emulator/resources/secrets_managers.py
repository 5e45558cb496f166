"""`/v1/external-secrets-managers`: stores of the customer that Fivetran fetches credentials from.

Errors of this resource have codes of their own.
"""

from __future__ import annotations

from typing import Any

from reconciler.emulator.account import Account
from reconciler.emulator.call import Call
from reconciler.emulator.envelope import Refusal, Reply, refusal
from reconciler.emulator.intake import flag, text
from reconciler.emulator.masking import masked
from reconciler.emulator.paging import page
from reconciler.emulator.references import users_of
from reconciler.emulator.routes import Route
from reconciler.emulator.store import Kind

REFERENCE = "external_secrets_manager_id"

_TYPES = frozenset({"AWS_SECRET_MANAGER", "AZURE_KEY_VAULT", "HASHICORP_VAULT"})


def list_all(account: Account, call: Call) -> Reply:
    """All managers."""
    managers, onward = page(account, call, Kind.SECRETS_MANAGER)
    data = {"items": [_answer(manager) for manager in managers], **onward}
    return Reply(200, "Operation performed successfully", data)


def create(account: Account, call: Call) -> Reply:
    """A manager of one of three types."""
    kind, name = _required(call, "type"), _required(call, "name")
    if kind not in _TYPES:
        raise _bad_request("ESM type is not supported.")
    hybrid = flag(call.body, "is_hybrid_deployment", False)
    manager = add(account, kind, name, _config(call), hybrid)
    message, code = "External Secrets Manager has been created", account.behaviour.created_code
    return Reply(201, message, _answer(manager), code)


def show(account: Account, call: Call) -> Reply:
    """One manager, its own secrets masked."""
    return Reply(200, "Operation performed successfully", _answer(existing(account, call.id)))


def update(account: Account, call: Call) -> Reply:
    """Merge what is sent into the config."""
    manager = existing(account, call.id)
    manager |= {"config": {**manager["config"], **_config(call)}, "updated_at": account.now()}
    account.store.replace(Kind.SECRETS_MANAGER, call.id, manager)
    account.note("updated", Kind.SECRETS_MANAGER, call.id)
    return Reply(200, "Resource updated successfully", _answer(manager))


def delete(account: Account, call: Call) -> Reply:
    """Remove a manager that nobody uses. 400 and not 409 where somebody does."""
    existing(account, call.id)
    used_by = users_of(account, REFERENCE, call.id)
    if used_by.usage():
        raise _bad_request(
            f"Failed to delete External Secrets Manager with '{call.id}' id, because it is used by "
            f"{len(used_by.connections)} connection(s) and {len(used_by.destinations)} destination(s)."
        )
    account.forget(Kind.SECRETS_MANAGER, call.id)
    return Reply(200, f"External Secrets Manager '{call.id}' has been deleted.")


def existing(account: Account, identifier: str) -> dict[str, Any]:
    """A manager that must be there. 404 otherwise, without a code of its own."""
    manager = account.store.find(Kind.SECRETS_MANAGER, identifier)
    if manager is None:
        message = f"External Secrets Manager with '{identifier}' id is not found."
        raise refusal(404, "NotFound", message)
    return manager


def add(account: Account, kind: str, name: str, config: dict[str, Any], hybrid: bool) -> dict[str, Any]:
    """Put a new manager into the account."""
    identifier = account.new_id(Kind.SECRETS_MANAGER)
    now = account.now()
    manager = {
        "id": identifier,
        "type": kind,
        "name": name,
        "config": config,
        "is_hybrid_deployment": hybrid,
        "created_at": now,
        "updated_at": now,
    }
    account.store.add(Kind.SECRETS_MANAGER, identifier, manager)
    account.note("created", Kind.SECRETS_MANAGER, identifier)
    return manager


def _answer(manager: dict[str, Any]) -> dict[str, Any]:
    return {**manager, "config": masked(manager["config"])}


def _required(call: Call, name: str) -> str:
    value = text(call.body, name)
    if not value:
        raise _bad_request(f"ESM {name} is required.")
    return value


def _config(call: Call) -> dict[str, Any]:
    config = call.body.get("config")
    if config is None:
        raise _bad_request("ESM config is required.")
    if not isinstance(config, dict):
        raise _bad_request("ESM config is invalid.")
    return config


def _bad_request(message: str) -> Refusal:
    return refusal(400, "BadRequest", message)


ROUTES = (
    Route("GET", "/v1/external-secrets-managers", list_all),
    Route("POST", "/v1/external-secrets-managers", create),
    Route("GET", "/v1/external-secrets-managers/<id>", show),
    Route("PATCH", "/v1/external-secrets-managers/<id>", update),
    Route("DELETE", "/v1/external-secrets-managers/<id>", delete),
)
