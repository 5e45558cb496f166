"""Warn of unfinished work, of entries that may exist under another name, and of creations with unknown needs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from reconciler.catalogue.load import load_service
from reconciler.kinds.destination import SERVICE
from reconciler.model.address import GROUP, Address
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.plan import Action, Change
from reconciler.model.record import Record
from reconciler.model.resource import Desired, Observed
from reconciler.planning.facts import has_outstanding_tests
from reconciler.planning.planner import PlannedOperation
from reconciler.planning.targets import Scope
from reconciler.planning.trust import list_unsettled
from reconciler.planning.trust_findings import explain_waiting

_CREATING = (Action.CREATE, Action.REPLACE)


def warn_without_state(groups: Collection[Observed], changes: Iterable[Change]) -> Iterator[Diagnostic]:
    """Warn of new groups in an account that has groups, for a run without a state.

    Without a record, a group that was renamed at Fivetran looks like a group that is still to be created.
    """
    new_groups = [
        change for change in changes if change.action is Action.CREATE and change.address.kind == GROUP
    ]
    if groups and new_groups:
        yield Diagnostic(
            "no-memory",
            f"{len(new_groups)} of the groups would be created, and there is no state of this account",
            severity=Severity.WARNING,
            notes=("groups are found by `id:` or by their exact names only",),
            help="if one of them exists under another name, write its `id:` into its entry",
        )


def warn_unfinished(
    destinations: Iterable[Desired], records: Mapping[Address, Record], scope: Scope
) -> Iterator[Diagnostic]:
    """Warn of outstanding setup tests out of scope: a narrowed plan must not make unfinished work invisible."""
    for destination in destinations:
        address = destination.address
        is_reported = address in scope.addresses or address.key in scope.left_alone
        record = records.get(address)
        if is_reported or not has_outstanding_tests(destination, record):
            continue
        waiting = list_unsettled(destination.trust, record.awaiting) if record is not None else ()
        if waiting:
            yield from explain_waiting(address, destination.span, waiting, is_left_out=True)
        else:
            yield Diagnostic(
                "unfinished",
                f"{address} was written and has not passed its setup tests; this plan leaves it out",
                span=destination.span,
                severity=Severity.WARNING,
                address=address,
                help=f"`--target {address}` or a plan of everything shows it, and an apply tests it again",
            )


def warn_creation_doubts(operations: Iterable[PlannedOperation]) -> Iterator[Diagnostic]:
    """Warn once of each service whose new destinations may need more than the catalogue knows."""
    first_uses: dict[str, PlannedOperation] = {}
    for operation in operations:
        name = operation.declared.get(SERVICE)
        if operation.change.action in _CREATING and isinstance(name, str):
            first_uses.setdefault(name, operation)
    for service_name, operation in first_uses.items():
        service = load_service(service_name)
        if service is not None and service.creation_doubt:
            yield Diagnostic(
                "creation-unknown",
                f"what a new `{service_name}` destination needs is not known for certain",
                span=operation.desired.spans.get(SERVICE) or operation.desired.span,
                severity=Severity.WARNING,
                notes=(service.creation_doubt,),
                help="compare the spec with Fivetran's setup form for this service",
            )
