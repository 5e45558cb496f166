"""Order and groups of changes in texts and comments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from report_values import build_plan, destination_address, group_address, make_span

from reconciler.model.plan import (
    Action,
    Change,
    ChangeFacts,
    FieldChange,
    Origin,
    Plan,
    SecretComparison,
    Visibility,
)
from reconciler.model.risk import Risk
from reconciler.report.change_groups import MAX_NAMES
from reconciler.report.plan_markdown import render_plan_markdown
from reconciler.report.plan_text import Detail, render_plan_text

ROLE = FieldChange(("config", "role"), "ACCOUNTADMIN", "FIVETRAN_ROLE", origin=Origin.DRIFT)
KEY = FieldChange(("config", "key"), None, "env:KEY", Visibility.SECRET)
CHANGED = SecretComparison(changed=(KEY.path,))


def make_update(number: int, *fields: FieldChange, **facts: Any) -> Change:
    return Change(
        destination_address(f"d{number:02}"),
        Action.UPDATE,
        fields=fields,
        id=f"id_{number}",
        span=make_span("specs/groups/main.yaml", number),
        risk=Risk.INTERRUPTS_SYNCS,
        **facts,
    )


def render(*changes: Change, width: int | None = None, **options: Any) -> list[str]:
    """Render the text of a plan without its head and its counts."""
    text = render_plan_text(build_plan(*changes), width=width, **options).plain
    return text.partition("\n\n")[2].rpartition("\n\n")[0].splitlines()


def comment(*changes: Change, **options: Any) -> str:
    return render_plan_markdown(build_plan(*changes), "p.yaml", lambda path, line: None, **options)


ORDER = (
    Action.DELETE,
    Action.REPLACE,
    Action.CREATE,
    Action.UPDATE,
    Action.APPROVE,
    Action.REVOKE,
    Action.APPROVE,
    Action.VERIFY,
)
ADDED = FieldChange(("service",), None, "snowflake")


def make_every_action() -> Plan:
    actions = (ORDER[3], ORDER[7], ORDER[2], ORDER[4], ORDER[5], ORDER[6], ORDER[0], ORDER[1])
    return build_plan(
        *(
            Change(destination_address(f"d{number}"), action, fields=(ADDED,))
            for number, action in enumerate(actions)
        )
    )


def test_a_text_shows_the_worst_action_first() -> None:
    lines = render_plan_text(make_every_action()).plain.splitlines()
    symbols = [line.partition(" destination.")[0] for line in lines if " destination." in line]
    assert symbols == ["-", "-/+", "+", "~", "✓", "✗", "✓", "?"]


def test_a_comment_shows_the_worst_action_first() -> None:
    plan = make_every_action()
    risks = {Action.DELETE: Risk.DESTROYS, Action.REPLACE: Risk.REPLACES}
    changes = [replace(change, risk=risks.get(change.action, Risk.IN_PLACE)) for change in plan.changes]
    text = comment(*changes)
    names = [f"{change.address.key}</code>" for change in changes]
    names[6] = "> - **delete** `destination.d6`"
    names[0] = "- **update** `destination.d0`"
    names[1] = "> - **verify** `destination.d1`"
    places = [text.index(names[number]) for number in (6, 7, 2, 0, 3, 4, 5, 1)]
    assert places == sorted(places)


def test_equal_updates_are_one_block_and_other_updates_keep_their_order() -> None:
    other = FieldChange(("config", "port"), 1, 2)
    changes = [
        make_update(1, other),
        *(make_update(number, ROLE) for number in (2, 3, 4)),
        make_update(5, other),
    ]
    assert render(*changes) == [
        '~ 3 destinations  config.role  "ACCOUNTADMIN" -> "FIVETRAN_ROLE"   drift: changed outside the specs',
        "    d02, d03, d04",
        "  ! interrupts syncs while setup tests run",
        "",
        "~ destination.d01  ! config.port  1 -> 2  specs/groups/main.yaml:1",
        "~ destination.d05  ! config.port  1 -> 2  specs/groups/main.yaml:5",
        "  ! interrupts syncs while setup tests run",
    ]


def test_two_equal_updates_stay_single() -> None:
    assert not any("destinations" in line for line in render(make_update(1, ROLE), make_update(2, ROLE)))


def test_outstanding_tests_are_one_block() -> None:
    changes = [replace(make_update(number), action=Action.VERIFY, risk=Risk.IN_PLACE) for number in (1, 2, 3)]
    assert render(*changes) == [
        "? 3 destinations  setup tests have not passed; apply runs them",
        "    d01, d02, d03",
    ]
    assert ">   `d01`, `d02`, `d03`" in comment(*changes).splitlines()


@pytest.mark.parametrize(
    "action", [Action.CREATE, Action.REPLACE, Action.DELETE, Action.APPROVE, Action.REVOKE]
)
def test_every_creation_and_destruction_is_reviewed_by_itself(action: Action) -> None:
    changes = [replace(make_update(number, ADDED), action=action) for number in range(5)]
    assert not any("destinations" in line for line in render(*changes))
    assert "5 destinations" not in comment(*changes).partition("\n\n")[2].partition("\n\n")[2]


LONG = "x" * 300
DIFFERENCES: dict[str, Callable[[Change], Change]] = {
    "another value": lambda change: replace(change, fields=(replace(ROLE, after="OTHER"),)),
    "another value before": lambda change: replace(change, fields=(replace(ROLE, before="OTHER"),)),
    "another type": lambda change: replace(change, fields=(replace(ROLE, before=1, after="1"),)),
    "another origin": lambda change: replace(change, fields=(replace(ROLE, origin=Origin.SPEC),)),
    "another risk": lambda change: replace(change, risk=Risk.IN_PLACE),
    "another field": lambda change: replace(change, fields=(replace(ROLE, path=("config", "user")),)),
    "one field more": lambda change: replace(change, fields=(ROLE, ADDED)),
    "another kind": lambda change: replace(change, address=group_address("d02")),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_different_updates_are_never_one_block(name: str) -> None:
    first, second, third = (make_update(number, ROLE) for number in (1, 2, 3))
    assert any("3 destinations" in line for line in render(first, second, third))
    shown = [
        render(first, DIFFERENCES[name](second), third),
        comment(first, DIFFERENCES[name](second), third),
    ]
    assert not any("destinations  config" in line for line in shown[0])
    assert "- **update** 3 destinations" not in shown[1]


def test_long_values_that_look_alike_are_not_equal() -> None:
    """A text crops both values to the same characters."""
    fields = [FieldChange(("config", "pem"), None, LONG + end) for end in "abc"]
    changes = [make_update(number, field) for number, field in enumerate(fields)]
    assert (
        len({line.split("config.pem")[1].split("  specs")[0] for line in render(*changes) if "pem" in line})
        == 1
    )
    assert not any("3 destinations" in line for line in render(*changes))


def test_changed_secrets_of_other_references_are_not_equal() -> None:
    sources = ["env:KEY", "env:KEY", "env:OTHER"]
    changes = [
        make_update(n, replace(KEY, after=source), secrets=CHANGED) for n, source in enumerate(sources)
    ]
    assert not any("3 destinations" in line for line in render(*changes))
    same = [make_update(number, KEY, secrets=CHANGED) for number in range(3)]
    assert render(*same)[0] == "~ 3 destinations  config.key  (secret env:KEY, changed)"


def test_a_secret_that_cannot_be_compared_is_not_equal_to_a_changed_one() -> None:
    comparisons = [CHANGED, CHANGED, SecretComparison(uncomparable=(KEY.path,))]
    changes = [make_update(n, KEY, secrets=comparison) for n, comparison in enumerate(comparisons)]
    assert not any("3 destinations" in line for line in render(*changes))


def test_updates_of_several_fields_show_fields_then_entries() -> None:
    port = FieldChange(("config", "port"), 443, 8443)
    assert render(*(make_update(number, ROLE, port) for number in (1, 2, 3))) == [
        "~ 3 destinations",
        '    config.role             "ACCOUNTADMIN" -> "FIVETRAN_ROLE"   drift: changed outside the specs',
        "    config.port             443 -> 8443",
        "    d01, d02, d03",
        "  ! interrupts syncs while setup tests run",
    ]


MANY = [
    make_update(number, ROLE, facts=ChangeFacts(setup_status="connected")) for number in range(MAX_NAMES + 5)
]


def test_names_are_folded_and_counted_from_a_number_on() -> None:
    lines = render(*MANY, width=60)
    assert all(len(line) <= 60 for line in lines[1:])
    assert " ".join(line.strip() for line in lines[1:-1]).endswith("d29 and 5 more; `--verbose` names all")


def test_verbose_names_every_entry_with_its_place_and_status() -> None:
    lines = render(*MANY, detail=Detail.EVERYTHING)
    assert lines[0].startswith("~ 35 destinations")
    assert lines[1:36] == [
        f"    d{number:02}  specs/groups/main.yaml:{number:<2}  connected" for number in range(MAX_NAMES + 5)
    ]


def test_a_comment_names_every_entry() -> None:
    text = comment(*MANY)
    assert all(text.count(f"`d{number:02}`") == 1 for number in range(MAX_NAMES + 5))
    assert "<details><summary>5 more of the 35 destinations</summary>" in text
    assert "`d07` (`specs/groups/main.yaml:7`)" in comment(*MANY, names_places=True)


def test_full_shows_each_change_as_a_block() -> None:
    lines = render(make_update(1, ROLE), make_update(2, ROLE), make_update(3, ROLE), is_full=True)
    assert lines[:4] == [
        f"~ destination.d01{'specs/groups/main.yaml:1':>69}",
        '    config.role             "ACCOUNTADMIN" -> "FIVETRAN_ROLE"   drift: changed outside the specs',
        "  ! interrupts syncs while setup tests run",
        "",
    ]
    assert len(lines) == 11
    assert comment(*(make_update(number, ROLE) for number in range(3)), is_full=True).count("<details>") == 3


def test_a_line_that_does_not_fit_has_two_lines() -> None:
    changes = [make_update(1, ROLE), make_update(2, replace(ROLE, after="R" * 60))]
    assert render(*changes, width=80) == [
        "~ destination.d01  specs/groups/main.yaml:1",
        '  ! config.role  "ACCOUNTADMIN" -> "FIVETRAN_ROLE"   drift',
        "~ destination.d02  specs/groups/main.yaml:2",
        f'  ! config.role  "ACCOUNTADMIN" -> "{"R" * 60}"   drift',
        "  ! interrupts syncs while setup tests run",
        "    drift: changed outside the specs",
    ]


def test_only_risky_lines_have_the_mark() -> None:
    name = FieldChange(("name",), "a", "b")
    changes = [make_update(1, ROLE), replace(make_update(2, name), risk=Risk.IN_PLACE)]
    assert render(*changes) == [
        '~ destination.d01  ! config.role  "ACCOUNTADMIN" -> "FIVETRAN_ROLE"   drift  specs/groups/main.yaml:1',
        f'~ destination.d02    name         "a" -> "b"{"specs/groups/main.yaml:2":>57}',
        "  ! interrupts syncs while setup tests run",
        "    drift: changed outside the specs",
    ]


def test_a_headline_says_what_the_reader_has_to_do() -> None:
    [headline] = [line for line in comment(make_update(1, ROLE)).splitlines() if line.startswith("## ")]
    assert headline == (
        "## Needs approval: 1 to do · Plan: 0 to add, 1 to change, 0 to destroy. · interrupts syncs of 1 entry"
    )
