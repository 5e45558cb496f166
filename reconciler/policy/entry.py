"""Entries of the specs as rules see them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any

from reconciler.catalogue.canonical import MASKED, canonical_destination
from reconciler.catalogue.load import destination_facts, load_service
from reconciler.kinds.destination import SERVICE
from reconciler.kinds.visibility import Masking
from reconciler.model.address import DESTINATION
from reconciler.model.resource import Desired, Observed
from reconciler.model.source import Span
from reconciler.model.value import ExternalKey, FieldPath, Reference, Structure, dotted
from reconciler.policy.base import Entry

_NOTHING: Mapping[FieldPath, Any] = {}
_REFERRED = (Reference, Structure)
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
        return Entry(group.address.key, group.span, False, MappingProxyType(declared), spans)
    known = {path: value for path, value in resolved.items() if path in destination.fields}
    fields = {**destination.fields, **known}
    values = canonical_destination(_service_of(fields), fields)
    undecided = {
        path for path, value in values.items() if isinstance(value, _REFERRED) and not value.confidential
    }
    declared |= {dotted(path): _told(value) for path, value in values.items() if path not in undecided}
    declared |= _options(destination, protected)
    return Entry(
        group.address.key,
        group.span,
        True,
        MappingProxyType(declared),
        {**spans, DESTINATION: destination.span, **_spans(destination)},
        undecided=frozenset(map(dotted, undecided)),
        confidential=frozenset(dotted(path) for path, value in values.items() if _is_reference(value)),
        hidden=_hidden(destination, values),
    )


def gone(key: str) -> Entry:
    """An entry that the specs do not declare any more: nothing but its key is known."""
    return Entry(key, _NOWHERE, False, {}, exists=True, is_gone=True)


def as_planned(
    entry: Entry, destination: Desired | None, observed: Observed | None, *, made_again: bool = False
) -> Entry:
    """An entry with what is at Fivetran, or will be there by default, as of something new or `made_again`."""
    if destination is None:
        return entry
    before = {} if observed is None else _shown_by(observed)
    # What is declared and never sent says nothing about what is there.
    ignored = {dotted(path) for path in destination.ignored} & (entry.declared.keys() | entry.undecided)
    if observed is None or made_again:
        live, ignored = _by_default(), set()
    else:
        live = before
    return replace(
        entry,
        declared=MappingProxyType({**entry.declared, **{path: live.get(path) for path in ignored}}),
        live=MappingProxyType(live),
        before=MappingProxyType(before),
        undecided=entry.undecided - ignored,
        confidential=entry.confidential - ignored,
        hidden=entry.hidden | (frozenset() if observed is None else _hidden_live(observed)),
        exists=observed is not None,
    )


def as_it_is(entry: Entry) -> Entry:
    """An entry before the plan: with what is at Fivetran in place of what the specs want."""
    return replace(
        entry,
        declared=MappingProxyType({**entry.declared, **entry.before}),
        undecided=entry.undecided - entry.before.keys(),
        confidential=entry.confidential - entry.before.keys(),
    )


def _by_default() -> dict[str, Any]:
    facts = destination_facts().fields.values()
    return {field.name: field.default for field in facts if field.default is not None}


def _shown_by(observed: Observed) -> dict[str, Any]:
    """What Fivetran shows, in normal form. A mask shows nothing."""
    values = canonical_destination(_service_of(observed.fields), observed.fields)
    return {dotted(path): value for path, value in values.items() if value not in (None, MASKED)}


def _hidden(destination: Desired, values: Mapping[FieldPath, Any]) -> frozenset[str]:
    """Fields of which a finding must not show the value. A secret is told by its reference."""
    masking = Masking(DESTINATION, values.get(SERVICE), destination.unchecked)
    return frozenset(
        dotted(path) for path in values if masking.hides(path) and not _is_reference(values[path])
    )


def _hidden_live(observed: Observed) -> frozenset[str]:
    masking = Masking(DESTINATION, observed.fields.get(SERVICE))
    return frozenset(dotted(path) for path in observed.fields if masking.hides(path))


def _service_of(fields: Mapping[FieldPath, Any]) -> Any:
    service = fields.get(SERVICE)
    return load_service(service) if isinstance(service, str) else None


def _is_reference(value: Any) -> bool:
    return isinstance(value, ExternalKey) or (isinstance(value, _REFERRED) and value.confidential)


def _told(value: Any) -> Any:
    """A value, or where a secret comes from."""
    if isinstance(value, _REFERRED):
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
