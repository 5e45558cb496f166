"""Collect the facts of an entry that need no request: a move, protection, undeclared fields, the status of its object.

A plan shows these facts, and no fact makes a change: a plan with facts only has no changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from reconciler.kinds.destination import UNTESTED_STATUS, is_unhealthy
from reconciler.model.address import Address
from reconciler.model.plan import ProtectionChange
from reconciler.model.record import Answers, Record
from reconciler.model.resource import Desired, OnFailure
from reconciler.model.value import FieldPath, Fields, Secret
from reconciler.planning.trust import grants_awaited, is_widened
from reconciler.secrets.fingerprint import Fingerprinter


def list_moved_addresses(
    stored: Mapping[Address, Record], moved: Mapping[Address, Record], entries: Iterable[Desired]
) -> dict[Address, Address]:
    """List the former address of each entry whose record `was:` moves. `moved` are the records after the moves."""
    return {
        entry.address: entry.moved_from
        for entry in entries
        if entry.moved_from is not None and entry.moved_from in stored and entry.moved_from not in moved
    }


def classify_protection(
    before: Iterable[Record | None], after: Iterable[bool], *, is_declared: bool
) -> ProtectionChange | None:
    """Classify the change of the protection of one entry: one protected record protects both of its objects.

    `before` are the records of the entry, `after` says for each record whether it will be protected. A new entry has no
    protection to change.
    """
    known = [record for record in before if record is not None and record.id is not None]
    was_protected = any(record.protected for record in known)
    if not known or was_protected == is_declared:
        return None
    if is_declared:
        return ProtectionChange.GAINED
    return ProtectionChange.KEPT if any(after) else ProtectionChange.LOST


def find_undeclared_fields(
    record: Record | None, declared: Fields, desired: Desired
) -> tuple[FieldPath, ...]:
    """Find the fields that an earlier run applied and that the specs no longer declare. `declared` are the declared
    fields in normal form.

    A cleared field has no value that could stay. A key of the record may also be the deprecated name of a declared
    secret, which has no normal form.
    """
    if record is None:
        return ()
    paths = [path for path, value in record.applied.items() if value is not None]
    return tuple(
        path
        for path in dict.fromkeys([*paths, *record.fingerprints])
        if path not in declared and path not in desired.fields
    )


def build_answers(
    unkept: Fields,
    desired: Desired,
    hides: Callable[[FieldPath, Any], bool],
    record: Record | None,
    fingerprinter: Fingerprinter | None,
) -> Answers:
    """Build the answers to store. A hidden answer is not stored without a key: its field stays a difference.

    `hides` is about a path and its live value. A matching stored fingerprint stays, so that the record of an unchanged
    object does not change, and no later run stores the answer in clear.
    """
    stored = record.answer_fingerprints if record is not None else {}
    public = {
        path: live
        for path, live in unkept.items()
        if live is None or not (path in stored or hides(path, live))
    }
    fingerprints: dict[FieldPath, str] = {}
    for path, live in unkept.items():
        if path not in public and fingerprinter is not None:
            kept = stored.get(path)
            is_current = (
                kept is not None and fingerprinter.is_own(kept) and fingerprinter.matches(kept, Secret(live))
            )
            fingerprints[path] = (
                kept
                if kept is not None and is_current
                else fingerprinter.fingerprint_field(desired.address, path, Secret(live))
            )
    return Answers(public, fingerprints)


def has_outstanding_tests(desired: Desired, record: Record | None, status: str = "") -> bool:
    """Return whether the setup tests that the spec demands have not passed yet, as far as the record and the live
    `status` show. An empty status shows nothing.

    An unhealthy object without a record has never been tested by this project, or its record is lost. After tests
    without success, only required tests run again, and tests that waited for an approval that the spec grants now: a
    result that the spec accepts must not lead to another run in every plan. The same holds for a status that stayed
    although all tests have passed. An unhealthy object is tested once more after an edit of its spec that turns the
    tests on or trusts more servers. An object that became `broken` after its tests had passed is reported, and not
    tested again: its spec has not changed.
    """
    tests = desired.setup_tests
    if not tests.run:
        return False
    if record is None:
        return is_unhealthy(status)
    if is_unhealthy(status) and (record.grants.untested or is_widened(desired.trust, record)):
        return True
    if record.unverified:
        return tests.on_failure is OnFailure.FAIL or grants_awaited(desired.trust, record)
    return status == UNTESTED_STATUS and record.settled_status != status
