"""Check the links, agents and secrets managers that specs name: whether they exist, and are ready."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.kinds.account_objects import OBJECT_FIELDS, ObjectField, get_object_name
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.resource import Desired
from reconciler.model.suggestions import did_you_mean
from reconciler.model.value import format_path
from reconciler.operations.doctor.reads import AccountLists
from reconciler.planning.object_names import list_named_fields, resolve_object_names
from reconciler.workspace.specs import Specs


@dataclass(frozen=True, slots=True)
class NamedCompanion:
    """Link, agent or secrets manager that a destination names by its id."""

    desired: Desired
    field: ObjectField
    id: str


def list_companions(specs: Specs) -> list[NamedCompanion]:
    """List the companions that the specs name in clear. The value of a reference is not looked up."""
    return [
        NamedCompanion(desired, field, value)
        for desired in specs.destinations
        for field in OBJECT_FIELDS
        if isinstance(value := desired.fields.get(field.path), str) and value
    ]


def check_object_names(specs: Specs, lists: AccountLists) -> Iterator[Diagnostic]:
    """Check the names of companions whose lists were read."""
    entries = [
        desired
        for desired in specs.destinations
        if all(lists.has_read(field.source) for field in list_named_fields(desired))
    ]
    resolved = resolve_object_names(lambda field: lists.get_items(field.source), entries)
    yield from resolved.problems
    yield from resolved.warnings


def count_companions(specs: Specs) -> Counter[str]:
    """Count the companions that the specs refer to, by id or by name, by the list of the account that shows them."""
    named = (field for desired in specs.destinations for field in list_named_fields(desired))
    fields = (*named, *(companion.field for companion in list_companions(specs)))
    return Counter(field.source for field in fields)


def check_companions(companions: Sequence[NamedCompanion], lists: AccountLists) -> Iterator[Diagnostic]:
    """Check the companions whose lists were read."""
    by_source: Mapping[str, Mapping[str, Any]] = {
        field.source: {item.id: item for item in lists.get_items(field.source)} for field in OBJECT_FIELDS
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
    named = [id for id, item in items.items() if companion.id == get_object_name(item)]
    noun = companion.field.noun
    advice = f"write its id, `{named[0]}`" if named else did_you_mean(companion.id, items)
    return _locate(
        companion,
        "not-in-account",
        f"the {noun} `{companion.id}` does not exist in this account, or these credentials do not see it",
        Severity.ERROR,
        advice or f"make the {noun} in Fivetran first, or correct the id",
    )


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
