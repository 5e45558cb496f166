"""Handle `/v1/private-links`: private links into a customer's cloud. Creation, update and removal take time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeAlias, get_args

from reconciler.catalogue.load import load_destination_facts
from reconciler.emulator.account import Account
from reconciler.emulator.api_request import ApiRequest
from reconciler.emulator.envelope import (
    Reply,
    error_reply,
    invalid_field,
    invalid_input,
    missing_field,
    not_found,
)
from reconciler.emulator.paging import list_page
from reconciler.emulator.private_link_work import PrivateLinkWork, find_work
from reconciler.emulator.request_parsing import require_text
from reconciler.emulator.response_bodies import build_link_host
from reconciler.emulator.routes import Route
from reconciler.emulator.store import Kind

_WORD = re.compile(r"[A-Za-z0-9_]{1,23}")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,22}")

LinkService: TypeAlias = Literal[
    "DATABRICKS_AWS",
    "SNOWFLAKE_AWS",
    "REDSHIFT_AWS",
    "SOURCE_AWS",
    "DATABRICKS_AZURE",
    "SNOWFLAKE_AZURE",
    "ONELAKE_AZURE",
    "POSTGRES_WAREHOUSE_AZURE",
    "SQL_DATA_WAREHOUSE_AZURE",
    "SOURCE_AZURE",
    "SNOWFLAKE_GCP",
    "SOURCE_GCP",
    "DATABRICKS_GCP",
]
LinkState: TypeAlias = Literal["CREATING", "UPDATING", "DESTROYING", "OK", "FAIL"]

_SERVICES = frozenset(get_args(LinkService))
_FINAL_STATES = frozenset({"OK", "FAIL"})
_SUMMARIES = {
    "CREATING": "The private link is being created",
    "UPDATING": "The private link is being updated",
    "DESTROYING": "The private link is being destroyed",
    "OK": "The private link is ready",
    "FAIL": "The private link could not be set up",
}


def list_all(account: Account, request: ApiRequest) -> Reply:
    """List all links."""
    _finish_due(account)
    links, next_cursor = list_page(account, request, Kind.PRIVATE_LINK)
    items = list(map(_render_link, links))
    return Reply(200, "Private links retrieved successfully", {"items": items, **next_cursor})


def create(account: Account, request: ApiRequest) -> Reply:
    """Create a link, which stays in creation for a while."""
    name = require_text(request.body, "name")
    region = require_text(request.body, "region")
    service = require_text(request.body, "service")
    pattern = _WORD if account.behaviour.private_link_names == "word" else _IDENTIFIER
    if not pattern.fullmatch(name):
        raise invalid_input(f"Private link name '{name}' is invalid")
    if region not in load_destination_facts().regions:
        raise invalid_field("region")
    if service not in _SERVICES:
        raise invalid_field("service")
    link = add(account, name, region, service, _parse_config(request) or {})
    return Reply(201, "Private link has been created", _render_link(link), account.behaviour.created_code)


def show(account: Account, request: ApiRequest) -> Reply:
    """Show a link."""
    link = require(account, request.id)
    return Reply(200, "Private link details retrieved successfully", _render_link(link))


def update(account: Account, request: ApiRequest) -> Reply:
    """Update the config of a link. Raises a 409 while Fivetran still works on the link."""
    link = require(account, request.id)
    config = _parse_config(request)
    if config is None:
        raise missing_field("config")
    if link["until"] is not None:
        raise error_reply(
            409, "IllegalState", f"Private link with id '{request.id}' is in state {link['state']}"
        )
    link |= {"config": {**link["config"], **config}, **_start_transition(account, link, "UPDATING")}
    account.store.replace(Kind.PRIVATE_LINK, request.id, link)
    account.record_effect("updated", Kind.PRIVATE_LINK, request.id)
    return Reply(200, "Private link has been updated", _render_link(link))


def delete(account: Account, request: ApiRequest) -> Reply:
    """Start the removal of a link in any state."""
    link = require(account, request.id)
    if link["state"] != "DESTROYING":
        link |= _start_transition(account, link, "DESTROYING")
        account.store.replace(Kind.PRIVATE_LINK, request.id, link)
        account.record_effect("deleted", Kind.PRIVATE_LINK, request.id)
    return Reply(200, f"Private link with id '{request.id}' is marked for deletion")


def require(account: Account, identifier: str) -> dict[str, Any]:
    """Get an existing link, which may be in removal. Raises a 404."""
    _finish_due(account)
    link = account.store.find(Kind.PRIVATE_LINK, identifier)
    if link is None:
        raise not_found("PrivateLink", identifier)
    return link


def add(
    account: Account,
    name: str,
    region: str,
    service: str,
    config: dict[str, Any],
    *,
    identifier: str | None = None,
    state: LinkState = "CREATING",
    created_at: str | None = None,
) -> dict[str, Any]:
    """Add a link to the account, in creation by default."""
    link: dict[str, Any] = {
        "id": identifier or account.new_id(Kind.PRIVATE_LINK),
        "name": name,
        "region": region,
        "service": service,
        "account_id": account.identity.account_id,
        "cloud_provider": service.rpartition("_")[2],
        "created_at": created_at or account.now(),
        "created_by": account.identity.user_id,
        "config": config,
    }
    is_final = state in _FINAL_STATES
    link |= {"state": state, "until": None} if is_final else _start_transition(account, link, state)
    account.store.add(Kind.PRIVATE_LINK, link["id"], link)
    account.record_effect("created", Kind.PRIVATE_LINK, link["id"])
    return link


def list_current(account: Account) -> list[dict[str, Any]]:
    """List all links in their present states, oldest first."""
    _finish_due(account)
    return account.store.list_documents(Kind.PRIVATE_LINK)


def finish(account: Account, identifier: str, state: str) -> None:
    """Finish the work of Fivetran on a link at once, in the given state."""
    link = require(account, identifier)
    account.store.replace(Kind.PRIVATE_LINK, identifier, {**link, "state": state, "until": None})


def reschedule(account: Account, work: PrivateLinkWork) -> list[str]:
    """Apply planned work to the current work on the links that it names. Returns their ids."""
    _finish_due(account)
    rescheduled = []
    for link in account.store.list_documents(Kind.PRIVATE_LINK):
        if link["until"] is not None and work.link in (None, link["id"], link["name"]):
            account.store.replace(
                Kind.PRIVATE_LINK, link["id"], {**link, **_start_transition(account, link, link["state"])}
            )
            rescheduled.append(link["id"])
    return rescheduled


def list_states(account: Account) -> Iterator[dict[str, Any]]:
    """List all links with their states."""
    _finish_due(account)
    for link in account.store.list_documents(Kind.PRIVATE_LINK):
        yield {name: link[name] for name in ("id", "name", "state")}


def _start_transition(account: Account, link: Mapping[str, Any], state: str) -> dict[str, Any]:
    work = find_work(account, link["id"], link["name"])
    seconds = account.behaviour.private_link_seconds if work.seconds is None else work.seconds
    return {"state": state, "until": account.now(after=seconds), "end": work.state}


def _finish_due(account: Account) -> None:
    """Finish the work on all due links."""
    now = account.now()
    # No thread watches the clock: states advance when a request reads them.
    for link in account.store.list_documents(Kind.PRIVATE_LINK):
        if link["until"] is None or link["until"] > now:
            continue
        end = link.get("end", "OK")
        if link["state"] == "DESTROYING" and end == "OK":
            account.store.remove(Kind.PRIVATE_LINK, link["id"])
        else:
            account.store.replace(Kind.PRIVATE_LINK, link["id"], {**link, "state": end, "until": None})


def _render_link(link: dict[str, Any]) -> dict[str, Any]:
    """Render a link. It has a host after its creation."""
    is_ready = link["state"] not in {"CREATING", "FAIL"}
    fields = {name: value for name, value in link.items() if name not in ("until", "end")}
    return {
        **fields,
        "host": build_link_host(link["id"]) if is_ready else None,
        "state_summary": _SUMMARIES[link["state"]],
        "resource_upstream_status": "IDLE" if link["state"] == "OK" else None,
    }


def _parse_config(request: ApiRequest) -> dict[str, Any] | None:
    config = request.body.get("config")
    if config is not None and not isinstance(config, dict):
        raise invalid_field("config")
    return config


ROUTES = (
    Route("GET", "/v1/private-links", list_all),
    Route("POST", "/v1/private-links", create),
    Route("GET", "/v1/private-links/<id>", show),
    Route("PATCH", "/v1/private-links/<id>", update),
    Route("DELETE", "/v1/private-links/<id>", delete),
)
