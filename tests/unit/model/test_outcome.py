"""Test the effect of each status: exactly one of in effect, untried, failed and unknown."""

from __future__ import annotations

import pytest

from reconciler.model.outcome import Status

IN_EFFECT, UNTRIED, UNCERTAIN, WITHOUT_EFFECT = "in effect", "untried", "uncertain", "without effect"


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (Status.DONE, IN_EFFECT),
        (Status.AWAITING_APPROVAL, IN_EFFECT),
        (Status.FAILED, WITHOUT_EFFECT),
        (Status.SKIPPED, UNTRIED),
        (Status.HELD, UNTRIED),
        (Status.CANCELLED, UNTRIED),
        (Status.UNKNOWN, UNCERTAIN),
    ],
)
def test_each_status_has_its_effect(status: Status, meaning: str) -> None:
    assert status.is_in_effect is (meaning == IN_EFFECT)
    assert status.is_untried is (meaning == UNTRIED)
    assert status.may_be_in_effect is (meaning in {IN_EFFECT, UNCERTAIN})
