"""Test that a fingerprint shows whether a secret changed, and nothing else."""

from __future__ import annotations

import pytest

from reconciler.model.record import (
    HIDDEN_LITERAL,
    NO_FINGERPRINT,
    Record,
    is_asserted,
    is_fingerprint,
    mark_asserted,
    strip_assertion,
    withdraw_assertion,
)
from reconciler.model.value import Secret
from reconciler.secrets.fingerprint import Fingerprinter

OURS, THEIRS = Fingerprinter(b"a" * 32), Fingerprinter(b"b" * 32)
PLACE = "destination.orders:config.größe:x"


def test_a_fingerprint_matches_its_secret_and_no_other() -> None:
    kept = OURS.fingerprint(PLACE, Secret("pass:word"))
    assert OURS.matches(kept, Secret("pass:word"))
    assert not OURS.matches(kept, Secret("pass:wort"))
    assert not OURS.matches(kept, Secret(["pass:word"]))


def test_one_secret_at_two_addresses_has_two_fingerprints() -> None:
    one, other = (
        OURS.fingerprint(place, Secret("x")).split(":")[1] for place in (PLACE, "destination.sales:y")
    )
    assert one != other


def test_only_the_own_key_matches_a_fingerprint() -> None:
    kept = OURS.fingerprint(PLACE, Secret("x"))
    assert OURS.is_own(kept)
    assert not THEIRS.is_own(kept)
    assert not THEIRS.matches(kept, Secret("x"))


@pytest.mark.parametrize("replaced", [NO_FINGERPRINT, HIDDEN_LITERAL])
def test_the_mark_of_an_asserted_value_changes_no_comparison_and_can_be_withdrawn(replaced: str) -> None:
    kept = OURS.fingerprint(PLACE, Secret("pass:word"))
    marked = mark_asserted(replaced, kept)
    assert is_asserted(marked)
    assert is_fingerprint(marked)
    assert (OURS.is_own(marked), THEIRS.is_own(marked)) == (True, False)
    assert OURS.matches(marked, Secret("pass:word"))
    assert not OURS.matches(marked, Secret("pass:wort"))
    assert (strip_assertion(marked), withdraw_assertion(marked)) == (kept, replaced)
    assert Record(fingerprints={("a",): marked, ("b",): kept}).asserted == (("a",),)


@pytest.mark.parametrize("stored", [NO_FINGERPRINT, HIDDEN_LITERAL, OURS.fingerprint(PLACE, Secret("x"))])
def test_a_stored_text_without_a_mark_has_nothing_to_withdraw(stored: str) -> None:
    assert not is_asserted(stored)
    assert strip_assertion(stored) == withdraw_assertion(stored) == stored
