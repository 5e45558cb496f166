"""Entries of the specs as rules see them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from typing import Any

from reconciler.catalogue.canonical import MASKED, canonical_destination
from reconciler.catalogue.load import destination_facts, load_service
from reconciler.kinds.destination import SERVICE
from reconciler.model.address import DESTINATION
from reconciler.model.resource import Desired, Observed
from reconciler.model.source import Span
from reconciler.model.value import ExternalKey, FieldPath, Reference, dotted
from reconciler.policy.base import Entry
from reconciler.policy.builtin import KEY
from reconciler.policy.rules import known_fields

_NOTHING: Mapping[FieldPath, Any] = {}
_NOWHERE = Span("", 0, 0, 0, 0)


def entry_of(
    group: Desired,
    destination: Desired | None,
    protected: Collection[str] = (),
    resolved: Mapping[FieldPath, Any] = _NOTHING,
) -> Entry:
    """One entry. `protected` are globs of keys; `resolved` are values in clear of references that are no secrets."""
    declared: dict[str, Any] = {"name": group.name}
    spans: dict[str, Span] = {"key": group.span, **_spans(group)}
    if group.id is not None:
        declared["id"] = group.id
    if destination is None:
        return Entry(group.address.key, group.span, False, declared, spans)
    fields = {
        **destination.fields,
        **{path: value for path, value in resolved.items() if path in destination.fields},
    }
    values = canonical_destination(_service_of(fields), fields)
    undecided = {
        path for path, value in values.items() if isinstance(value, Reference) and not value.confidential
    }
    hidden = {path: _told(value) for path, value in values.items() if path not in undecided}
    declared |= {dotted(path): value for path, value in hidden.items() if value is not None}
    declared |= _options(destination, protected)
    return Entry(
        group.address.key,
        group.span,
        True,
        declared,
        {**spans, DESTINATION: destination.span, **_spans(destination)},
        undecided=frozenset(map(dotted, undecided)),
        confidential=frozenset(dotted(path) for path, value in values.items() if _is_reference(value)),
    )


def gone(key: str) -> Entry:
    """An entry that the specs do not declare any more: nothing but its key is known."""
    return Entry(key, _NOWHERE, False, {}, undecided=frozenset(known_fields()) - {KEY})


def live_fields(entry: Entry, observed: Observed | None) -> dict[str, Any]:
    """What is at Fivetran, or will be there by default, of the fields that the specs leave alone."""
    if not entry.has_destination:
        return {}
    if observed is None:
        facts = destination_facts().fields.values()
        return {field.name: field.default for field in facts if field.default is not None}
    values = canonical_destination(_service_of(observed.fields), observed.fields)
    return {dotted(path): value for path, value in values.items() if value not in (None, MASKED)}


def _service_of(fields: Mapping[FieldPath, Any]) -> Any:
    service = fields.get(SERVICE)
    return load_service(service) if isinstance(service, str) else None


def _is_reference(value: Any) -> bool:
    return isinstance(value, ExternalKey) or (isinstance(value, Reference) and value.confidential)


def _told(value: Any) -> Any:
    """A value, or where a secret comes from."""
    if isinstance(value, Reference):
        return str(value)
    if isinstance(value, ExternalKey):
        return f"esm:{value.name}"
    return value


def _options(destination: Desired, protected: Collection[str]) -> dict[str, Any]:
    key = destination.address.key
    return {
        "trust.certificates": "any" if destination.trust.certificates else "none",
        "trust.fingerprints": "any" if destination.trust.fingerprints else "none",
        "setup_tests.run": destination.setup_tests.run,
        "setup_tests.on_failure": str(destination.setup_tests.on_failure),
        "lifecycle.protected": destination.protected or any(fnmatchcase(key, each) for each in protected),
        "lifecycle.allow_replace": destination.allow_replace,
    }


def _spans(desired: Desired) -> dict[str, Span]:
    return {dotted(path): span for path, span in desired.spans.items()}
