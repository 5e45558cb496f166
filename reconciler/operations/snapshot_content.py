"""Describe an account as a seed of the emulator, without a value that may be a secret."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reconciler.api.responses import AccountObject, Connection, Destination
from reconciler.catalogue.secret_detection import detect_secret
from reconciler.kinds.account_objects import HYBRID_AGENTS, LINKS, MANAGERS, PROXY_AGENTS
from reconciler.kinds.snapshot_values import STARS, HoldsSecret, describe_destination
from reconciler.model.redaction import Redactor
from reconciler.model.value import walk
from reconciler.operations.account_reads import AccountObjects
from reconciler.operations.extra_lists import ExtraList

_LINK_STATES = frozenset({"CREATING", "UPDATING", "DESTROYING", "OK", "FAIL"})
_DEPLOYMENT_TYPES = frozenset({"DOCKER", "PODMAN", "KUBERNETES", "SNOWPARK"})
_SETUP_STATES = frozenset({"incomplete", "connected", "broken"})


@dataclass(frozen=True, slots=True)
class SnapshotContent:
    """Content of a snapshot: the seed, and the number of stars in it."""

    seed: Mapping[str, Any]
    stars: int


def describe_account(
    content: AccountObjects, extra_lists: Collection[ExtraList], taken_at: datetime, redactor: Redactor
) -> SnapshotContent:
    """Describe an account. Stars replace every value that may be a secret; `redactor` knows further secrets."""

    def holds_secret(value: Any) -> bool:
        return bool(redactor.redact_all(value) != value)

    account = content.account
    seed: dict[str, Any] = {
        "version": 1,
        "snapshot": {
            "taken_at": taken_at.isoformat(timespec="seconds"),
            **{str(extra): True for extra in ExtraList if extra in extra_lists},
            **({"unreadable": sorted(content.summaries)} if content.summaries else {}),
        },
        "account": {"id": account.account_id, "name": account.account_name},
        "groups": [_describe_group(content, id, holds_secret) for id in content.groups],
    }
    links = content.companions[LINKS]
    hybrid_agents = content.companions[HYBRID_AGENTS]
    proxy_agents = content.companions[PROXY_AGENTS]
    lists = {
        "private_links": [_describe_link(link) for link in links],
        "hybrid_agents": [_describe_hybrid_agent(agent, content.groups) for agent in hybrid_agents],
        "proxy_agents": [_describe_proxy_agent(agent) for agent in proxy_agents],
        "secrets_managers": [_describe_manager(manager) for manager in content.companions[MANAGERS]],
    }
    seed |= {name: items for name, items in lists.items() if items}
    redacted = redactor.redact_all(seed)
    return SnapshotContent(redacted, sum(value == STARS for value in walk(redacted)))


def _describe_group(content: AccountObjects, id: str, holds_secret: HoldsSecret) -> dict[str, Any]:
    group = content.groups[id]
    described: dict[str, Any] = {"id": id, "name": group.name or id}
    described |= {"created_at": group.created_at} if group.created_at else {}
    if id in content.destinations:
        described["destination"] = describe_destination(content.destinations[id], holds_secret)
    elif id in content.summaries:
        summary = Destination.model_validate(content.summaries[id].raw)
        described["destination"] = describe_destination(summary, holds_secret)
    lists = {
        "connections": [_describe_connection(each) for each in content.connections.get(id, ())],
        "certificates": [
            _select_texts(each.raw, "hash", "name", "sha1", "sha256", "public_key", "validated_date")
            for each in content.certificates.get(id, ())
        ],
        "fingerprints": [
            _select_texts(each.raw, "hash", "public_key", "validated_date")
            for each in content.fingerprints.get(id, ())
        ],
    }
    return described | {name: items for name, items in lists.items() if items}


def _describe_connection(connection: Connection) -> dict[str, Any]:
    """Describe a connection of a list, which has no config."""
    raw = connection.model_extra or {}
    status = raw.get("status")
    state = status.get("setup_state") if isinstance(status, Mapping) else None
    return {
        "id": connection.id,
        "service": connection.service or "unknown",
        "schema": connection.schema_name or connection.id,
        "setup_state": state if state in _SETUP_STATES else "incomplete",
        **({"paused": True} if raw.get("paused") is True else {}),
        **_select_texts(raw, "created_at"),
    }


def _describe_link(link: AccountObject) -> dict[str, Any]:
    """Describe a private link. The catalogue knows no field of its config, so each value is stars."""
    raw = link.raw
    state = raw.get("state")
    return {
        "id": link.id,
        "name": _get_text(raw, "name") or link.id,
        "region": _get_text(raw, "region") or "unknown",
        "service": _get_text(raw, "service") or "unknown",
        **({"state": state} if state in _LINK_STATES else {}),
        **_hide_config(raw),
        **_select_texts(raw, "created_at"),
    }


def _describe_manager(manager: AccountObject) -> dict[str, Any]:
    """Describe the connection to a secrets manager. Each value of its config may be a credential, so it is stars."""
    raw = manager.raw
    return {
        "id": manager.id,
        "type": _get_text(raw, "type") or "unknown",
        "name": _get_text(raw, "name") or manager.id,
        **_hide_config(raw),
        **({"is_hybrid_deployment": True} if raw.get("is_hybrid_deployment") is True else {}),
        **_select_texts(raw, "created_at", "updated_at"),
    }


def _hide_config(raw: Mapping[str, Any]) -> dict[str, Any]:
    config = raw.get("config")
    return {"config": dict.fromkeys(config, STARS)} if isinstance(config, Mapping) and config else {}


def _describe_hybrid_agent(agent: AccountObject, groups: Mapping[str, Any]) -> dict[str, Any]:
    raw = agent.raw
    group_id, kind = raw.get("group_id"), raw.get("deployment_type")
    return {
        **_describe_agent(agent, is_online=raw.get("online") is True),
        **({"group_id": group_id} if group_id in groups else {}),
        **({"deployment_type": kind} if kind in _DEPLOYMENT_TYPES else {}),
    }


def _describe_proxy_agent(agent: AccountObject) -> dict[str, Any]:
    is_online = agent.raw.get("status") == "CONNECTED"
    return {**_describe_agent(agent, is_online=is_online), **_select_texts(agent.raw, "region")}


def _describe_agent(agent: AccountObject, *, is_online: bool) -> dict[str, Any]:
    """Describe an agent. An agent without a version has never been online."""
    was_online = is_online or bool(agent.raw.get("version"))
    return {
        "id": agent.id,
        "display_name": _get_text(agent.raw, "display_name") or agent.id,
        **_select_texts(agent.raw, "registered_at"),
        **({"online": is_online} if was_online else {}),
    }


def _select_texts(raw: Mapping[str, Any], *names: str) -> dict[str, str]:
    return {name: text for name in names if (text := _get_text(raw, name))}


def _get_text(raw: Mapping[str, Any], name: str) -> str:
    """Get a text; empty if there is none. Stars replace a text that has the form of a secret."""
    value = raw.get(name)
    if not isinstance(value, str):
        return ""
    return STARS if name in _FREE_TEXTS and detect_secret(value) is not None else value


_FREE_TEXTS = frozenset({"name", "display_name"})
