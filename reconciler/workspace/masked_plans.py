"""Mask plans that an earlier release saved with clear values that must be hidden today."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.catalogue.normalize import CONFIG
from reconciler.kinds.destination import SERVICE
from reconciler.kinds.visibility import Sensitivity, visibility
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.plan import Change, FieldChange, FieldValue, Plan, Visibility
from reconciler.model.policy import PolicyResult
from reconciler.model.value import MASKED_IN_OUTPUT, FieldPath, walk

Services = Mapping[Address, object]
"""Services of destinations from other sources: a plan may lack them."""

_MIN_LENGTH = 5  # characters; shorter values occur in ordinary words


@dataclass(slots=True)
class _Masker:
    """Masker of one change. It collects the hidden values and their paths."""

    kind: str
    service_before: object
    service_after: object
    hidden_values: list[Any] = field(default_factory=list)
    hidden_paths: list[FieldPath] = field(default_factory=list)

    def mask_change(self, planned_field: FieldChange) -> FieldChange:
        """Mask a planned field if its values must be hidden."""
        is_hidden = self._is_hidden(self.service_after, planned_field) or (
            planned_field.before is not None and self._is_hidden(self.service_before, planned_field)
        )
        if not is_hidden:
            return planned_field
        self._collect(planned_field, planned_field.before, planned_field.after)
        hidden = self._mask(planned_field.path)
        return replace(planned_field, before=None, after=hidden.value, shown=hidden.shown)

    def mask_value(self, field_value: FieldValue) -> FieldValue:
        """Mask a field that stays, or that was applied, if its value must be hidden."""
        if not self._is_hidden(self.service_after, field_value) or (
            field_value.value is None and field_value.shown is Visibility.CLEAR
        ):
            return field_value
        self._collect(field_value, field_value.value)
        return self._mask(field_value.path)

    def mask_live_value(self, field_value: FieldValue) -> FieldValue:
        """Mask a live value of an object that is replaced, if it must be hidden."""
        if not self._is_hidden(self.service_before, field_value):
            return field_value
        self._collect(field_value, field_value.value)
        return self._mask(field_value.path)

    def _is_hidden(self, service: object, item: FieldChange | FieldValue) -> bool:
        """Return whether a field must be hidden.

        A field that an earlier release hid without a reason is masked again, to keep hidden fields and
        secrets apart. Only fields of the config were ever sent unchecked.
        """
        if item.path[:1] != (CONFIG,):
            return False
        match item.shown:
            case Visibility.CLEAR:
                return visibility(self.kind, service, item.path) is not Sensitivity.PUBLIC
            case Visibility.SECRET:
                is_named = (item.after if isinstance(item, FieldChange) else item.value) is not None
                return not is_named and visibility(self.kind, service, item.path) is not Sensitivity.SENSITIVE
        return False

    def _mask(self, path: FieldPath) -> FieldValue:
        reason = visibility(self.kind, self.service_after, path, (path,)).reason
        return FieldValue(path, reason, Visibility.HIDDEN if reason else Visibility.SECRET)

    def _collect(self, item: FieldChange | FieldValue, *values: Any) -> None:
        if item.shown is Visibility.CLEAR:
            self.hidden_values += values
            self.hidden_paths.append(item.path)


@dataclass(frozen=True, slots=True)
class MaskedPlan:
    """A plan that may be shown. `masked_fields` are the fields that held clear values."""

    plan: Plan
    masked_fields: Mapping[Address, tuple[FieldPath, ...]]


def mask_plan(plan: Plan, services: Services) -> MaskedPlan:
    """Mask the hidden values of a plan. A plan of this release stays unchanged."""
    changes: list[Change] = []
    masked_fields: dict[Address, tuple[FieldPath, ...]] = {}
    hidden_values: list[Any] = []
    for change in plan.changes:
        masker = _Masker(change.address.kind, *_find_services(change, services))
        changes.append(
            replace(
                change,
                fields=tuple(map(masker.mask_change, change.fields)),
                other_values=tuple(map(masker.mask_value, change.other_values)),
                applied=tuple(map(masker.mask_value, change.applied)),
                lost=tuple(map(masker.mask_live_value, change.lost)),
            )
        )
        hidden_values += masker.hidden_values
        if masker.hidden_paths:
            masked_fields[change.address] = tuple(dict.fromkeys(masker.hidden_paths))
    spellings = _list_spellings(hidden_values)
    masked = replace(plan, changes=tuple(changes))
    return MaskedPlan(_remove_texts(masked, spellings) if spellings else masked, masked_fields)


def _find_services(change: Change, services: Services) -> tuple[object, object]:
    """Find the service of a destination before and after a change."""
    for field_change in change.fields:
        if field_change.path == SERVICE and field_change.shown is Visibility.CLEAR:
            return field_change.before or field_change.after, field_change.after
    for value in (*change.other_values, *change.applied):
        if value.path == SERVICE and value.shown is Visibility.CLEAR:
            return value.value, value.value
    known = services.get(change.address)
    return known, known


def _list_spellings(values: Iterable[Any]) -> tuple[str, ...]:
    """List the spellings of values in findings, the longest first."""
    spellings = {
        text
        for value in values
        for part in walk(value)
        if part is not None
        for text in (_spell(part), str(part))
    }
    return tuple(sorted(spellings, key=len, reverse=True))


def _spell(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_spell, value))}]"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _remove_texts(plan: Plan, spellings: Collection[str]) -> Plan:
    def clean(text: str) -> str:
        for spelling in spellings:
            text = text.replace(f"`{spelling}`", f"`{MASKED_IN_OUTPUT}`")
            text = text.replace(spelling, MASKED_IN_OUTPUT) if len(spelling) >= _MIN_LENGTH else text
        return text

    return replace(
        plan,
        warnings=_clean_diagnostics(plan.warnings, clean),
        ignored=tuple(
            replace(each, warning=warning)
            for each in plan.ignored
            for warning in _clean_diagnostics([each.warning], clean)
        ),
        blockers=_clean_diagnostics(plan.blockers, clean),
        judgements=tuple(_clean_result(judgement, clean) for judgement in plan.judgements),
    )


def _clean_result(judgement: PolicyResult, clean: Callable[[str], str]) -> PolicyResult:
    findings, older = (
        _clean_diagnostics(judgement.findings, clean),
        _clean_diagnostics(judgement.older, clean),
    )
    return replace(judgement, findings=findings, older=older)


def _clean_diagnostics(
    diagnostics: Iterable[Diagnostic], clean: Callable[[str], str]
) -> tuple[Diagnostic, ...]:
    return tuple(
        replace(
            diagnostic,
            message=clean(diagnostic.message),
            label=clean(diagnostic.label),
            notes=tuple(map(clean, diagnostic.notes)),
            help=clean(diagnostic.help),
        )
        for diagnostic in diagnostics
    )
