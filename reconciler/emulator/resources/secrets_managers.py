"""Handle `/v1/external-secrets-managers`: secret stores of the customer, from which Fivetran fetches credentials.

Errors of this resource have their own codes.
"""

from __future__ import annotations

from typing import Any

from reconciler.emulator.account import Account
from reconciler.emulator.api_request import ApiRequest
from reconciler.emulator.envelope import ErrorReply, Reply, error_reply
from reconciler.emulator.masking import mask_secrets
from reconciler.emulator.paging import list_page
from reconciler.emulator.references import get_usage
from reconciler.emulator.request_parsing import parse_flag, parse_text
from reconciler.emulator.routes import Route
from reconciler.emulator.store import Kind

REFERENCE = "external_secrets_manager_id"

_TYPES = frozenset({"AWS_SECRET_MANAGER", "AZURE_KEY_VAULT", "HASHICORP_VAULT"})


def list_all(account: Account, request: ApiRequest) -> Reply:
    """List all managers."""
    managers, next_cursor = list_page(account, request, Kind.SECRETS_MANAGER)
    data = {"items": [_render_manager(manager) for manager in managers], **next_cursor}
    return Reply(200, "Operation performed successfully", data)


def create(account: Account, request: ApiRequest) -> Reply:
    """Create a manager of a supported type."""
    kind, name = _require_text(request, "type"), _require_text(request, "name")
    if kind not in _TYPES:
        raise _build_bad_request("ESM type is not supported.")
    hybrid = parse_flag(request.body, "is_hybrid_deployment", False)
    manager = add(account, kind, name, _parse_config(request), hybrid)
    message, code = "External Secrets Manager has been created", account.behaviour.created_code
    return Reply(201, message, _render_manager(manager), code)


def show(account: Account, request: ApiRequest) -> Reply:
    """Show a manager, its own secrets masked."""
    return Reply(200, "Operation performed successfully", _render_manager(require(account, request.id)))


def update(account: Account, request: ApiRequest) -> Reply:
    """Merge the request into the config of a manager."""
    manager = require(account, request.id)
    manager |= {"config": {**manager["config"], **_parse_config(request)}, "updated_at": account.now()}
    account.store.replace(Kind.SECRETS_MANAGER, request.id, manager)
    account.record_effect("updated", Kind.SECRETS_MANAGER, request.id)
    return Reply(200, "Resource updated successfully", _render_manager(manager))


def delete(account: Account, request: ApiRequest) -> Reply:
    """Delete a manager without users. Raises a 400, not a 409."""
    require(account, request.id)
    usage = get_usage(account, REFERENCE, request.id)
    if usage.list_items():
        raise _build_bad_request(
            f"Failed to delete External Secrets Manager with '{request.id}' id, because it is used by "
            f"{len(usage.connections)} connection(s) and {len(usage.destinations)} destination(s)."
        )
    account.delete(Kind.SECRETS_MANAGER, request.id)
    return Reply(200, f"External Secrets Manager '{request.id}' has been deleted.")


def require(account: Account, identifier: str) -> dict[str, Any]:
    """Get an existing manager. Raises a 404 with the general code."""
    manager = account.store.find(Kind.SECRETS_MANAGER, identifier)
    if manager is None:
        message = f"External Secrets Manager with '{identifier}' id is not found."
        raise error_reply(404, "NotFound", message)
    return manager


def add(
    account: Account,
    kind: str,
    name: str,
    config: dict[str, Any],
    hybrid: bool,
    *,
    identifier: str | None = None,
    created_at: str | None = None,
    updated_at: str | None = None,
) -> dict[str, Any]:
    """Add a manager to the account. Without `created_at` it is created now, and without `updated_at` it was never
    updated."""
    identifier = identifier or account.new_id(Kind.SECRETS_MANAGER)
    created_at = created_at or account.now()
    manager = {
        "id": identifier,
        "type": kind,
        "name": name,
        "config": config,
        "is_hybrid_deployment": hybrid,
        "created_at": created_at,
        "updated_at": updated_at or created_at,
    }
    account.store.add(Kind.SECRETS_MANAGER, identifier, manager)
    account.record_effect("created", Kind.SECRETS_MANAGER, identifier)
    return manager


def _render_manager(manager: dict[str, Any]) -> dict[str, Any]:
    return {**manager, "config": mask_secrets(manager["config"])}


def _require_text(request: ApiRequest, name: str) -> str:
    value = parse_text(request.body, name)
    if not value:
        raise _build_bad_request(f"ESM {name} is required.")
    return value


def _parse_config(request: ApiRequest) -> dict[str, Any]:
    config = request.body.get("config")
    if config is None:
        raise _build_bad_request("ESM config is required.")
    if not isinstance(config, dict):
        raise _build_bad_request("ESM config is invalid.")
    return config


def _build_bad_request(message: str) -> ErrorReply:
    return error_reply(400, "BadRequest", message)


ROUTES = (
    Route("GET", "/v1/external-secrets-managers", list_all),
    Route("POST", "/v1/external-secrets-managers", create),
    Route("GET", "/v1/external-secrets-managers/<id>", show),
    Route("PATCH", "/v1/external-secrets-managers/<id>", update),
    Route("DELETE", "/v1/external-secrets-managers/<id>", delete),
)
