"""Test fingerprints in place of values: the origin of a change, and fields that no response shows."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.kinds.destination import SERVICE, DestinationKind
from reconciler.model.address import DESTINATION, Address
from reconciler.model.plan import Origin
from reconciler.model.record import HIDDEN_LITERAL, NO_FINGERPRINT
from reconciler.model.value import Secret
from reconciler.planning.diff import compare
from reconciler.planning.last_applied import LastApplied
from reconciler.secrets.fingerprint import Fingerprinter

NEW = ("config", "new")
OURS, THEIRS = Fingerprinter(b"k" * 32), Fingerprinter(b"another".ljust(32))
NOTHING = "nothing"


def make_fingerprint(value: Any, maker: Fingerprinter = OURS) -> str:
    return maker.fingerprint_field(Address(DESTINATION, "orders"), NEW, Secret(value))


@pytest.mark.parametrize(
    ("applied", "seen", "origin"),
    [  # the spec says "a"; None is no change, "open" cannot be decided
        (make_fingerprint("a"), "a", None),
        (make_fingerprint("a"), "b", Origin.DRIFT),
        (make_fingerprint("a"), None, None),
        (make_fingerprint("a"), "******", None),
        (make_fingerprint("b"), "b", Origin.SPEC),
        (make_fingerprint("b"), "c", Origin.CONFLICT),
        (make_fingerprint("b"), "a", None),
        (make_fingerprint("b"), None, Origin.SPEC),
        (make_fingerprint("b"), "******", Origin.SPEC),
        (HIDDEN_LITERAL, "a", None),
        (HIDDEN_LITERAL, "b", Origin.SPEC),
        (HIDDEN_LITERAL, None, "open"),
        (HIDDEN_LITERAL, "******", "open"),
        (make_fingerprint("a", THEIRS), "b", Origin.SPEC),
        (make_fingerprint("a", THEIRS), "******", "open"),
        # The fingerprint of a resolved reference does not prove that the secret is this literal.
        (NO_FINGERPRINT, "b", Origin.SPEC),
        (NO_FINGERPRINT, None, Origin.SPEC),
        (NO_FINGERPRINT, "******", Origin.SPEC),
        (NOTHING, "b", Origin.SPEC),
        (NOTHING, None, Origin.SPEC),
        (NOTHING, "******", Origin.SPEC),
    ],
)
def test_the_origin_of_a_hidden_change_is_found_by_fingerprint(
    applied: str, seen: str | None, origin: Origin | str | None
) -> None:
    last = LastApplied({SERVICE: "snowflake"}, {} if applied == NOTHING else {NEW: applied}, OURS)
    there = {SERVICE: "snowflake"} | ({} if seen is None else {NEW: seen})
    found = compare(DestinationKind(), {SERVICE: "snowflake", NEW: "a"}, there, last)
    assert {path: each.origin for path, each in found.changed.items()} == (
        {NEW: origin} if isinstance(origin, Origin) else {}
    )
    assert found.uncomparable == ((NEW,) if origin == "open" else ())


@pytest.mark.parametrize("value", [1, 1.5, True, "", ["a", {"b": None}], {"b": 1, "a": [2]}])
def test_any_value_has_a_fingerprint(value: Any) -> None:
    last = LastApplied({}, {NEW: make_fingerprint(value)}, OURS)
    assert last.lookup_values({NEW: value}, {}) == {NEW: value}
    assert last.lookup_values({NEW: "other"}, {NEW: value}) == {NEW: value}
