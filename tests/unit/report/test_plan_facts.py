"""Test the notes of a plan: which fields they name, and names that must not be read as markup."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.model.address import DESTINATION, Address
from reconciler.model.plan import (
    Action,
    Change,
    ChangeFacts,
    FieldChange,
    FieldValue,
    Plan,
    SecretComparison,
    Visibility,
)
from reconciler.report.plan_facts import list_notes
from reconciler.report.plan_markdown import render_plan_markdown
from reconciler.report.plan_text import Detail, render_plan_text

ORDERS = Address(DESTINATION, "orders")
PASSWORD, KEY = ("config", "password"), ("config", "private_key")


def build_plan(change: Change) -> Plan:
    return Plan("an_account", "", (change,))


def list_texts(change: Change, *uncomparable_secrets: str) -> list[str]:
    plan = replace(build_plan(change), uncomparable_secrets=uncomparable_secrets)
    return [note.format() for note in list_notes(plan)]


def test_a_secret_of_a_secrets_manager_gets_no_advice_to_send_it() -> None:
    change = Change(
        ORDERS,
        Action.NO_OP,
        secrets=SecretComparison(uncomparable=(PASSWORD, KEY)),
        uncomparable=(PASSWORD, KEY),
        other_values=(FieldValue(PASSWORD, "name-in-vault"), FieldValue(KEY, "env:KEY", Visibility.SECRET)),
    )
    assert list_texts(change, "destination.orders:config.private_key") == [
        "`config.private_key` cannot be compared; `--resend-secret destination.orders` sends it",
        "`config.password` cannot be compared: Fivetran does not show names in a secrets manager",
    ]


def test_a_secret_that_the_change_sends_needs_no_note() -> None:
    change = Change(
        ORDERS,
        Action.UPDATE,
        fields=(FieldChange(KEY, None, "env:KEY", Visibility.SECRET),),
        secrets=SecretComparison(uncomparable=(KEY,)),
    )
    assert list_texts(change, "destination.orders:config.private_key") == []


@pytest.mark.parametrize(("entries", "notes"), [(2, 2), (3, 1)])
def test_a_few_entries_have_a_note_each(entries: int, notes: int) -> None:
    changes = tuple(
        Change(
            Address(DESTINATION, f"d{number}"),
            Action.NO_OP,
            secrets=SecretComparison(uncomparable=(PASSWORD,)),
            uncomparable=(PASSWORD,),
        )
        for number in range(entries)
    )
    names = tuple(f"{change.address}:config.password" for change in changes)
    plan = Plan("an_account", "", changes, uncomparable_secrets=names)
    assert len(list_notes(plan)) == notes
    assert len(list_notes(plan, names_all=True)) == entries


def test_many_notes_of_a_kind_are_cut_and_verbose_shows_all() -> None:
    facts = ChangeFacts(undeclared=(PASSWORD,))
    plan = Plan(
        "an_account",
        "",
        tuple(Change(Address(DESTINATION, f"d{number}"), Action.NO_OP, facts=facts) for number in range(7)),
    )
    shown = render_plan_text(plan).plain
    assert shown.count("no longer declared") == 5
    assert "\n  and 2 more; `--verbose` names all\n" in shown
    assert render_plan_text(plan, Detail.EVERYTHING).plain.count("no longer declared") == 7


def test_a_name_in_a_note_of_a_comment_is_code() -> None:
    name = "a` <img src=x> **b** `c"
    change = Change(ORDERS, Action.NO_OP, facts=ChangeFacts(undeclared=(("config", name),)))
    comment = render_plan_markdown(build_plan(change), "reconciler.yaml", lambda path, line: None)
    [row] = [line for line in comment.splitlines() if "no longer declared" in line]
    assert f"``config.{name}``" in row
