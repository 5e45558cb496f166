"""From desired and observed to changes. Pure: reads nothing, sends nothing.

Each entry is looked at on its own:
1. references that are needed are resolved;
2. what does not exist is created with all its declared fields;
3. what exists is compared, and gets the fields that differ;
4. what cannot be changed in place is refused;
5. what is as declared, but has not passed the setup tests it should pass, is verified.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.catalogue.model import Field, FieldType
from reconciler.engine.confidential import confidential, external, is_sent_by_us, secrets_that_follow
from reconciler.engine.diff import Comparison, compare
from reconciler.engine.field_changes import (
    applied_in_conflict,
    applied_values,
    as_in_fivetran,
    changed_fields,
    created_fields,
    known_after,
    other_values,
)
from reconciler.engine.last_applied import LastApplied
from reconciler.kinds.base import Kind
from reconciler.kinds.destination import HEALTHY_STATUS, SERVICE
from reconciler.kinds.registry import KINDS
from reconciler.kinds.visibility import Masking
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.plan import Action, Change, Reason, Risk, Secrets
from reconciler.model.record import NO_FINGERPRINT, NOTHING_KEPT, Record, is_fingerprint
from reconciler.model.resource import Desired, Observed, OnFailure
from reconciler.model.value import ExternalKey, FieldPath, Reference, Secret, Structure, Withheld, dotted
from reconciler.secrets.base import Form, SecretUnavailable
from reconciler.secrets.fingerprint import Fingerprinter

Resolve = Callable[[Reference, Form], Any]

_FORMS = {FieldType.STRINGS: Form.LIST, FieldType.OBJECT: Form.OBJECT}


@dataclass(frozen=True, slots=True)
class Step:
    """A change together with what is needed to carry it out. Holds secrets, so it never leaves the process.

    `values` are what is sent; `declared` is all that will be in effect then, in normal form and without secrets.
    `applied` is what may be remembered of that, and `fingerprints` stand for the rest: secrets and hidden literals.
    """

    desired: Desired
    change: Change
    values: Mapping[FieldPath, Any]
    declared: Mapping[FieldPath, Any]
    applied: Mapping[FieldPath, Any]
    fingerprints: Mapping[FieldPath, str]
    protected: bool

    def unguarded(self, path: FieldPath) -> Any:
        """A value that is sent, to be hashed: a hidden literal as it stands in the specs."""
        value = self.values[path]
        return self.declared.get(path, value) if isinstance(value, Secret) else value


@dataclass(slots=True)
class Planner:
    """Plans one resource after the other and collects everything that is wrong on the way.

    `resend` are secrets to be sent whatever is known about them.
    """

    resolve: Resolve
    fingerprinter: Fingerprinter | None
    compares_secrets: bool = True
    resend: Collection[tuple[Address, FieldPath]] = ()
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def step(self, desired: Desired, observed: Observed | None, record: Record | None) -> Step:
        """What would happen to one resource. `record` is what is remembered of it."""
        kind = KINDS[desired.address.kind]
        if observed is None:
            return self._creation(kind, desired, record)
        return self._adjustment(kind, desired, observed, record)

    def _creation(self, kind: Kind, desired: Desired, record: Record | None) -> Step:
        declared = self._resolved(kind, desired, desired.fields, desired.fields.get(SERVICE))
        # Normal form knows a field by one name; a deprecated twin that is declared beside it is sent too.
        values = {**declared, **kind.canonical(declared)}
        masking = _masking(desired, declared.get(SERVICE))
        change = Change(
            address=desired.address,
            action=Action.CREATE,
            reasons=(Reason.MISSING_REMOTELY if record is not None and record.id else Reason.NEW,),
            fields=(*created_fields(desired, masking, values), *known_after(desired)),
            depends_on=desired.depends_on,
            span=desired.span,
            applied=applied_values(kind, record, desired) if record is not None and record.id else (),
        )
        return self._step(desired, masking, change, declared=declared, values=values, record=None)

    def _adjustment(self, kind: Kind, desired: Desired, observed: Observed, record: Record | None) -> Step:
        service = observed.fields.get(SERVICE)
        needed = (
            path for path, value in desired.fields.items() if not confidential(value) or external(value)
        )
        declared = {**desired.fields, **self._resolved(kind, desired, needed, service)}
        compared = {path: value for path, value in declared.items() if path not in desired.ignored}
        comparison = compare(kind, compared, observed.fields, LastApplied.of(record, self.fingerprinter))
        masking, live = _masking(desired, declared.get(SERVICE, service)), _masking(desired, service)
        fixed = [path for path in comparison.changed if _is_immutable(kind, path, service)]
        if fixed and desired.allow_replace:
            return self._replacement(kind, desired, observed, comparison, fixed)
        self._refuse_replacement(desired, live, comparison, fixed)
        following = secrets_that_follow(kind, service, desired.fields, comparison)
        known = record.fingerprints if record else {}
        rotated = self._rotated(kind, desired, service, known)
        rotated |= self._resolved(kind, desired, self._declared_since(desired, record), service)
        again = [
            path
            for path in desired.fields
            if (desired.address, path) in self.resend and path not in comparison.changed
        ]
        sent = self._resolved(kind, desired, dict.fromkeys([*following, *again]), service) | rotated
        values = {path: each.after for path, each in comparison.changed.items()} | sent
        fields = changed_fields(desired, masking, live, comparison, sent)
        change = Change(
            address=desired.address,
            action=_action(desired, values, record),
            reasons=_reasons(desired, comparison, sent, record),
            fields=fields,
            id=observed.id,
            depends_on=desired.depends_on,
            span=desired.span,
            risk=_risk(desired, observed, values),
            uncomparable=tuple(
                path
                for path in comparison.uncomparable
                if path not in sent and not self._can_compare(path, known)
            ),
            secrets=self._compared(desired, comparison, rotated, known, again),
            applied=applied_in_conflict(kind, record, desired, fields),
        )
        return self._step(desired, masking, change, declared=declared, values=values, record=record)

    def _step(
        self,
        desired: Desired,
        masking: Masking,
        change: Change,
        *,
        declared: Mapping[FieldPath, Any],
        values: Mapping[FieldPath, Any],
        record: Record | None,
    ) -> Step:
        """A step with what is to be remembered of it. What is hidden is sent as a secret, so that no answer of the
        API shows it either."""
        declared = KINDS[desired.address.kind].canonical(declared)
        literals = _hidden_literals(masking, declared)
        known = record.fingerprints if record is not None else {}
        fingerprints = self._of_secrets(desired, values, known, record) | {
            path: self._of_literal(desired, change, path, literal, known, is_sent=path in values)
            for path, literal in literals.items()
        }
        return Step(
            desired,
            replace(change, other_values=other_values(desired, masking, declared, change)),
            values=_guarded(masking, values),
            declared=_in_clear(declared),
            applied={path: value for path, value in _in_clear(declared).items() if path not in literals},
            fingerprints=fingerprints,
            protected=_protected(desired, record, values),
        )

    def _of_secrets(
        self,
        desired: Desired,
        values: Mapping[FieldPath, Any],
        known: Mapping[FieldPath, str],
        record: Record | None,
    ) -> dict[FieldPath, str]:
        """Fingerprints of secrets that stay declared, and new ones of those that are sent."""
        kept = {path: known[path] for path in known if confidential(desired.fields.get(path))}
        if record is None or not _knows_secrets(record):
            kept = {path: NO_FINGERPRINT for path in desired.fields if is_sent_by_us(desired, path)} | kept
        sent = {path: value for path, value in values.items() if isinstance(value, Secret)}
        return kept | {path: self._fingerprint(desired, path, value) for path, value in sent.items()}

    def _of_literal(
        self,
        desired: Desired,
        change: Change,
        path: FieldPath,
        literal: Secret,
        known: Mapping[FieldPath, str],
        *,
        is_sent: bool,
    ) -> str:
        """What is kept of a hidden literal: nothing new where it cannot be known that it is the one in effect."""
        kept = known.get(path, NOTHING_KEPT)
        if not is_sent and (self.fingerprinter is None or path in change.uncomparable):
            return kept if is_fingerprint(kept) else NOTHING_KEPT
        if self.fingerprinter is None:
            return NOTHING_KEPT
        if self.fingerprinter.made(kept) and self.fingerprinter.matches(kept, literal):
            return kept  # it may be of an address before a move
        return self._fingerprint(desired, path, literal)

    def _rotated(
        self, kind: Kind, desired: Desired, service: str | None, known: Mapping[FieldPath, str]
    ) -> dict[FieldPath, Any]:
        """Secrets that are no longer those that were sent last. One that cannot be compared is not resolved."""
        fingerprinter = self.fingerprinter
        if fingerprinter is None:
            return {}
        paths = [
            path
            for path in known
            if self._can_compare(path, known)
            and confidential(desired.fields.get(path))
            and path not in desired.ignored
        ]
        secrets = self._resolved(kind, desired, paths, service)
        return {
            path: secret
            for path, secret in secrets.items()
            if secret is not None and not fingerprinter.matches(known[path], secret)
        }

    def _declared_since(self, desired: Desired, record: Record | None) -> list[FieldPath]:
        """Secrets that the spec declares since what is remembered, also in place of a literal, and those of an
        interrupted call: nobody has sent them for certain."""
        if record is None or not _knows_secrets(record) or not self.compares_secrets:
            return []
        return [
            path
            for path in desired.fields
            if is_sent_by_us(desired, path)
            and record.fingerprints.get(path, NOTHING_KEPT) == NOTHING_KEPT
            and path not in desired.ignored
        ]

    def _compared(
        self,
        desired: Desired,
        comparison: Comparison,
        rotated: Mapping[FieldPath, Any],
        known: Mapping[FieldPath, str],
        again: Collection[FieldPath],
    ) -> Secrets:
        """The answer about each declared secret, sent or not, and about literals that are sent `again`. What is ignored
        is not asked about."""
        asked = [
            path
            for path, value in desired.fields.items()
            if (confidential(value) or path in again) and path not in desired.ignored
        ]
        changed = [path for path in asked if path in rotated or path in comparison.changed]
        # A name in a secrets manager is remembered in clear, and compared as any other field.
        compared = [
            path for path in asked if self._can_compare(path, known) or path not in comparison.uncomparable
        ]
        return Secrets(
            changed=tuple(changed),
            unchanged=tuple(path for path in compared if path not in changed),
            uncomparable=tuple(path for path in asked if path not in {*changed, *compared}),
        )

    def _can_compare(self, path: FieldPath, known: Mapping[FieldPath, str]) -> bool:
        """Whether what was sent last can be told from what would be sent now."""
        if path not in known or self.fingerprinter is None:
            return False
        return self.compares_secrets and self.fingerprinter.made(known[path])

    def _fingerprint(self, desired: Desired, path: FieldPath, secret: Secret) -> str:
        """The fingerprint of a secret that is sent. Without a key there is none, nor of a secret that was not read:
        what was known of the one before says nothing about it."""
        if self.fingerprinter is None or isinstance(secret, Withheld):
            return NO_FINGERPRINT
        return self.fingerprinter.of_field(desired.address, path, secret)

    def _resolved(
        self, kind: Kind, desired: Desired, paths: Iterable[FieldPath], service: Any
    ) -> dict[FieldPath, Any]:
        """Values of these fields with references replaced by what they refer to."""
        known = service if isinstance(service, str) else None
        return {path: self._value(desired, path, kind.field(path, known)) for path in paths}

    def _value(self, desired: Desired, path: FieldPath, field: Field | None) -> Any:
        value = desired.fields[path]
        if external(value):
            return ExternalKey(str(value).partition(":")[2])
        if isinstance(value, Reference):
            form = _FORMS.get(field.type, Form.TEXT) if field else Form.TEXT
            return self._looked_up(desired, path, value, form)
        if isinstance(value, Structure):
            content = self._filled(desired, path, value.content)
            return Secret.around(content) if value.confidential else content
        return value

    def _filled(self, desired: Desired, path: FieldPath, content: Any) -> Any:
        """A mapping or list with its references replaced by what they refer to."""
        match content:
            case Reference():
                return self._looked_up(desired, path, content, Form.TEXT)
            case Mapping():
                return {key: self._filled(desired, path, each) for key, each in content.items()}
            case list():
                return [self._filled(desired, path, each) for each in content]
        return content

    def _looked_up(self, desired: Desired, path: FieldPath, value: Reference, form: Form) -> Any:
        try:
            return self.resolve(value, form)
        except SecretUnavailable as problem:
            self.diagnostics.append(
                Diagnostic(
                    "secret-unavailable",
                    f"`{dotted(path)}` needs `{value}`, which cannot be had: {problem.reason}",
                    span=desired.spans.get(path),
                    address=desired.address,
                    help="provide it where the reference points; or run with `--secrets skip`, which compares none",
                )
            )
            return None

    def _replacement(
        self,
        kind: Kind,
        desired: Desired,
        observed: Observed,
        comparison: Comparison,
        fixed: list[FieldPath],
    ) -> Step:
        """Delete and create again in the same group: everything declared is sent, secrets too."""
        declared = self._resolved(kind, desired, desired.fields, desired.fields.get(SERVICE))
        masking, live = (_masking(desired, each.get(SERVICE)) for each in (declared, observed.fields))
        changed = changed_fields(desired, masking, live, comparison, ())
        change = Change(
            address=desired.address,
            action=Action.REPLACE,
            reasons=(Reason.IMMUTABLE_FIELD,),
            fields=tuple(replace(each, forces_replace=each.path in fixed) for each in changed),
            id=observed.id,
            depends_on=desired.depends_on,
            span=desired.span,
            risk=Risk.REPLACES,
        )
        values = {**declared, **kind.canonical(declared)}
        return self._step(desired, masking, change, declared=declared, values=values, record=None)

    def _refuse_replacement(
        self, desired: Desired, live: Masking, comparison: Comparison, fixed: Iterable[FieldPath]
    ) -> None:
        for path in fixed:
            hidden = live.hides(path)
            self.diagnostics.append(
                Diagnostic(
                    "replace-refused",
                    f"changing `{dotted(path)}` would destroy and recreate {desired.address}",
                    span=desired.spans.get(path),
                    label=as_in_fivetran(comparison.changed[path].before, hidden=hidden),
                    address=desired.address,
                    notes=("it cannot be changed in place; Fivetran deletes nothing that has connections",),
                    help="put the old value back, or move the connections and set `lifecycle: {allow_replace: true}`",
                )
            )


def _masking(desired: Desired, service: Any) -> Masking:
    return Masking(desired.address.kind, service, desired.unchecked)


def _hidden_literals(masking: Masking, declared: Mapping[FieldPath, Any]) -> dict[FieldPath, Secret]:
    """Declared values in clear that must be neither shown nor kept."""
    return {
        path: Secret(value)
        for path, value in declared.items()
        if value is not None
        and not isinstance(value, Secret | Reference | Structure | ExternalKey)
        and masking.hides(path)
    }


def _guarded(masking: Masking, values: Mapping[FieldPath, Any]) -> dict[FieldPath, Any]:
    """What is sent, with everything that is hidden as a secret."""
    return {**values, **_hidden_literals(masking, values)}


def _remembers_fields(record: Record) -> bool:
    """Whether it is known what was declared of this object before; not so where a creation got no answer."""
    return record.id is not None and bool(record.applied)


def _knows_secrets(record: Record) -> bool:
    """Whether a secret without a fingerprint is one that was not sent by us, or not for certain. Of what was adopted
    nothing like that is known."""
    made = record.intent is not None and record.intent.action in {Action.CREATE, Action.REPLACE}
    return made or _remembers_fields(record)


def _is_immutable(kind: Kind, path: FieldPath, service: str | None) -> bool:
    known = kind.field(path, service)
    return known is not None and known.immutable


def _protected(desired: Desired, record: Record | None, values: Mapping[FieldPath, Any]) -> bool:
    """Protection ends only with a change that does nothing else to the entry."""
    return desired.protected or (record is not None and record.protected and bool(values))


def _action(desired: Desired, values: Mapping[FieldPath, Any], record: Record | None) -> Action:
    if values:
        return Action.UPDATE
    if tests_outstanding(desired, record):
        return Action.VERIFY
    return Action.NO_OP if record is not None and record.id is not None else Action.ADOPT


def _reasons(
    desired: Desired, comparison: Comparison, secrets: Mapping[FieldPath, Any], record: Record | None
) -> tuple[Reason, ...]:
    reasons = {
        Reason.FIELDS_DIFFER: bool(comparison.changed),
        Reason.SECRETS_SENT: bool(secrets),
        Reason.NOT_REMEMBERED: record is None,
        Reason.INTERRUPTED: record is not None and record.intent is not None,
        Reason.TESTS_OUTSTANDING: tests_outstanding(desired, record),
    }
    return tuple(reason for reason, holds in reasons.items() if holds)


def _risk(desired: Desired, observed: Observed, values: Mapping[FieldPath, Any]) -> Risk:
    disturbs = bool(values) and desired.setup_tests.run and observed.status == HEALTHY_STATUS
    return Risk.INTERRUPTS_SYNCS if disturbs else Risk.IN_PLACE


def tests_outstanding(desired: Desired, record: Record | None) -> bool:
    """Unfinished work stays visible: what was written here and has not passed the tests that it must."""
    tests = desired.setup_tests
    return record is not None and record.unverified and tests.run and tests.on_failure is OnFailure.FAIL


def _in_clear(fields: Mapping[FieldPath, Any]) -> dict[FieldPath, Any]:
    """What may be remembered of declared fields. The name of a key in a secrets manager is no secret."""
    return {
        path: value.name if isinstance(value, ExternalKey) else value
        for path, value in fields.items()
        if not isinstance(value, Secret | Reference | Structure)
    }
