"""`/v1/private-links`: private ways into a customer's cloud. Making, changing and removing one takes time."""

from __future__ import annotations

import re
from typing import Any

from reconciler.catalogue.load import destination_facts
from reconciler.emulator.account import Account
from reconciler.emulator.answers import link_host
from reconciler.emulator.call import Call
from reconciler.emulator.envelope import Reply, invalid_input, not_found, refusal, required, unusable
from reconciler.emulator.intake import required_text
from reconciler.emulator.paging import page
from reconciler.emulator.routes import Route
from reconciler.emulator.store import Kind

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,22}")
_SERVICES = frozenset(
    {"DATABRICKS_AWS", "SNOWFLAKE_AWS", "REDSHIFT_AWS", "SOURCE_AWS"}
    | {"DATABRICKS_AZURE", "SNOWFLAKE_AZURE", "ONELAKE_AZURE", "POSTGRES_WAREHOUSE_AZURE"}
    | {"SQL_DATA_WAREHOUSE_AZURE", "SOURCE_AZURE"}
    | {"SNOWFLAKE_GCP", "SOURCE_GCP", "DATABRICKS_GCP"}
)
_SUMMARIES = {
    "CREATING": "The private link is being created",
    "UPDATING": "The private link is being updated",
    "DESTROYING": "The private link is being destroyed",
    "OK": "The private link is ready",
    "FAIL": "The private link could not be set up",
}


def list_all(account: Account, call: Call) -> Reply:
    """All links, without their config."""
    _settle(account)
    links, onward = page(account, call, Kind.PRIVATE_LINK)
    items = [{name: value for name, value in _answer(link).items() if name != "config"} for link in links]
    return Reply(200, "Private links retrieved successfully", {"items": items, **onward})


def create(account: Account, call: Call) -> Reply:
    """A link that is in creation for a while."""
    name = required_text(call.body, "name")
    region = required_text(call.body, "region")
    service = required_text(call.body, "service")
    if not _NAME.fullmatch(name):
        raise invalid_input(f"Private link name '{name}' is invalid")
    if region not in destination_facts().regions:
        raise unusable("region")
    if service not in _SERVICES:
        raise unusable("service")
    link = add(account, name, region, service, _config(call) or {})
    return Reply(201, "Private link has been created", _answer(link), account.behaviour.created_code)


def show(account: Account, call: Call) -> Reply:
    """One link."""
    link = existing(account, call.id)
    return Reply(200, "Private link details retrieved successfully", _answer(link))


def update(account: Account, call: Call) -> Reply:
    """Change the config of a link. 409 while Fivetran itself is still at work on it."""
    link = existing(account, call.id)
    config = _config(call)
    if config is None:
        raise required("config")
    if link["until"] is not None:
        raise refusal(409, "IllegalState", f"Private link with id '{call.id}' is in state {link['state']}")
    link |= {"config": {**link["config"], **config}, **_transition(account, "UPDATING")}
    account.store.replace(Kind.PRIVATE_LINK, call.id, link)
    account.note("updated", Kind.PRIVATE_LINK, call.id)
    return Reply(200, "Private link has been updated", _answer(link))


def delete(account: Account, call: Call) -> Reply:
    """Begin to remove a link, in whatever state it is."""
    link = existing(account, call.id)
    if link["state"] != "DESTROYING":
        link |= _transition(account, "DESTROYING")
        account.store.replace(Kind.PRIVATE_LINK, call.id, link)
        account.note("deleted", Kind.PRIVATE_LINK, call.id)
    return Reply(200, f"Private link with id '{call.id}' is marked for deletion")


def existing(account: Account, identifier: str) -> dict[str, Any]:
    """A link that must be there, 404 otherwise. One that is being removed is still there."""
    _settle(account)
    link = account.store.find(Kind.PRIVATE_LINK, identifier)
    if link is None:
        raise not_found("PrivateLink", identifier)
    return link


def add(account: Account, name: str, region: str, service: str, config: dict[str, Any]) -> dict[str, Any]:
    """Put a new link into the account, in creation."""
    identifier = account.new_id(Kind.PRIVATE_LINK)
    link: dict[str, Any] = {
        "id": identifier,
        "name": name,
        "region": region,
        "service": service,
        "account_id": account.identity.account_id,
        "cloud_provider": service.rpartition("_")[2],
        "created_at": account.now(),
        "created_by": account.identity.user_id,
        "config": config,
        **_transition(account, "CREATING"),
    }
    account.store.add(Kind.PRIVATE_LINK, identifier, link)
    account.note("created", Kind.PRIVATE_LINK, identifier)
    return link


def finish(account: Account, identifier: str, state: str) -> None:
    """End what Fivetran is doing with a link, at once and with the given outcome."""
    link = existing(account, identifier)
    account.store.replace(Kind.PRIVATE_LINK, identifier, {**link, "state": state, "until": None})


def _transition(account: Account, state: str) -> dict[str, Any]:
    return {"state": state, "until": account.now(after=account.behaviour.private_link_seconds)}


def _settle(account: Account) -> None:
    """Let the time that has passed take effect."""
    now = account.now()
    for link in account.store.listed(Kind.PRIVATE_LINK):
        if link["until"] is None or link["until"] > now:
            continue
        if link["state"] == "DESTROYING":
            account.store.remove(Kind.PRIVATE_LINK, link["id"])
        else:
            account.store.replace(Kind.PRIVATE_LINK, link["id"], {**link, "state": "OK", "until": None})


def _answer(link: dict[str, Any]) -> dict[str, Any]:
    """A link as it is shown: it has a host once it was made."""
    ready = link["state"] not in {"CREATING", "FAIL"}
    shown = {name: value for name, value in link.items() if name != "until"}
    return {
        **shown,
        "host": link_host(link["id"]) if ready else None,
        "state_summary": _SUMMARIES[link["state"]],
        "resource_upstream_status": "IDLE" if link["state"] == "OK" else None,
    }


def _config(call: Call) -> dict[str, Any] | None:
    config = call.body.get("config")
    if config is not None and not isinstance(config, dict):
        raise unusable("config")
    return config


ROUTES = (
    Route("GET", "/v1/private-links", list_all),
    Route("POST", "/v1/private-links", create),
    Route("GET", "/v1/private-links/<id>", show),
    Route("PATCH", "/v1/private-links/<id>", update),
    Route("DELETE", "/v1/private-links/<id>", delete),
)
