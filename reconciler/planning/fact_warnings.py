"""Warn of facts that a reader of a plan must not miss: unhealthy destinations, lost protection, fields not kept."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from reconciler.kinds.destination import BROKEN_STATUS, is_unhealthy
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, FindingGroup, Severity
from reconciler.model.plan import (
    Action,
    Change,
    FieldValue,
    ProtectionChange,
    UndeclaredDestination,
    Visibility,
)
from reconciler.model.record import Record
from reconciler.model.resource import Desired, OnFailure
from reconciler.model.source import Span
from reconciler.model.value import format_path
from reconciler.planning.deletions import PlannedDeletion
from reconciler.planning.planner import PlannedOperation

_TESTED_NOW = frozenset({Action.CREATE, Action.REPLACE, Action.VERIFY, Action.APPROVE, Action.REVOKE})


def warn_of_facts(
    operations: Iterable[PlannedOperation],
    deletions: Iterable[PlannedDeletion],
    records: Mapping[Address, Record],
) -> Iterator[Diagnostic]:
    """Warn of the facts of all entries, in the order of the plan."""
    for operation in operations:
        change, record = operation.change, records.get(operation.change.address)
        if change.facts.protection is ProtectionChange.LOST:
            yield _explain_lost_protection(operation)
        if _must_warn_of_status(change):
            yield _explain_unhealthy(operation, record)
        yield from warn_unkept([operation])
    for deletion in deletions:
        if deletion.change.facts.protection is ProtectionChange.LOST:
            yield _explain_forgotten_protection(deletion.change)


def _must_warn_of_status(change: Change) -> bool:
    """Return whether to warn of the status: always of a broken destination, since its syncs have stopped, and of an
    incomplete destination if this plan does not run its setup tests. A server that waits for an approval has a warning
    of its own."""
    status = change.facts.setup_status
    if change.facts.trust.waiting:
        return False
    return status == BROKEN_STATUS or (is_unhealthy(status) and change.action not in _TESTED_NOW)


def warn_broken_undeclared(
    destinations: Iterable[UndeclaredDestination], groups: Iterable[Desired], scope: Collection[Address]
) -> Iterator[Diagnostic]:
    """Warn of broken destinations that the entries of their groups do not declare, as far as the entries are in
    `scope`. Destinations of other groups are a matter of their own teams, and are only listed."""
    entries = {group.address.key: group for group in groups if group.address in scope}
    for found in destinations:
        entry = entries.get(found.address.key)
        if entry is not None and found.destination.setup_status == BROKEN_STATUS:
            yield Diagnostic(
                "not-connected",
                f"{found.address} is `{BROKEN_STATUS}` at Fivetran, and its entry does not declare it",
                span=entry.span,
                severity=Severity.WARNING,
                address=found.address,
                help="correct the cause in Fivetran, or declare it with `destination:`",
                group=FindingGroup(
                    "destination",
                    f"that no entry declares are `{BROKEN_STATUS}` at Fivetran",
                    found.address.key,
                    "correct the causes in Fivetran, or declare them with `destination:`",
                ),
            )


def warn_unkept(operations: Iterable[PlannedOperation]) -> Iterator[Diagnostic]:
    """Warn of the fields that Fivetran did not keep."""
    for operation in operations:
        yield from (_explain_unkept(operation.desired, unkept) for unkept in operation.unkept)


def _explain_lost_protection(operation: PlannedOperation) -> Diagnostic:
    desired = operation.desired
    return Diagnostic(
        "protection-lost",
        f"{desired.address} loses its protection from deletion with this apply",
        span=desired.span,
        severity=Severity.WARNING,
        address=desired.address,
        help="to keep it, write `lifecycle: {protected: true}`, or its key below `protected:` of the project file",
    )


def _explain_forgotten_protection(change: Change) -> Diagnostic:
    return Diagnostic(
        "protection-lost",
        f"{change.address} is protected, and loses its protection with `forget: true`",
        span=change.span,
        severity=Severity.WARNING,
        address=change.address,
        help="this deletes nothing; to keep the protection, keep the entry in the specs",
    )


def _explain_unhealthy(operation: PlannedOperation, record: Record | None) -> Diagnostic:
    desired, status = operation.desired, operation.change.facts.setup_status
    if record is not None and not record.unverified and record.settled_status == status:
        return explain_settled_status(desired.address, desired.span, status)
    advice = _advise_unhealthy(desired, operation, record)
    return Diagnostic(
        "not-connected",
        f"{desired.address} is `{status}` at Fivetran: "
        + (
            "a later check of its connection has failed"
            if status == BROKEN_STATUS
            else "its setup tests have not passed"
        ),
        span=desired.span,
        severity=Severity.WARNING,
        address=desired.address,
        help=advice,
        group=_group_by_status(desired.address, status, advice),
    )


def _group_by_status(address: Address, status: str, advice: str) -> FindingGroup:
    """Describe a destination among several of one status."""
    shared_advice = advice.replace(str(address), "ADDRESS").replace(" its ", " their ")
    return FindingGroup("destination", f"are `{status}` at Fivetran", address.key, shared_advice)


def _advise_unhealthy(desired: Desired, operation: PlannedOperation, record: Record | None) -> str:
    """Advise on the reason why this plan does not run the setup tests alone."""
    if not desired.setup_tests.run and (
        record is None or operation.change.facts.setup_status != BROKEN_STATUS
    ):
        return "`setup_tests: {run: false}` keeps apply from testing it; `run: true` tests it once"
    if operation.change.action is Action.VERIFY:
        return "apply runs its setup tests"
    if operation.change.action is Action.REPLACE:
        return "apply deletes it, creates it again and tests it"
    if operation.change.action is Action.UPDATE:
        return "its setup tests run after the update"
    if record is not None and record.unverified and desired.setup_tests.on_failure is not OnFailure.FAIL:
        return (
            f"`on_failure: {desired.setup_tests.on_failure}` accepts its failed setup tests; "
            "`on_failure: fail` runs them again"
        )
    return f"correct the cause, then run `reconciler test {desired.address}`"


def explain_settled_status(address: Address, span: Span | None, status: str) -> Diagnostic:
    """Explain an unhealthy status that stays although all setup tests have passed."""
    advice = f"look at its setup tests in Fivetran, or run them again: `reconciler test {address}`"
    return Diagnostic(
        "not-connected",
        f"{address} has passed its setup tests, and Fivetran still shows it as `{status}`",
        span=span,
        severity=Severity.WARNING,
        address=address,
        help=advice,
        group=_group_by_status(address, status, advice),
    )


def _explain_unkept(desired: Desired, unkept: FieldValue) -> Diagnostic:
    if unkept.shown is not Visibility.CLEAR:
        answer = "it answers another value"
    elif unkept.value is None:
        answer = "its answers do not have it"
    else:
        answer = f"it answers `{unkept.value}`"
    return Diagnostic(
        "not-kept",
        f"`{format_path(unkept.path)}` of {desired.address} was sent, and Fivetran did not keep it: {answer}",
        span=desired.spans.get(unkept.path, desired.span),
        severity=Severity.WARNING,
        address=desired.address,
        help="it is not sent again before its spec changes; delete it from the spec if Fivetran is right",
    )
