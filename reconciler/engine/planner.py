"""From desired and observed to changes. Pure: reads nothing, sends nothing.

Each entry is looked at on its own:
1. references that are needed are resolved;
2. what does not exist is created with all its declared fields;
3. what exists is compared, and gets the fields that differ;
4. what cannot be changed in place is refused;
5. what is as declared, but has not passed the setup tests it should pass, is verified.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.catalogue.model import Field
from reconciler.engine.diff import Comparison, compare
from reconciler.kinds.base import Kind
from reconciler.kinds.destination import HEALTHY_STATUS, SERVICE
from reconciler.kinds.registry import KINDS
from reconciler.model.address import DESTINATION, Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.plan import Action, Change, FieldChange, Reason, Risk, Shown
from reconciler.model.resource import Desired, Observed, OnFailure
from reconciler.model.value import FieldPath, Reference, Secret, dotted
from reconciler.secrets.base import SecretUnavailable

Resolve = Callable[[Reference], Secret | str]


@dataclass(frozen=True, slots=True)
class Step:
    """A change together with what is needed to carry it out. Holds secrets, so it never leaves the process."""

    desired: Desired
    change: Change
    values: Mapping[FieldPath, Any]


@dataclass(slots=True)
class Planner:
    """Plans one resource after the other and collects everything that is wrong on the way."""

    resolve: Resolve
    diagnostics: list[Diagnostic]

    def step(self, desired: Desired, observed: Observed | None) -> Step:
        """What would happen to one resource."""
        kind = KINDS[desired.address.kind]
        if observed is None:
            return self._creation(kind, desired)
        return self._adjustment(kind, desired, observed)

    def _creation(self, kind: Kind, desired: Desired) -> Step:
        declared = self._resolved(desired, desired.fields)
        # Normal form knows a field by one name; a deprecated twin that is declared beside it is sent too.
        values = {**declared, **kind.canonical(declared)}
        change = Change(
            address=desired.address,
            action=Action.CREATE,
            reasons=(Reason.NEW,),
            fields=(*_created_fields(desired, values), *_known_after(desired)),
            depends_on=desired.depends_on,
            span=desired.span,
        )
        return Step(desired, change, values)

    def _adjustment(self, kind: Kind, desired: Desired, observed: Observed) -> Step:
        visible = (path for path, value in desired.fields.items() if not _confidential(value))
        declared = {**desired.fields, **self._resolved(desired, visible)}
        comparison = compare(kind, declared, observed.fields)
        service = observed.fields.get(SERVICE)
        self._refuse_replacement(kind, desired, observed, comparison)
        resent = _secrets_that_follow(kind, service, declared, comparison)
        values = {path: after for path, (_, after) in comparison.changed.items()} | self._resolved(
            desired, resent
        )
        change = Change(
            address=desired.address,
            action=_action(desired, observed, values),
            reasons=_reasons(desired, observed, values),
            fields=_changed_fields(kind, service, desired, comparison, resent),
            id=observed.id,
            depends_on=desired.depends_on,
            span=desired.span,
            risk=_risk(desired, observed, values),
            uncomparable=tuple(path for path in comparison.uncomparable if path not in resent),
        )
        return Step(desired, change, values)

    def _resolved(self, desired: Desired, paths: Iterable[FieldPath]) -> dict[FieldPath, Any]:
        """Values of these fields with references replaced by what they refer to."""
        return {path: self._value(desired, path) for path in paths}

    def _value(self, desired: Desired, path: FieldPath) -> Any:
        value = desired.fields[path]
        if not isinstance(value, Reference):
            return value
        try:
            return self.resolve(value)
        except SecretUnavailable as problem:
            self.diagnostics.append(
                Diagnostic(
                    "secret-unavailable",
                    f"`{dotted(path)}` needs `{value}`, which cannot be had: {problem.reason}",
                    span=desired.spans.get(path),
                    address=desired.address,
                    help="provide it where the reference points, or correct the reference",
                )
            )
            return None

    def _refuse_replacement(
        self, kind: Kind, desired: Desired, observed: Observed, comparison: Comparison
    ) -> None:
        service = observed.fields.get(SERVICE)
        for path, (before, _) in comparison.changed.items():
            field = kind.field(path, service)
            if field is None or not field.immutable:
                continue
            self.diagnostics.append(
                Diagnostic(
                    "replace-refused",
                    f"changing `{dotted(path)}` would destroy and recreate {desired.address}",
                    span=desired.spans.get(path),
                    label=f"`{before}` in Fivetran",
                    address=desired.address,
                    notes=("it cannot be changed in place; connections would lose their destination",),
                    help="put the old value back, or declare the new destination under another key",
                )
            )


def _action(desired: Desired, observed: Observed, values: Mapping[FieldPath, Any]) -> Action:
    if values:
        return Action.UPDATE
    return Action.VERIFY if _tests_outstanding(desired, observed) else Action.NO_OP


def _reasons(desired: Desired, observed: Observed, values: Mapping[FieldPath, Any]) -> tuple[Reason, ...]:
    differ = (Reason.FIELDS_DIFFER,) if values else ()
    outstanding = (Reason.TESTS_OUTSTANDING,) if _tests_outstanding(desired, observed) else ()
    return differ + outstanding


def _risk(desired: Desired, observed: Observed, values: Mapping[FieldPath, Any]) -> Risk:
    disturbs = bool(values) and desired.setup_tests.run and observed.status == HEALTHY_STATUS
    return Risk.INTERRUPTS_SYNCS if disturbs else Risk.IN_PLACE


def _tests_outstanding(desired: Desired, observed: Observed) -> bool:
    """Unfinished work stays visible: a destination that is not connected has not passed the tests that it must."""
    tests = desired.setup_tests
    must_pass = desired.address.kind == DESTINATION and tests.run and tests.on_failure is OnFailure.FAIL
    return must_pass and observed.status != HEALTHY_STATUS


def _confidential(value: Any) -> bool:
    return isinstance(value, Reference) and value.confidential


def _secrets_that_follow(
    kind: Kind, service: str | None, declared: Mapping[FieldPath, Any], comparison: Comparison
) -> list[FieldPath]:
    """Secrets whose meaning depends on a field that changes: a new `auth` without its key would lock Fivetran out."""
    changing = {path[-1] for path in comparison.changed}
    return [
        path
        for path in comparison.uncomparable
        if _confidential(declared[path]) and changing & _governing(kind.field(path, service))
    ]


def _governing(field: Field | None) -> set[str]:
    return {*(field.only_when or ()), *(field.required_when or ())} if field else set()


def _created_fields(desired: Desired, values: Mapping[FieldPath, Any]) -> tuple[FieldChange, ...]:
    return tuple(
        _shown(desired, path, before=None, after=values[path])
        for path in desired.fields
        if values.get(path) is not None
    )


def _changed_fields(
    kind: Kind, service: str | None, desired: Desired, comparison: Comparison, resent: list[FieldPath]
) -> tuple[FieldChange, ...]:
    changed = tuple(
        _shown(desired, path, before, after, hidden=_sensitive(kind, service, path))
        for path, (before, after) in comparison.changed.items()
    )
    return changed + tuple(_shown(desired, path, None, desired.fields[path]) for path in resent)


def _sensitive(kind: Kind, service: str | None, path: FieldPath) -> bool:
    field = kind.field(path, service)
    return field is not None and field.sensitive


def _shown(desired: Desired, path: FieldPath, before: Any, after: Any, hidden: bool = False) -> FieldChange:
    """How one field is told to people. What a spec keeps secret, or nothing is known about, is not shown."""
    source = desired.fields.get(path)
    span = desired.spans.get(path)
    if _confidential(source):
        return FieldChange(path, None, str(source), Shown.SECRET, span)
    if hidden or path in desired.unchecked:
        return FieldChange(path, None, None, Shown.SECRET, span)
    return FieldChange(path, before, after, Shown.CLEAR, span)


def _known_after(desired: Desired) -> tuple[FieldChange, ...]:
    parents: tuple[Address, ...] = desired.depends_on
    return tuple(
        FieldChange(("id",), None, f"that of {parent}", Shown.KNOWN_AFTER_APPLY, desired.span)
        for parent in parents
    )
