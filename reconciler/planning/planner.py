"""Plan one resource: compare desired and observed, and build the change. Sends nothing.

1. A resource that does not exist is created with all its declared fields.
2. An existing resource is compared, and gets the fields that differ.
3. A field that cannot be changed in place replaces its destination, or is refused without that permission.
4. An unchanged resource whose servers have to be approved, or approved no more, gets these approvals.
5. An unchanged resource that has not passed its required setup tests is verified.

A reference is resolved only if its value decides about the change or is sent, so a plan reads no needless secret.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.catalogue.load import load_risks
from reconciler.kinds.base import Kind
from reconciler.kinds.destination import HEALTHY_STATUS, SERVICE, read_service, select_unhealthy_status
from reconciler.kinds.destination_checks import (
    check_new_destination,
    check_resolved_values,
    warn_live_contradictions,
)
from reconciler.kinds.group_identity import list_needed_parts
from reconciler.kinds.registry import KINDS
from reconciler.kinds.visibility import Masking
from reconciler.model.address import DESTINATION, Address
from reconciler.model.diagnostic import Diagnostic, Severity, select_errors
from reconciler.model.group_identity import IdentityPart
from reconciler.model.plan import (
    Action,
    AssertedValue,
    Change,
    ChangeFacts,
    FieldChange,
    FieldValue,
    Reason,
    SecretComparison,
)
from reconciler.model.record import Record
from reconciler.model.record_transitions import (
    RecordUpdate,
    keeps_protection,
    select_identity,
    update_literal_fingerprint,
)
from reconciler.model.resource import Desired, Observed
from reconciler.model.risk import Risk
from reconciler.model.value import (
    ExternalKey,
    FieldPath,
    Fields,
    Reference,
    Secret,
    Structure,
    find_references,
    format_path,
    is_external_secret,
    is_secret,
)
from reconciler.planning.diff import Comparison, compare
from reconciler.planning.facts import (
    build_answers,
    find_undeclared_fields,
    has_outstanding_tests,
)
from reconciler.planning.fields import (
    assess_changed_fields,
    build_changed_fields,
    build_computed_fields,
    build_created_fields,
    build_resent_fields,
    choose_live_value_label,
    list_applied_values,
    list_conflicting_applied_values,
    list_lost_values,
    list_unchanged_values,
    list_unkept_values,
)
from reconciler.planning.last_applied import LastApplied
from reconciler.planning.resolving import FieldResolver, Resolve
from reconciler.planning.secret_planning import SecretPlanner
from reconciler.planning.trust import (
    Approvals,
    TrustPlan,
    collect_grants,
    list_former_pins,
    plan_new_trust,
    plan_trust,
)
from reconciler.secrets.fingerprint import Fingerprinter

_NO_FIELDS: Fields = {}


@dataclass(frozen=True, slots=True)
class PlannedOperation:
    """Change with the data to carry it out. Holds secrets, so it never leaves the process.

    `values` are the sent values; `declared` are all values that will be in effect then, in normal form and without
    secrets. `record_update` is the content of the record once the change is in effect. `carried` are fields that an
    update sends unchanged, with None for a live value that is read right before the request. `unkept` are fields that
    Fivetran did not keep, with their live values as they may be shown. `asserted` are values that the operator of this
    run asserts to be in effect. With `approves_met`, pinned servers that a setup test meets are approved.
    `identity_parts` are the parts of the identity of its group that the destination needs, `unread_parts` those of them
    that follow the write as reads, since the record lacks them.
    """

    desired: Desired
    change: Change
    values: Fields
    declared: Fields
    record_update: RecordUpdate
    carried: Fields = field(default_factory=dict)
    unkept: tuple[FieldValue, ...] = ()
    asserted: tuple[AssertedValue, ...] = ()
    approves_met: bool = True
    identity_parts: tuple[IdentityPart, ...] = ()
    unread_parts: tuple[IdentityPart, ...] = ()

    def get_hashable_value(self, path: FieldPath) -> Any:
        """Return a sent value for a hash: a hidden literal as the specs spell it."""
        value = self.values[path]
        return self.declared.get(path, value) if isinstance(value, Secret) else value


def _protects_nothing(key: str) -> bool:
    return False


def _echoes_nothing(live: Any) -> bool:
    return False


@dataclass(slots=True)
class Planner:
    """Planner of one resource after the other; collects all refusals.

    `fingerprinter` is None without a key. `resend` are secrets that are sent even if their fingerprints match.
    `is_protected` is about keys that the project file protects. `moved` has the former addresses of moved records.
    `just_sent` are the fields that this run has sent, by address. `echoes_secret` is about live values.
    `checks_values` is false for made-up values. `warnings` stop nothing. `approvals` are the approved servers of
    destinations with pins, by id.
    """

    resolve: Resolve
    fingerprinter: Fingerprinter | None
    compares_secrets: bool = True
    resend: Collection[tuple[Address, FieldPath]] = ()
    diagnostics: list[Diagnostic] = field(default_factory=list)
    is_protected: Callable[[str], bool] = _protects_nothing
    moved: Mapping[Address, Address] = field(default_factory=dict)
    just_sent: Mapping[Address, Collection[FieldPath]] = field(default_factory=dict)
    echoes_secret: Callable[[Any], bool] = _echoes_nothing
    checks_values: bool = True
    warnings: list[Diagnostic] = field(default_factory=list)
    approvals: Mapping[str, Approvals] = field(default_factory=dict)
    _resolver: FieldResolver = field(init=False)
    _secrets: SecretPlanner = field(init=False)

    def __post_init__(self) -> None:
        self._resolver = FieldResolver(self.resolve, self.diagnostics)
        self._secrets = SecretPlanner(self._resolver, self.fingerprinter, self.compares_secrets, self.resend)

    def plan_resource(
        self, desired: Desired, observed: Observed | None, record: Record | None
    ) -> PlannedOperation:
        """Plan the change of one resource. `record` is its record in the state, None without one."""
        kind = KINDS[desired.address.kind]
        if observed is None:
            return _add_identity(self._plan_create(kind, desired, record), record)
        return _add_identity(self._plan_update(kind, desired, observed, record), record)

    def list_references(
        self, desired: Desired, observed: Observed | None, record: Record | None
    ) -> Iterator[Reference]:
        """List the references whose values `plan_resource` certainly needs, so that they can be read ahead.

        A difference may need more: the secrets that depend on a changed field, and all secrets of a replacement.
        """
        fields = desired.fields
        if observed is None:
            paths = [*fields]
        else:
            paths = [path for path, value in fields.items() if not is_secret(value)]
            paths += self._secrets.list_certain(desired, record)
        for path in paths:
            yield from find_references(fields[path])

    def resolve_secret(self, desired: Desired, path: FieldPath, service: Any) -> Secret | None:
        """Resolve the secret of a declared field, as a plan does. A secret that cannot be read is None, and a refusal
        among the diagnostics."""
        refusals = len(self.diagnostics)
        value = self._resolver.resolve_fields(KINDS[desired.address.kind], desired, [path], service)[path]
        return value if isinstance(value, Secret) and len(self.diagnostics) == refusals else None

    def _plan_create(self, kind: Kind, desired: Desired, record: Record | None) -> PlannedOperation:
        declared = self._resolver.resolve_fields(kind, desired, desired.fields, desired.fields.get(SERVICE))
        self._check_destination(desired, declared, is_new=True)
        # Normal form has a field under its present name only. A deprecated name that the specs declare is sent as well.
        values = {**declared, **kind.normalize(declared)}
        masking = _build_masking(desired, declared.get(SERVICE))
        trust = plan_new_trust(desired)
        change = Change(
            address=desired.address,
            action=Action.CREATE,
            reasons=(Reason.MISSING_REMOTELY if record is not None and record.id else Reason.NEW,),
            fields=(*build_created_fields(desired, masking, values), *build_computed_fields(desired)),
            depends_on=desired.depends_on,
            span=desired.span,
            applied=list_applied_values(kind, record, desired) if record is not None and record.id else (),
            facts=ChangeFacts(moved_from=self.moved.get(desired.address), trust=trust.facts),
            trust=trust.changes,
            runs_tests=desired.setup_tests.run,
        )
        return self._build_operation(desired, masking, change, declared=declared, values=values, record=None)

    def _plan_update(
        self, kind: Kind, desired: Desired, observed: Observed, record: Record | None
    ) -> PlannedOperation:
        # The live service decides how fields are read and compared, also if the specs declare another service: a
        # change of service is an immutable difference, which the plan of a replacement takes over below.
        service = read_service(observed.fields)
        declared = self._resolve_comparable_fields(kind, desired, service)
        self._check_destination(desired, declared, is_new=False)
        compared = {path: value for path, value in declared.items() if path not in desired.ignore_changes}
        comparison = compare(
            kind,
            compared,
            observed.fields,
            LastApplied.of(record, self.fingerprinter),
            self.just_sent.get(desired.address, ()),
        )
        masking = _build_masking(desired, declared.get(SERVICE, service))
        live_masking = _build_masking(desired, service)
        immutable = [path for path in comparison.changed if _is_immutable(kind, path, service)]
        if immutable and desired.allow_replace:
            return self._plan_replace(kind, desired, observed, comparison, immutable=immutable, record=record)
        self._refuse_replacement(desired, live_masking, comparison, immutable)
        # Secrets are chosen after the comparison, since a changed field can require its secrets to be sent again.
        secrets = self._secrets.resolve_sent(kind, desired, service, comparison, record)
        values = {
            **{path: difference.after for path, difference in comparison.changed.items()},
            **secrets.values,
        }
        self._warn_live_contradictions(desired, compared, observed, comparison)
        fields = assess_changed_fields(
            kind, service, build_changed_fields(desired, masking, live_masking, comparison, secrets.values)
        )
        stored = record.fingerprints if record else {}
        trust = plan_trust(desired, record, observed.status, self.approvals.get(observed.id, {}))
        self.diagnostics += trust.problems
        has_tests = has_outstanding_tests(desired, record, observed.status)
        action = _choose_action(values, trust, record, has_tests=has_tests)
        runs_tests = _runs_tests(desired, action, trust, observed.status, has_tests=has_tests)
        change = Change(
            address=desired.address,
            action=action,
            reasons=_collect_reasons(comparison, secrets.values, trust, record, has_tests=has_tests),
            fields=fields,
            id=observed.id,
            depends_on=desired.depends_on,
            span=desired.span,
            risk=_assess_risk(fields, observed.status, runs_tests=runs_tests),
            # A sent secret needs no comparison, and a secret with an own fingerprint was compared by it.
            uncomparable=tuple(
                path
                for path in comparison.uncomparable
                if path not in secrets.values and not self._secrets.can_compare(path, stored)
            ),
            secrets=self._secrets.classify(desired, comparison, secrets, stored),
            applied=list_conflicting_applied_values(kind, record, desired, fields),
            facts=ChangeFacts(
                moved_from=self.moved.get(desired.address),
                undeclared=find_undeclared_fields(record, kind.normalize(declared), desired),
                unkept=tuple(comparison.unkept),
                setup_status=observed.status,
                trust=trust.facts,
            ),
            trust=trust.changes,
            runs_tests=runs_tests,
        )
        operation = self._build_operation(
            desired,
            masking,
            change,
            declared=declared,
            values=values,
            record=record,
            unkept=comparison.unkept,
        )
        return replace(
            operation,
            carried=_list_carried(kind, desired, observed, operation) if values else {},
            unkept=list_unkept_values(comparison.unkept, operation.record_update.answers.public),
        )

    def _resolve_comparable_fields(
        self, kind: Kind, desired: Desired, service: str | None
    ) -> dict[FieldPath, Any]:
        """Resolve the declared fields, except for secrets that Fivetran does not fetch by itself.

        Secrets stay references: answers show no secret, so a comparison needs fingerprints and no value.
        """
        paths = (
            path
            for path, value in desired.fields.items()
            if not is_secret(value) or is_external_secret(value)
        )
        return {**desired.fields, **self._resolver.resolve_fields(kind, desired, paths, service)}

    def _build_operation(
        self,
        desired: Desired,
        masking: Masking,
        change: Change,
        *,
        declared: Fields,
        values: Fields,
        record: Record | None,
        unkept: Fields = _NO_FIELDS,
    ) -> PlannedOperation:
        """Build the operation of a change, with the update of its record. `unkept` are the live values of fields that
        Fivetran did not keep.

        Hidden literals are sent as secrets, so that they stay hidden in answers of the API too.
        """
        declared = KINDS[desired.address.kind].normalize(declared)
        literals = _find_hidden_literals(masking, declared)
        stored = record.fingerprints if record is not None else {}
        # Without a key a stored fingerprint cannot be compared, so only a sent literal is in effect for certain.
        fingerprints = self._secrets.fingerprint_secrets(desired, values, record) | {
            path: update_literal_fingerprint(
                stored.get(path),
                self._secrets.fingerprint_literal(
                    desired, path, literal, stored.get(path), is_sent=path in values
                ),
                is_in_effect=path in values
                or (self.fingerprinter is not None and path not in change.uncomparable),
            )
            for path, literal in literals.items()
        }
        answers = build_answers(
            {path: live for path, live in unkept.items() if path not in values},
            desired,
            lambda path, live: masking.hides(path) or self.echoes_secret(live),
            record,
            self.fingerprinter,
        )
        clear = _strip_secrets(declared)
        return PlannedOperation(
            desired,
            replace(change, other_values=list_unchanged_values(desired, masking, declared, change)),
            values=_wrap_hidden(masking, values),
            declared=clear,
            record_update=RecordUpdate(
                applied={path: value for path, value in clear.items() if path not in literals}
                if literals
                else clear,
                fingerprints=fingerprints,
                protected=keeps_protection(
                    record,
                    is_declared=desired.protected or self.is_protected(desired.address.key),
                    sends_values=bool(values),
                ),
                sent=frozenset(values),
                has_tests=change.runs_tests,
                answers=answers,
                setup_status=select_unhealthy_status(change.facts.setup_status),
                declared_grants=collect_grants(desired, record),
                former_pins=list_former_pins(record, change.revocations),
            ),
        )

    def _plan_replace(
        self,
        kind: Kind,
        desired: Desired,
        observed: Observed,
        comparison: Comparison,
        *,
        immutable: list[FieldPath],
        record: Record | None,
    ) -> PlannedOperation:
        """Plan to delete and create a destination in the same group: all declared fields are sent, secrets too, and
        undeclared live settings are lost."""
        declared = self._resolver.resolve_fields(kind, desired, desired.fields, desired.fields.get(SERVICE))
        self._check_destination(desired, declared, is_new=True)
        masking, live_masking = (
            _build_masking(desired, fields.get(SERVICE)) for fields in (declared, observed.fields)
        )
        values = {**declared, **kind.normalize(declared)}
        changed = assess_changed_fields(
            kind,
            read_service(observed.fields),
            build_changed_fields(desired, masking, live_masking, comparison, ()),
        )
        trust = plan_new_trust(desired)  # the approvals of the old destination go with it
        change = Change(
            address=desired.address,
            action=Action.REPLACE,
            reasons=(Reason.IMMUTABLE_FIELD,),
            fields=(
                *(
                    replace(changed_field, forces_replace=changed_field.path in immutable)
                    for changed_field in changed
                ),
                *build_resent_fields(
                    desired,
                    masking,
                    live=_select_visible(kind.normalize(observed.fields), live_masking, comparison),
                    sent={path: value for path, value in values.items() if path not in comparison.changed},
                ),
            ),
            id=observed.id,
            depends_on=desired.depends_on,
            span=desired.span,
            risk=Risk.REPLACES,
            # No comparison of secrets: the new destination gets all of them for the first time.
            secrets=SecretComparison(
                changed=tuple(path for path, value in desired.fields.items() if is_secret(value))
            ),
            lost=list_lost_values(
                live_masking, observed, record, {**dict.fromkeys(comparison.changed), **values}
            ),
            facts=ChangeFacts(
                moved_from=self.moved.get(desired.address), setup_status=observed.status, trust=trust.facts
            ),
            trust=trust.changes,
            runs_tests=desired.setup_tests.run,
        )
        # No record: fingerprints and protection of the deleted destination do not hold for the new destination.
        return self._build_operation(desired, masking, change, declared=declared, values=values, record=None)

    def _check_destination(self, desired: Desired, declared: Fields, *, is_new: bool) -> None:
        """Check the values of references, and the needs of a new destination."""
        if desired.address.kind != DESTINATION:
            return
        found = check_new_destination(desired) if is_new else []
        if self.checks_values:
            found = [*found, *check_resolved_values(desired, declared, is_new=is_new)]
        self.diagnostics += select_errors(found)
        self.warnings += [each for each in found if each.severity is Severity.WARNING]

    def _warn_live_contradictions(
        self, desired: Desired, declared: Fields, observed: Observed, comparison: Comparison
    ) -> None:
        if desired.address.kind == DESTINATION:
            self.warnings += warn_live_contradictions(desired, declared, observed.fields, comparison.changed)

    def _refuse_replacement(
        self, desired: Desired, live_masking: Masking, comparison: Comparison, immutable: Iterable[FieldPath]
    ) -> None:
        for path in immutable:
            hidden = live_masking.hides(path)
            self.diagnostics.append(
                Diagnostic(
                    "replace-refused",
                    f"changing `{format_path(path)}` would destroy and recreate {desired.address}",
                    span=desired.spans.get(path),
                    label=choose_live_value_label(comparison.changed[path].before, hidden=hidden),
                    address=desired.address,
                    notes=("it cannot be changed in place",),
                    help="put the old value back, or set `lifecycle: {allow_replace: true}`",
                )
            )


def _build_masking(desired: Desired, service: Any) -> Masking:
    return Masking(desired.address.kind, service, desired.unchecked)


def _add_identity(operation: PlannedOperation, record: Record | None) -> PlannedOperation:
    """Add the needed parts of the identity of the group. A new destination has no id yet, so nothing is known then."""
    change = operation.change
    needed = list_needed_parts(operation.desired, operation.declared)
    known = select_identity(record, change.id)
    unread = [part for part in needed if part not in known and change.action in _READING_ACTIONS]
    return replace(operation, identity_parts=needed, unread_parts=tuple(unread))


_READING_ACTIONS = frozenset({Action.CREATE, Action.REPLACE, Action.UPDATE, Action.VERIFY})
"""Changes that read what the record lacks. A test does too: a killed run may have left it to the next one."""


def _find_hidden_literals(masking: Masking, declared: Fields) -> dict[FieldPath, Secret]:
    """Find the declared literals that must be neither shown nor stored in clear."""
    return {
        path: Secret(value)
        for path, value in declared.items()
        if value is not None
        and not isinstance(value, Secret | Reference | Structure | ExternalKey)
        and masking.hides(path)
    }


def _wrap_hidden(masking: Masking, values: Fields) -> dict[FieldPath, Any]:
    """Wrap the hidden literals among sent values as secrets."""
    return {**values, **_find_hidden_literals(masking, values)}


def _is_immutable(kind: Kind, path: FieldPath, service: str | None) -> bool:
    catalogue_field = kind.get_field(path, service)
    return catalogue_field is not None and catalogue_field.immutable


def _select_visible(live: Fields, live_masking: Masking, comparison: Comparison) -> Fields:
    """Select the live values that are known and may be shown."""
    return {
        path: value
        for path, value in live.items()
        if path not in comparison.uncomparable and not live_masking.hides(path)
    }


def _list_carried(
    kind: Kind, desired: Desired, observed: Observed, operation: PlannedOperation
) -> dict[FieldPath, Any]:
    """List the fields that an update carries unchanged. The live value of an ignored field stays in effect."""
    declared = {
        path: value for path, value in operation.declared.items() if path not in desired.ignore_changes
    }
    carried = kind.list_carried(declared, kind.normalize(observed.fields))
    return {path: value for path, value in carried.items() if path not in operation.values}


def _choose_action(values: Fields, trust: TrustPlan, record: Record | None, *, has_tests: bool) -> Action:
    if values:
        return Action.UPDATE
    if trust.changes:
        return Action.APPROVE if trust.approves else Action.REVOKE
    if has_tests:
        return Action.VERIFY
    return Action.NO_OP if record is not None and record.id is not None else Action.ADOPT


def _runs_tests(desired: Desired, action: Action, trust: TrustPlan, status: str, *, has_tests: bool) -> bool:
    """Return whether setup tests follow a change. A healthy destination needs none for an approval: its servers are
    trusted already. A revocation needs them always, to show that the destination can do without."""
    if not desired.setup_tests.run:
        return False
    if action in {Action.APPROVE, Action.REVOKE}:
        return has_tests or trust.revokes or status != HEALTHY_STATUS
    return action in {Action.UPDATE, Action.VERIFY}


def _collect_reasons(
    comparison: Comparison, secrets: Fields, trust: TrustPlan, record: Record | None, *, has_tests: bool
) -> tuple[Reason, ...]:
    reasons = {
        Reason.FIELDS_DIFFER: bool(comparison.changed),
        Reason.SECRETS_SENT: bool(secrets),
        Reason.NOT_REMEMBERED: record is None,
        Reason.INTERRUPTED: record is not None and record.intent is not None,
        Reason.TESTS_OUTSTANDING: has_tests,
        Reason.TRUST_CHANGED: bool(trust.changes),
    }
    return tuple(reason for reason, holds in reasons.items() if holds)


def _assess_risk(fields: Iterable[FieldChange], status: str, *, runs_tests: bool) -> Risk:
    """Assess an update, approvals or tests. Nothing syncs into a destination that is not healthy."""
    if status != HEALTHY_STATUS:
        return Risk.IN_PLACE
    if runs_tests:
        return Risk.INTERRUPTS_SYNCS
    facts = load_risks()
    may_interrupt = any(field.risk and facts[field.risk].interruption for field in fields)
    return Risk.MAY_INTERRUPT_SYNCS if may_interrupt else Risk.IN_PLACE


def _strip_secrets(fields: Fields) -> dict[FieldPath, Any]:
    """Strip secrets from declared fields, for the record. The name of a key in a secrets manager is no secret."""
    return {
        path: value.name if isinstance(value, ExternalKey) else value
        for path, value in fields.items()
        if not isinstance(value, Secret | Reference | Structure)
    }
