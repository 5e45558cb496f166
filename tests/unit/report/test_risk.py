"""Test the phrases about risks that all formats of a plan share."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report_values import build_plan, destination_address

from reconciler.model.plan import Action, Change, FieldChange
from reconciler.model.risk import FieldRisk, Risk
from reconciler.report.risk import format_risk, format_risk_counts, format_risk_sentence


def make_update(key: str, risk: Risk, *fields: FieldRisk) -> Change:
    changed = tuple(FieldChange(("config", str(field)), "a", "b", risk=field) for field in fields)
    return Change(destination_address(key), Action.UPDATE, fields=changed, risk=risk, id=key)


CERTAIN = make_update("lake", Risk.INTERRUPTS_SYNCS, FieldRisk.REGION, FieldRisk.CREDENTIALS)
POSSIBLE = make_update("shop", Risk.MAY_INTERRUPT_SYNCS, FieldRisk.CREDENTIALS)
IDLE = make_update("idle", Risk.IN_PLACE, FieldRisk.NETWORKING)
RENAMED = make_update("name", Risk.IN_PLACE, FieldRisk.COSMETIC)
DELETED = Change(destination_address("old"), Action.DELETE, risk=Risk.DESTROYS, id="old")
REPLACED = Change(
    destination_address("moved"),
    Action.REPLACE,
    fields=(FieldChange(("region",), "a", "b", risk=FieldRisk.REGION),),
    risk=Risk.REPLACES,
    id="moved",
)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            CERTAIN,
            "interrupts syncs while setup tests run; moves the processing of data to another region;"
            " changes the login at the server",
        ),
        (POSSIBLE, "may interrupt syncs; changes the login at the server"),
        (IDLE, "changes the network path to the server"),
        (RENAMED, ""),
        (make_update("role", Risk.MAY_INTERRUPT_SYNCS, FieldRisk.SETTINGS), "may interrupt syncs"),
    ],
)
def test_a_change_names_its_worst_consequence_first(change: Change, text: str) -> None:
    assert format_risk(change) == text


def test_a_consequence_of_two_fields_is_named_once() -> None:
    change = make_update("lake", Risk.IN_PLACE, FieldRisk.NETWORKING, FieldRisk.NETWORKING)
    assert format_risk(change) == "changes the network path to the server"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ((CERTAIN,), "interrupts syncs of 1 entry (region of 1, credentials of 1)"),
        ((POSSIBLE,), "may interrupt syncs of 1 entry (credentials of 1)"),
        (
            (CERTAIN, POSSIBLE, REPLACED, DELETED),
            "interrupts syncs of 2 entries, may interrupt those of 1 entry (region of 2, credentials of 2)",
        ),
        ((IDLE, RENAMED), "risks: networking of 1"),
        ((RENAMED, DELETED), ""),
        ((), ""),
    ],
)
def test_entries_are_counted_by_risk(changes: tuple[Change, ...], text: str) -> None:
    assert format_risk_counts(replace(build_plan(), changes=changes)) == text


def test_an_entry_counts_once() -> None:
    again = replace(CERTAIN, address=replace(CERTAIN.address, kind="group"))
    plan = replace(build_plan(), changes=(CERTAIN, again))
    assert format_risk_counts(plan) == "interrupts syncs of 1 entry (region of 1, credentials of 1)"


def test_the_counts_are_a_sentence_of_a_text() -> None:
    assert format_risk_sentence(replace(build_plan(), changes=(IDLE,))) == "Risks: networking of 1."
    assert format_risk_sentence(build_plan()) == ""
