"""Take declared secrets for the secrets that Fivetran has, for `apply --secrets-as-they-are`. Sends nothing.

The operator asserts it; nothing shows it. So only a value without a fingerprint is asserted: a fingerprint is the proof
of another run, and a value that differs from its fingerprint is a rotation, which an apply sends as always. A hidden
literal is asserted like a secret if nothing shows its live value: an edit of it would go unnoticed too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from reconciler.kinds.destination import SERVICE
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.plan import AssertedValue, Change
from reconciler.model.record import HIDDEN_LITERAL, NO_FINGERPRINT, Record, is_fingerprint, mark_asserted
from reconciler.model.resource import Desired
from reconciler.model.value import FieldPath, Reference, Secret, find_references
from reconciler.planning.fields import is_resolved_locally
from reconciler.planning.planner import PlannedOperation, Planner
from reconciler.secrets.fingerprint import Fingerprinter


def require_fingerprint_key(fingerprinter: Fingerprinter | None) -> None:
    """Raise `ReconcilerError` without a key of fingerprints: without fingerprints there is nothing to record."""
    if fingerprinter is None:
        raise ReconcilerError([_NO_KEY])


_NO_KEY = Diagnostic(
    "no-fingerprint-key",
    "`--secrets-as-they-are` records fingerprints, and there is no key to make them with",
    notes=("a state in git or in a bucket has no key of its own",),
    help='write for example `fingerprint_key: {secret: "env:FINGERPRINT_KEY"}` into the project file',
)


def assert_values_of(operation: PlannedOperation, planner: Planner) -> PlannedOperation:
    """Assert all declared values of an existing object that cannot be compared and that its change does not send.

    A reference that cannot be resolved is a refusal among the diagnostics of the planner.
    """
    fingerprinter, desired, update = planner.fingerprinter, operation.desired, operation.record_update
    if fingerprinter is None or operation.change.id is None:
        return operation
    values = {path: _read_value(operation, path, planner) for path in _find_assertable(operation)}
    fingerprints = {
        path: mark_asserted(
            update.fingerprints[path], fingerprinter.fingerprint_field(desired.address, path, value)
        )
        for path, value in values.items()
        if value is not None
    }
    if not fingerprints:
        return operation
    return replace(
        operation,
        change=_count_as_unchanged(operation.change, [*fingerprints]),
        record_update=replace(update, fingerprints={**update.fingerprints, **fingerprints}),
        asserted=tuple(_describe(operation, path) for path in fingerprints),
    )


def list_asserted_references(desired: Desired, record: Record | None) -> Iterator[Reference]:
    """List the references whose values `assert_values_of` needs, so that they can be read ahead."""
    stored = record.fingerprints if record is not None else {}
    for path, value in desired.fields.items():
        if (
            is_resolved_locally(desired, path)
            and not is_fingerprint(stored.get(path, NO_FINGERPRINT))
            and path not in desired.ignore_changes
        ):
            yield from find_references(value)


def _find_assertable(operation: PlannedOperation) -> Iterator[FieldPath]:
    desired, change = operation.desired, operation.change
    # A value that the change sends has a fingerprint here already.
    for path, stored in operation.record_update.fingerprints.items():
        if is_fingerprint(stored) or path in desired.ignore_changes:
            continue
        if _is_reference(operation, path) or (stored == HIDDEN_LITERAL and path in change.uncomparable):
            yield path


def _is_reference(operation: PlannedOperation, path: FieldPath) -> bool:
    desired = operation.desired
    return path in desired.fields and is_resolved_locally(desired, path)


def _read_value(operation: PlannedOperation, path: FieldPath, planner: Planner) -> Secret | None:
    """Read the declared value of a field; None for a reference that cannot be resolved."""
    if not _is_reference(operation, path):
        return Secret(operation.declared[path])
    known = len(planner.diagnostics)
    secret = planner.resolve_secret(operation.desired, path, operation.declared.get(SERVICE))
    planner.diagnostics[known:] = [
        _advise_exclusion(refusal, operation.desired.address.key) for refusal in planner.diagnostics[known:]
    ]
    return secret


def _advise_exclusion(refusal: Diagnostic, key: str) -> Diagnostic:
    """Replace the advice of a refused reference: without its value, nothing of its entry can be recorded."""
    group = refusal.group
    return replace(
        refusal,
        help=f"provide the referenced value, or leave the entry out: `--exclude {key}`",
        group=group
        and replace(
            group, help="provide the referenced values, or leave their entries out with `--exclude KEY`"
        ),
    )


def _count_as_unchanged(change: Change, paths: list[FieldPath]) -> Change:
    """Count asserted secrets as unchanged, and no asserted value as uncomparable."""
    secrets = change.secrets
    asserted = tuple(path for path in secrets.uncomparable if path in paths)
    return replace(
        change,
        uncomparable=tuple(path for path in change.uncomparable if path not in paths),
        secrets=replace(
            secrets,
            unchanged=(*secrets.unchanged, *asserted),
            uncomparable=tuple(path for path in secrets.uncomparable if path not in paths),
        ),
    )


def _describe(operation: PlannedOperation, path: FieldPath) -> AssertedValue:
    source = str(operation.desired.fields[path]) if _is_reference(operation, path) else None
    return AssertedValue(operation.change.address, path, source)
