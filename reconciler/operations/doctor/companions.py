"""Check the links, agents and secrets managers that specs name: whether they exist, and are ready."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.resource import Desired
from reconciler.model.suggestions import did_you_mean
from reconciler.model.value import FieldPath, format_path
from reconciler.operations.doctor import reads
from reconciler.operations.doctor.reads import AccountLists
from reconciler.workspace.specs import Specs


@dataclass(frozen=True, slots=True)
class CompanionField:
    """Field of a destination that names an object of the list `source`.

    `describe_fault` describes why the object cannot be used; empty if it can. `is_fatal` says that it never becomes
    usable by itself.
    """

    path: FieldPath
    noun: str
    source: str
    describe_fault: Callable[[Any], str]
    is_fatal: Callable[[Any], bool] = lambda item: False


def _describe_link(link: Any) -> str:
    return "" if link.state in {"", "OK"} else f"is in state `{link.state}`"


def _describe_hybrid_agent(agent: Any) -> str:
    return "is offline" if agent.online is False else ""


def _describe_proxy_agent(agent: Any) -> str:
    return "is not connected" if agent.status == "NOT_CONNECTED" else ""


_HYBRID = ("hybrid deployment agent", reads.HYBRID_AGENTS, _describe_hybrid_agent)
FIELDS = (
    CompanionField(
        ("private_link_id",),
        "private link",
        reads.LINKS,
        _describe_link,
        lambda link: link.state in {"FAIL", "DESTROYING"},
    ),
    CompanionField(("hybrid_deployment_agent_id",), *_HYBRID),
    CompanionField(("local_processing_agent_id",), *_HYBRID),
    CompanionField(("proxy_agent_id",), "proxy agent", reads.PROXY_AGENTS, _describe_proxy_agent),
    CompanionField(("external_secrets_manager_id",), "secrets manager", reads.MANAGERS, lambda manager: ""),
)


@dataclass(frozen=True, slots=True)
class NamedCompanion:
    """Link, agent or secrets manager that a destination names by its id."""

    desired: Desired
    field: CompanionField
    id: str


def list_companions(specs: Specs) -> list[NamedCompanion]:
    """List the companions that the specs name in clear. The value of a reference is not looked up."""
    return [
        NamedCompanion(desired, field, value)
        for desired in specs.destinations
        for field in FIELDS
        if isinstance(value := desired.fields.get(field.path), str) and value
    ]


def check_companions(companions: Sequence[NamedCompanion], lists: AccountLists) -> Iterator[Diagnostic]:
    """Check the companions whose lists were read."""
    by_source: Mapping[str, Mapping[str, Any]] = {
        field.source: {item.id: item for item in lists.get_items(field.source)} for field in FIELDS
    }
    for companion in companions:
        items = by_source[companion.field.source]
        if not lists.has_read(companion.field.source):
            continue
        if companion.id not in items:
            yield _explain_absent(companion, items)
        elif fault := companion.field.describe_fault(items[companion.id]):
            yield _explain_not_ready(companion, items[companion.id], fault)


def _explain_absent(companion: NamedCompanion, items: Mapping[str, Any]) -> Diagnostic:
    named = [id for id, item in items.items() if companion.id in _list_names(item)]
    noun = companion.field.noun
    advice = f"write its id, `{named[0]}`" if named else did_you_mean(companion.id, items)
    return _locate(
        companion,
        "not-in-account",
        f"the {noun} `{companion.id}` does not exist in this account, or these credentials do not see it",
        Severity.ERROR,
        advice or f"make the {noun} in Fivetran first, or correct the id",
    )


def _list_names(item: Any) -> set[str]:
    return {getattr(item, "name", ""), getattr(item, "display_name", "")}


def _explain_not_ready(companion: NamedCompanion, item: Any, fault: str) -> Diagnostic:
    noun = companion.field.noun
    return _locate(
        companion,
        "not-ready",
        f"the {noun} `{companion.id}` {fault}",
        Severity.ERROR if companion.field.is_fatal(item) else Severity.WARNING,
        f"look at the {noun} in Fivetran: setup tests and syncs fail until it is ready",
    )


def _locate(
    companion: NamedCompanion, code: str, message: str, severity: Severity, advice: str
) -> Diagnostic:
    desired, path = companion.desired, companion.field.path
    return Diagnostic(
        code,
        message,
        span=desired.spans.get(path, desired.span),
        severity=severity,
        address=desired.address,
        notes=(f"`{format_path(path)}` of {desired.address} names it",),
        help=advice,
    )
