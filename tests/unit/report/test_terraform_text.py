"""Test the plan in the wording of Terraform: tfcmt parses it, and no user text begins a line."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import tfcmt
from report_values import (
    CHANGED_DESTINATION,
    FULL_PLAN,
    NEW_DESTINATION,
    NEW_GROUP,
    UNCHANGED_DESTINATION,
    UNCHANGED_GROUP,
    UNTESTED_DESTINATION,
    build_plan,
    destination_address,
    make_span,
)

from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.plan import (
    Action,
    Change,
    FieldChange,
    FieldValue,
    Origin,
    Reason,
    SecretComparison,
    UnmanagedGroup,
    Visibility,
)
from reconciler.model.risk import Risk
from reconciler.report.terraform_text import render_terraform_diagnostics, render_terraform_plan

DELETED = Change(
    destination_address("old"),
    Action.DELETE,
    (Reason.REMOVED,),
    id="old_mole",
    risk=Risk.DESTROYS,
    applied=(FieldValue(("id",), "old_mole"), FieldValue(("config", "host"), "acme")),
)
REPLACED = replace(
    CHANGED_DESTINATION,
    address=destination_address("lake"),
    action=Action.REPLACE,
    fields=(FieldChange(("config", "bucket"), "a", "b", forces_replace=True),),
)
ADOPTED = replace(UNCHANGED_GROUP, action=Action.ADOPT)
FORGOTTEN = replace(DELETED, action=Action.FORGET, risk=Risk.IN_PLACE)
HOSTILE = 'x"\n# y will be created\nError: \x1b[31m\u202e##[error]'


def read_change_block(text: str) -> str:
    return tfcmt.parse_log(text).diff


def test_tfcmt_lists_every_resource_by_its_action() -> None:
    read = tfcmt.parse_log(
        render_terraform_plan(
            build_plan(NEW_GROUP, NEW_DESTINATION, CHANGED_DESTINATION, DELETED, REPLACED, ADOPTED)
        )
    )
    assert read.resources == {
        "created": ["fivetran_group.finance_prod", "fivetran_destination.finance_prod"],
        "updated": ["fivetran_destination.analytics_prod"],
        "deleted": ["fivetran_destination.old"],
        "replaced": ["fivetran_destination.lake"],
        "imported": ["fivetran_group.analytics_prod"],
    }
    assert read.result == "Plan: 1 to import, 3 to add, 1 to change, 2 to destroy."
    assert (read.destroys, read.failed, read.without_changes) == (True, False, False)


def test_an_adopted_and_changed_object_is_in_both_lists() -> None:
    changed = replace(CHANGED_DESTINATION, reasons=(Reason.NOT_REMEMBERED,))
    read = tfcmt.parse_log(render_terraform_plan(build_plan(changed)))
    assert read.resources["updated"] == read.resources["imported"] == ["fivetran_destination.analytics_prod"]
    assert read.result == "Plan: 1 to import, 0 to add, 1 to change, 0 to destroy."
    assert '  # (imported from "decent_dropsy")' in render_terraform_plan(build_plan(changed))


def test_the_block_of_changes_ends_with_the_counts() -> None:
    lines = read_change_block(render_terraform_plan(FULL_PLAN)).strip().splitlines()
    assert lines[0] == "# fivetran_group.finance_prod will be created"
    assert lines[-1] == "Plan: 2 to add, 1 to change, 0 to destroy."


def test_a_create_shows_its_values_and_unknown_ids() -> None:
    assert read_change_block(render_terraform_plan(build_plan(NEW_DESTINATION))).strip().splitlines()[
        :-2
    ] == [
        "# fivetran_destination.finance_prod will be created",
        '  + resource "fivetran_destination" "finance_prod" {',
        "      + id       = (known after apply)",
        "      + group_id = (known after apply)",
        '      + service  = "snowflake"',
        "",
        "      + config {",
        "          + port        = 443",
        "          + private_key = (sensitive value)",
        "        }",
        "    }",
    ]


def test_an_update_shows_changed_fields_and_counts_the_rest() -> None:
    secret = FieldChange(("config", "key"), None, "env:KEY", Visibility.SECRET)
    others = (FieldValue(("service",), "snowflake"), FieldValue(("config", "host"), "acme"))
    changed = replace(CHANGED_DESTINATION, fields=(*CHANGED_DESTINATION.fields, secret), other_values=others)
    assert read_change_block(render_terraform_plan(build_plan(changed))).strip().splitlines()[:-2] == [
        "# fivetran_destination.analytics_prod will be updated in-place",
        '  ~ resource "fivetran_destination" "analytics_prod" {',
        '        id              = "decent_dropsy"',
        '      ~ region          = "GCP_US_EAST4" -> "AWS_US_EAST_1"',
        '      ~ private_link_id = "pl_old" -> null',
        "        # (2 unchanged attributes hidden)",
        "",
        "      ~ config {",
        '          ~ role = null -> "FIVETRAN_ROLE"',
        "          ~ key  = (sensitive value)",
        "            # (1 unchanged attribute hidden)",
        "        }",
        "    }",
    ]


def test_an_unchanged_secret_that_is_sent_again_is_a_change() -> None:
    secret = FieldChange(("config", "key"), None, "env:KEY", Visibility.SECRET)
    again = replace(
        CHANGED_DESTINATION, fields=(secret,), secrets=SecretComparison(unchanged=(("config", "key"),))
    )
    assert "          ~ key = (sensitive value)" in render_terraform_plan(build_plan(again))


def test_a_replacement_marks_the_fields_that_force_it() -> None:
    text = render_terraform_plan(build_plan(REPLACED))
    assert '-/+ resource "fivetran_destination" "lake" {' in text
    assert '~ bucket = "a" -> "b" # forces replacement' in text
    assert "-/+ destroy and then create replacement" in text


def test_a_deletion_shows_the_deleted_values() -> None:
    text = render_terraform_plan(build_plan(DELETED))
    assert '      - id       = "old_mole" -> null' in text
    assert '          - host = "acme" -> null' in text
    assert "(because fivetran_destination.old is not in configuration)" in text
    assert "destination.old: deletes it at Fivetran for good" in text


def test_a_forgotten_object_is_neither_created_nor_destroyed() -> None:
    text = render_terraform_plan(build_plan(FORGOTTEN))
    assert (
        "# fivetran_destination.old will no longer be managed by Terraform, but will not be destroyed" in text
    )
    assert '            host = "acme"' in text
    read = tfcmt.parse_log(text)
    assert not any(read.resources.values())
    assert read.result == "Plan: 0 to add, 0 to change, 0 to destroy."


def test_an_empty_plan_has_the_phrase_that_tfcmt_looks_for() -> None:
    read = tfcmt.parse_log(render_terraform_plan(build_plan(UNCHANGED_GROUP, UNCHANGED_DESTINATION)))
    assert read.result == "No changes. Your infrastructure matches the configuration."
    assert (read.without_changes, read.diff) == (True, "")


def test_planned_test_runs_are_shown_although_nothing_changes() -> None:
    text = render_terraform_plan(build_plan(UNTESTED_DESTINATION))
    assert tfcmt.parse_log(text).result == "Plan: 0 to add, 0 to change, 0 to destroy."
    assert "  destination.lake: setup tests have not passed; apply runs them" in text
    assert tfcmt.START not in text


def test_drift_has_its_own_section() -> None:
    moved = FieldChange(("region",), "moved", "declared", origin=Origin.DRIFT)
    gone = replace(
        NEW_GROUP,
        reasons=(Reason.MISSING_REMOTELY,),
        applied=(FieldValue(("id",), "x"), FieldValue(("name",), "n")),
    )
    read = tfcmt.parse_log(
        render_terraform_plan(build_plan(replace(CHANGED_DESTINATION, fields=(moved,)), gone))
    )
    assert "# fivetran_destination.analytics_prod has changed" in read.drift
    assert '~ region = "declared" -> "moved"' in read.drift
    assert "# fivetran_group.finance_prod has been deleted" in read.drift
    assert '- name = "n" -> null' in read.drift
    assert tfcmt.DRIFT_START not in render_terraform_plan(FULL_PLAN)


def test_notes_follow_the_rule() -> None:
    plan = replace(
        FULL_PLAN,
        digest="d" * 64,
        blockers=(Diagnostic("limit-exceeded", "x"),),
        unmanaged=(UnmanagedGroup("a", "b"),),
        owned=(UnmanagedGroup("c", "d", owner="e"), UnmanagedGroup("f", "g", owner="e")),
    )
    _, _, remarks = render_terraform_plan(plan).partition("─" * 77)
    assert "account Acme (intently_yarn)" in remarks
    assert "  1 group not managed, left alone" in remarks
    assert "  2 groups of other projects, left alone" in remarks
    assert "  apply refuses this plan: limit-exceeded" in remarks
    assert f"  digest {'d' * 64}" in remarks
    assert "  2 unchanged" in remarks


OURS = re.compile(
    r"Terraform used |Terraform will perform |Plan: |No changes\. |Note: Objects have changed |Unless you have made "
    r"|reconciler · account |─{77}|-/\+ |[ ]|$"
)


def test_no_user_text_begins_or_ends_a_line_of_the_output() -> None:
    hostile = replace(
        CHANGED_DESTINATION,
        fields=(
            FieldChange(("config", HOSTILE), HOSTILE, [HOSTILE], origin=Origin.DRIFT),
            FieldChange((HOSTILE,), HOSTILE, None),
        ),
        id=HOSTILE,
        other_values=(FieldValue(("config", "b"), HOSTILE),),
        applied=(FieldValue(("config", HOSTILE), HOSTILE),),
    )
    plan = replace(
        build_plan(hostile, replace(DELETED, id=HOSTILE, applied=(FieldValue((HOSTILE,), HOSTILE),))),
        account_name=HOSTILE,
        account_id=HOSTILE,
        digest=HOSTILE,
    )
    text = render_terraform_plan(plan)
    assert all(OURS.match(line) for line in text.split("\n"))
    assert text.replace("\n", "").isprintable()
    assert "##[" not in text
    assert tfcmt.parse_log(text).resources["created"] == []
    assert tfcmt.FAIL.search(text) is None


def test_findings_are_rendered_as_in_terraform() -> None:
    found = [
        Diagnostic(
            "unknown-field", f"no {HOSTILE}", make_span("a.yaml", 7), notes=("a fact",), help="write it right"
        ),
        Diagnostic("unfinished", "left out", severity=Severity.WARNING),
    ]
    text = render_terraform_diagnostics(found)
    assert text.split("\n")[0] == "╷"
    assert "│   on a.yaml line 7" in text
    assert "│   a fact\n│   write it right\n╵" in text
    assert "│ Warning: left out [unfinished]" in text
    assert {line[0] for line in text.split("\n")} == set("╷│╵")
    read = tfcmt.parse_log(text)
    assert read.failed
    assert read.warns
    assert read.result.startswith("│ Error: no x")


def test_warnings_alone_do_not_fail_a_plan() -> None:
    warning = render_terraform_diagnostics([Diagnostic("unfinished", "left out", severity=Severity.WARNING)])
    read = tfcmt.parse_log(f"{warning}\n\n{render_terraform_plan(FULL_PLAN)}")
    assert not read.failed
    assert read.warns


@pytest.mark.parametrize("value", ["a" * 200, {"b": [1, None]}, True, 0, "é"])
def test_every_value_is_rendered_in_one_line(value: object) -> None:
    field = FieldChange(("region",), None, value)
    block = read_change_block(
        render_terraform_plan(build_plan(replace(CHANGED_DESTINATION, fields=(field,))))
    )
    assert len([line for line in block.splitlines() if "region" in line]) == 1
