"""Test that a fingerprint shows whether a secret changed, and nothing else."""

from __future__ import annotations

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
