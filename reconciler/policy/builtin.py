"""The built-in rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from reconciler.model.plan import Action, Change
from reconciler.model.risk import INTERRUPTING_RISKS, FieldRisk
from reconciler.policy.base import EntryView, PlanView, Rule, Violation
from reconciler.policy.matching import (
    ANY_VALUE,
    AllowedValues,
    FieldCondition,
    evaluate,
    format_value,
    format_values,
    is_reference_pattern,
)

KEY, NAME = "key", "name"


class TrustTarget(StrEnum):
    """A kind of identity that Fivetran can trust blindly."""

    CERTIFICATES = "certificates"
    FINGERPRINTS = "fingerprints"


class CountedAction(StrEnum):
    """An action or a risk that limits count, by entry: a group and its destination count as one."""

    CREATES = "creates"
    UPDATES = "updates"
    REPLACES = "replaces"
    DELETES = "deletes"
    APPROVES = "approves"
    REVOKES = "revokes"
    INTERRUPTS = "interrupts"
    REGION = "region"
    NETWORKING = "networking"
    CREDENTIALS = "credentials"
    TARGET = "target"


def _changes_field(risk: FieldRisk) -> Callable[[Change], bool]:
    return lambda change: any(field.risk is risk for field in change.fields)


_COUNTS: Mapping[CountedAction, Callable[[Change], bool]] = {
    CountedAction.CREATES: lambda change: change.action is Action.CREATE,
    CountedAction.UPDATES: lambda change: change.action is Action.UPDATE,
    CountedAction.REPLACES: lambda change: change.action is Action.REPLACE,
    CountedAction.DELETES: lambda change: change.action is Action.DELETE,
    CountedAction.APPROVES: lambda change: bool(change.approvals),
    CountedAction.REVOKES: lambda change: bool(change.revocations),
    CountedAction.INTERRUPTS: lambda change: change.risk in INTERRUPTING_RISKS,
    CountedAction.REGION: _changes_field(FieldRisk.REGION),
    CountedAction.NETWORKING: _changes_field(FieldRisk.NETWORKING),
    CountedAction.CREDENTIALS: _changes_field(FieldRisk.CREDENTIALS),
    CountedAction.TARGET: _changes_field(FieldRisk.TARGET),
}


@dataclass(frozen=True, slots=True)
class AllowedField(Rule):
    """Rule: a field of every destination has one of these values.

    An undeclared field counts with its live value.
    """

    field: str
    values: AllowedValues

    def check_entry(self, entry: EntryView) -> Iterator[Violation]:
        if not entry.has_destination or entry.is_unknown(self.field) or entry.value(self.field) is None:
            return
        is_match = evaluate(entry, self.field, self.values, items=all)
        if is_match is not True:
            undeclared = (
                "" if entry.declared_value(self.field) is not None else ", which the spec does not declare,"
            )
            yield Violation(
                f"`{self.field}`{undeclared} {_describe_value(entry, self.field, is_match)};"
                f" allowed is {format_values(self.values)}",
                entry.get_address(self.field),
                self.field,
                help=f"choose {format_values(self.values)}",
            )


@dataclass(frozen=True, slots=True)
class NamePattern(Rule):
    """Rule: every key or name matches a pattern as a whole."""

    field: str
    pattern: re.Pattern[str]

    def check_entry(self, entry: EntryView) -> Iterator[Violation]:
        value = str(entry.value(self.field) or "")
        if self.pattern.fullmatch(value) is None:
            yield Violation(
                f"the {self.field} `{value}` is not of the form `{self.pattern.pattern}`",
                entry.get_address(self.field),
                self.field,
                help=f"choose another {self.field}"
                + ("; `was:` keeps the existing objects" if self.field == KEY else ""),
            )


@dataclass(frozen=True, slots=True)
class RequiredFields(Rule):
    """Rule: the specs declare these fields, with one of these values."""

    fields: FieldCondition

    def check_entry(self, entry: EntryView) -> Iterator[Violation]:
        for path, allowed in self.fields.items():
            if entry.is_unknown(path) or not _applies_to(entry, path):
                continue
            if entry.declared_value(path) is None:
                finding = "is not declared"
            elif (is_match := evaluate(entry, path, allowed, items=all)) is True:
                continue
            else:
                finding = _describe_value(entry, path, is_match)
            required = (
                "" if allowed == (ANY_VALUE,) else f"; required is {_render_allowed(entry, path, allowed)}"
            )
            yield Violation(
                f"`{path}` {finding}{required}",
                entry.get_address(path),
                path,
                help=_suggest_declaration(entry, path, allowed),
            )


@dataclass(frozen=True, slots=True)
class ForbiddenValues(Rule):
    """Rule: fields do not have these values."""

    fields: FieldCondition

    def check_entry(self, entry: EntryView) -> Iterator[Violation]:
        for path, forbidden in self.fields.items():
            is_match = evaluate(entry, path, forbidden, items=any)
            if is_match is True:
                yield Violation(
                    f"`{path}` {_describe_value(entry, path, is_match)}, which is forbidden",
                    entry.get_address(path),
                    path,
                    help=f"choose another value of `{path}`, or none",
                )
            elif is_match is None and path in entry.confidential:
                # The value of a secret stays unknown, so a secret must not be a way around the policy.
                yield Violation(
                    f"`{path}` {_describe_value(entry, path, is_match)}"
                    f" and may be {_render_allowed(entry, path, forbidden)}",
                    entry.get_address(path),
                    path,
                    help=f'write `{{value: "{entry.value(path)}"}}`, which a plan shows, or let the policy name the'
                    " places that a secret may come from",
                )


@dataclass(frozen=True, slots=True)
class NoBlanketTrust(Rule):
    """Rule: certificates and host keys need the approval of a person."""

    targets: tuple[TrustTarget, ...]

    def check_entry(self, entry: EntryView) -> Iterator[Violation]:
        for target in self.targets:
            path = f"trust.{target}"
            if entry.declared_value(path) == "any":
                yield Violation(
                    f"`{path}: any` lets Fivetran trust {_TRUST_PHRASES[target]} that it meets",
                    entry.get_address(path),
                    path,
                    help=f"write `trust: {{{target}: none}}`; `reconciler trust pin` then pins what setup tests show",
                )


_TRUST_PATHS = frozenset(f"trust.{target}" for target in TrustTarget)
_TRUST_PHRASES = {
    TrustTarget.CERTIFICATES: "any TLS certificate",
    TrustTarget.FINGERPRINTS: "any SSH host key",
}


@dataclass(frozen=True, slots=True)
class Limit:
    """Limit of `at-most`: a number, or a fraction of all existing entries."""

    number: float
    is_fraction: bool = False

    def __str__(self) -> str:
        return f"{self.number * 100:g}%" if self.is_fraction else f"{self.number:g}"


@dataclass(frozen=True, slots=True)
class AtMost(Rule):
    """Rule: limits on the actions of one apply."""

    limits: Mapping[CountedAction, Limit]

    def check_plan(self, plan_view: PlanView) -> Iterator[Violation]:
        existing = len(plan_view.existing)
        for action, limit in self.limits.items():
            number = len({change.address.key for change in plan_view.plan.changes if _COUNTS[action](change)})
            allowed = limit.number * existing if limit.is_fraction else limit.number
            if number <= allowed:
                continue
            consequence, permission = _CONSEQUENCES[action]
            share = f" of {existing:,} that exist" if limit.is_fraction else ""
            yield Violation(
                f"{number:,} {'entry' if number == 1 else 'entries'}{share} would {consequence};"
                f" {f'at most {limit}' if limit.number else 'none'} {permission}",
                help="split the change into several smaller changes",
            )


_CONSEQUENCES = {
    CountedAction.CREATES: ("be created", "may be"),
    CountedAction.UPDATES: ("be updated", "may be"),
    CountedAction.REPLACES: ("be replaced", "may be"),
    CountedAction.DELETES: ("be deleted", "may be"),
    CountedAction.APPROVES: ("get approvals", "may"),
    CountedAction.REVOKES: ("lose approvals", "may"),
    CountedAction.INTERRUPTS: ("interrupt syncs or may do so", "may"),
    CountedAction.REGION: ("move to another region", "may"),
    CountedAction.NETWORKING: ("change their networking", "may"),
    CountedAction.CREDENTIALS: ("change their credentials", "may"),
    CountedAction.TARGET: ("change the place that they write to", "may"),
}


def _render_allowed(entry: EntryView, path: str, allowed: AllowedValues) -> str:
    """Render the values of a policy, unless values of this field must not be shown. References are always shown."""
    return "a value that the policy names" if _is_masked(entry, path, allowed) else format_values(allowed)


def _is_masked(entry: EntryView, path: str, allowed: AllowedValues) -> bool:
    return entry.is_masked(path) and not all(map(is_reference_pattern, allowed))


def _suggest_declaration(entry: EntryView, path: str, allowed: AllowedValues) -> str:
    """Suggest a declaration of a field with the first allowed value that is no glob."""
    if allowed == (ANY_VALUE,):
        return f"add `{path}`"
    if _is_masked(entry, path, allowed):
        return f"write a value of `{path}` that the policy allows"
    first = next((value for value in allowed if not (isinstance(value, str) and "*" in value)), None)
    if first is None:
        return f"write a value of {format_values(allowed)}"
    if path in _TRUST_PATHS and first == "pins":  # a word of policies: specs have a list
        return f"list the pins below `{path}`; `reconciler trust pin` writes what setup tests have shown"
    parent, _, name = path.rpartition(".")
    setting = f"{name}: {format_value(first)}"
    return f"write `{f'{parent}: {{{setting}}}' if parent else setting}`"


def _describe_value(entry: EntryView, path: str, is_match: bool | None) -> str:
    """Describe the value of a field, as far as it may be shown."""
    if is_match is None:
        return f"comes from `{entry.value(path)}`, so its value is unknown"
    return (
        "has a value that is not shown"
        if entry.is_hidden(path)
        else f"is `{format_value(entry.value(path))}`"
    )


def _applies_to(entry: EntryView, path: str) -> bool:
    """Return whether an entry has a field: without a destination it has the group's fields only."""
    return entry.has_destination or path in (KEY, NAME, "id")
