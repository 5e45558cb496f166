"""Objects of an account that destinations refer to: private links, agents, and connections to secrets managers.

A spec refers to such an object by its id, or by its name under a key of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.api.client import Client
from reconciler.api.responses import AccountObject
from reconciler.model.value import FieldPath

LINKS, HYBRID_AGENTS, PROXY_AGENTS, MANAGERS = (
    "private links",
    "hybrid agents",
    "proxy agents",
    "secrets managers",
)


@dataclass(frozen=True, slots=True)
class ObjectField:
    """Field of a destination that refers to an object of the list `source` by its id.

    `name_key` is the key of a spec that has the name of the object instead; empty for a deprecated field.
    `describe_fault` describes why the object cannot be used; empty if it can. `is_fatal` says that it never becomes
    usable by itself.
    """

    path: FieldPath
    name_key: str
    noun: str
    source: str
    list_objects: Callable[[Client], Sequence[AccountObject]]
    describe_fault: Callable[[Any], str] = lambda item: ""
    is_fatal: Callable[[Any], bool] = lambda item: False


def _describe_link(link: Any) -> str:
    return "" if link.state in {"", "OK"} else f"is in state `{link.state}`"


def _describe_hybrid_agent(agent: Any) -> str:
    return "is offline" if agent.online is False else ""


def _describe_proxy_agent(agent: Any) -> str:
    return "is not connected" if agent.status == "NOT_CONNECTED" else ""


_HYBRID = ("hybrid deployment agent", HYBRID_AGENTS, Client.list_hybrid_agents, _describe_hybrid_agent)
OBJECT_FIELDS = (
    ObjectField(
        ("private_link_id",),
        "private_link",
        "private link",
        LINKS,
        Client.list_private_links,
        _describe_link,
        lambda link: link.state in {"FAIL", "DESTROYING"},
    ),
    ObjectField(("hybrid_deployment_agent_id",), "hybrid_deployment_agent", *_HYBRID),
    ObjectField(("local_processing_agent_id",), "", *_HYBRID),
    ObjectField(
        ("proxy_agent_id",),
        "proxy_agent",
        "proxy agent",
        PROXY_AGENTS,
        Client.list_proxy_agents,
        _describe_proxy_agent,
    ),
    ObjectField(
        ("external_secrets_manager_id",),
        "external_secrets_manager",
        "secrets manager",
        MANAGERS,
        Client.list_secrets_managers,
    ),
)
FIELDS_BY_NAME_KEY: Mapping[str, ObjectField] = {
    field.name_key: field for field in OBJECT_FIELDS if field.name_key
}
OBJECT_LISTS: Mapping[str, Callable[[Client], Sequence[AccountObject]]] = {
    field.source: field.list_objects for field in OBJECT_FIELDS
}


def get_object_name(item: Any) -> str:
    """Return the name of an object: agents have a display name."""
    name = getattr(item, "name", "") or getattr(item, "display_name", "")
    return str(name)
