"""Build entry views from specs and live values."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any

from reconciler.catalogue.load import load_destination_facts, load_service
from reconciler.catalogue.normalize import MASKED, normalize_destination
from reconciler.kinds.destination import SERVICE, read_service
from reconciler.kinds.visibility import Masking
from reconciler.model.address import DESTINATION
from reconciler.model.resource import Desired, Observed, Trust
from reconciler.model.source import Span
from reconciler.model.trust import ServerKind
from reconciler.model.value import ExternalKey, Fields, Reference, Structure, format_path
from reconciler.policy.base import EntryView

_NO_VALUES: Fields = {}
_REFERENCE_TYPES = (Reference, Structure)
_NO_SPAN = Span("", 0, 0, 0, 0)


def build_entry(
    group: Desired,
    destination: Desired | None,
    protected: Collection[str] = (),
    resolved: Fields = _NO_VALUES,
) -> EntryView:
    """Build the view of an entry.

    `protected` are globs of keys. `resolved` has the clear values of references that are no secrets.
    """
    declared: dict[str, Any] = {"name": group.name}
    spans: dict[str, Span] = {"key": group.span, **_collect_spans(group)}
    if group.id is not None:
        declared["id"] = group.id
    if destination is None:
        return EntryView(group.address.key, group.span, False, MappingProxyType(declared), spans)
    resolved_here = {path: value for path, value in resolved.items() if path in destination.fields}
    fields = {**destination.fields, **resolved_here}
    values = normalize_destination(_find_service(fields), fields)
    unknown = {
        path
        for path, value in values.items()
        if isinstance(value, _REFERENCE_TYPES) and not value.confidential
    }
    declared |= {
        format_path(path): _render_value(value) for path, value in values.items() if path not in unknown
    }
    declared |= _list_options(destination, protected)
    return EntryView(
        group.address.key,
        group.span,
        True,
        MappingProxyType(declared),
        {**spans, DESTINATION: destination.span, **_collect_spans(destination)},
        unknown=frozenset(map(format_path, unknown)),
        confidential=frozenset(format_path(path) for path, value in values.items() if _is_reference(value)),
        hidden=_find_hidden_fields(destination, values),
    )


def removed_entry(key: str) -> EntryView:
    """Build the view of an entry that was removed from the specs: only its key is known."""
    return EntryView(key, _NO_SPAN, False, {}, exists=True, is_removed=True)


def after(
    entry: EntryView, destination: Desired | None, observed: Observed | None, *, is_replaced: bool = False
) -> EntryView:
    """Complete an entry with its live values, or with defaults if its destination is new or `is_replaced`."""
    if destination is None:
        return entry
    live_before = {} if observed is None else _read_live_values(observed)
    # A declared value that is never sent says nothing about the live value, so rules judge the live value.
    unsent = {format_path(path) for path in destination.ignore_changes} & (
        entry.declared.keys() | entry.unknown
    )
    if observed is None or is_replaced:
        live, unsent = _list_defaults(), set()
    else:
        live = live_before
    return replace(
        entry,
        declared=MappingProxyType({**entry.declared, **{path: live.get(path) for path in unsent}}),
        live=MappingProxyType(live),
        before=MappingProxyType(live_before),
        unknown=entry.unknown - unsent,
        confidential=entry.confidential - unsent,
        hidden=entry.hidden | (frozenset() if observed is None else _find_hidden_live_fields(observed)),
        exists=observed is not None,
    )


def before(entry: EntryView) -> EntryView:
    """Rebuild an entry as it is before the apply: live values in place of declared values."""
    return replace(
        entry,
        declared=MappingProxyType({**entry.declared, **entry.before}),
        unknown=entry.unknown - entry.before.keys(),
        confidential=entry.confidential - entry.before.keys(),
    )


def _list_defaults() -> dict[str, Any]:
    facts = load_destination_facts().fields.values()
    return {field.name: field.default for field in facts if field.default is not None}


def _read_live_values(observed: Observed) -> dict[str, Any]:
    """Read the live values in normal form. Masked values are left out."""
    values = normalize_destination(_find_service(observed.fields), observed.fields)
    return {format_path(path): value for path, value in values.items() if value not in (None, MASKED)}


def _find_hidden_fields(destination: Desired, values: Fields) -> frozenset[str]:
    """Find the fields whose values a finding must not show. A secret is shown as its reference."""
    masking = Masking(DESTINATION, values.get(SERVICE), destination.unchecked)
    literals = (path for path, value in values.items() if not _is_reference(value))
    return frozenset(map(format_path, masking.list_hidden(literals)))


def _find_hidden_live_fields(observed: Observed) -> frozenset[str]:
    masking = Masking(DESTINATION, observed.fields.get(SERVICE))
    return frozenset(map(format_path, masking.list_hidden(observed.fields)))


def _find_service(fields: Fields) -> Any:
    service = read_service(fields)
    return load_service(service) if service is not None else None


def _is_reference(value: Any) -> bool:
    return isinstance(value, ExternalKey) or (isinstance(value, _REFERENCE_TYPES) and value.confidential)


def _render_value(value: Any) -> Any:
    """Render a value, or the reference of a secret."""
    if isinstance(value, _REFERENCE_TYPES):
        return str(value)
    if isinstance(value, ExternalKey):
        return f"esm:{value.name}"
    return value


def _list_options(destination: Desired, protected: Collection[str]) -> dict[str, Any]:
    key = destination.address.key
    return {
        **{f"trust.{kind.plural}": _describe_trust(destination.trust, kind) for kind in ServerKind},
        "trust.exclusive": destination.trust.exclusive,
        "setup_tests.run": destination.setup_tests.run,
        "setup_tests.on_failure": str(destination.setup_tests.on_failure),
        "lifecycle.protected": destination.protected
        or any(fnmatchcase(key, pattern) for pattern in protected),
        "lifecycle.allow_replace": destination.allow_replace,
        "lifecycle.with_platform_connection": destination.with_platform_connection,
    }


def _describe_trust(trust: Trust, kind: ServerKind) -> str:
    """Describe the trust in one kind of servers by a word: policies judge the form of a pin, not each pin."""
    if trust.trusts_any(kind):
        return "any"
    return "pins" if trust.list_pins(kind) else "none"


def _collect_spans(desired: Desired) -> dict[str, Span]:
    return {format_path(path): span for path, span in desired.spans.items()}
