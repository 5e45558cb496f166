"""Warn of unfinished work, and of entries that may exist under another name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from reconciler.model.address import GROUP, Address
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.plan import Action, Change
from reconciler.model.record import Record
from reconciler.model.resource import Desired, Observed
from reconciler.planning.facts import has_outstanding_tests
from reconciler.planning.targets import Scope


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
        if not is_reported and has_outstanding_tests(destination, records.get(address)):
            yield Diagnostic(
                "unfinished",
                f"{address} was written and has not passed its setup tests; this plan leaves it out",
                span=destination.span,
                severity=Severity.WARNING,
                address=address,
                help=f"`--target {address}` or a plan of everything shows it, and an apply tests it again",
            )
