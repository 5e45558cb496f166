from __future__ import annotations

from dataclasses import replace

import pytest
from report_values import (
    CHANGED_DESTINATION,
    FULL_PLAN,
    NEW_GROUP,
    UNCHANGED_DESTINATION,
    UNCHANGED_GROUP,
    UNTESTED_DESTINATION,
    build_plan,
)

from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.plan import Action, FieldChange, Plan, SecretComparison, UnmanagedGroup, Visibility
from reconciler.report.plan_text import Detail, render_plan_text


def render(plan: Plan, detail: Detail = Detail.CHANGES, width: int | None = None) -> str:
    return render_plan_text(plan, detail, width).plain


def test_a_plan_is_rendered_as_designed() -> None:
    assert render(FULL_PLAN).splitlines() == [
        "account Acme (intently_yarn) · 2 groups, 4 destinations in 4 files"
        " · read 2 groups, 3 destinations in 3.1 s",
        "",
        "+ group.finance_prod                                          specs/groups/finance.yaml:5",
        '    name                    "finance_prod"',
        "",
        "+ destination.finance_prod                                    specs/groups/finance.yaml:7",
        '    service                 "snowflake"',
        "    config.port             443",
        "    config.private_key      (secret env:FINANCE_KEY)",
        "    id                      (that of group.finance_prod, known after apply)",
        "",
        "~ destination.analytics_prod                                  specs/groups/analytics.yaml:9",
        '    region                  "GCP_US_EAST4" -> "AWS_US_EAST_1"',
        '    config.role             (not set) -> "FIVETRAN_ROLE"',
        '    private_link_id         "pl_old" -> (cleared)',
        "  ! interrupts syncs while setup tests run; moves the processing of data to another region",
        "",
        "? destination.lake  setup tests have not passed; apply runs them  specs/groups/lake.yaml:3",
        "",
        "Notes:",
        "  destination.old  `config.server_host_name` cannot be compared: Fivetran shows another value or none",
        "  destination.old  `config.password` cannot be compared; `--resend-secret destination.old` sends it",
        "",
        'Not managed: 1 group ("hackathon"). Left alone.',
        "",
        "Plan: 2 to add, 1 to change, 0 to destroy.",
        "Needs approval: 4 to do.",
        "Interrupts syncs of 1 entry (region of 1).",
        "1 destination to test · 2 unchanged · secrets: 1 unchanged, 1 cannot be compared"
        " · 1 value that Fivetran rewrites cannot be compared",
    ]


def test_an_empty_plan_has_no_changes_on_its_own_line() -> None:
    lines = render(build_plan(UNCHANGED_GROUP)).splitlines()
    assert lines[-2:] == ["No changes.", "1 unchanged"]
    assert not any(line.startswith("Plan:") for line in lines)


def test_an_outstanding_test_is_never_no_changes() -> None:
    assert "No changes." not in render(build_plan(UNTESTED_DESTINATION))


def test_only_the_detailed_plan_lists_unchanged_entries() -> None:
    plan = build_plan(UNCHANGED_GROUP, UNCHANGED_DESTINATION)
    assert "group.analytics_prod" not in render(plan)
    detailed = render(plan, Detail.EVERYTHING)
    assert "\n  group.analytics_prod  decent_dropsy\n" in detailed
    assert (
        "\n  destination.old       old_mole       secret unchanged: config.passphrase"
        " · cannot be compared: config.password, config.server_host_name\n"
    ) in detailed


def test_a_plan_without_unchanged_entries_ends_with_its_counts() -> None:
    assert render(build_plan(NEW_GROUP)).endswith(
        "Plan: 1 to add, 0 to change, 0 to destroy.\nNeeds approval: 1 to do."
    )


def test_a_narrow_terminal_has_no_column_of_spans() -> None:
    place = "specs/groups/finance.yaml:5"
    narrow = "\n+ group.finance_prod  " + place + "\n"
    column = "\n+ group.finance_prod" + " " * 42 + place + "\n"
    assert narrow in render(build_plan(NEW_GROUP), width=70)
    for wide in (None, 120):
        assert column in render(build_plan(NEW_GROUP), width=wide)


def test_warnings_are_not_among_the_results() -> None:
    warning = Diagnostic("unknown-service", "unknown service `nova`", severity=Severity.WARNING)
    assert "nova" not in render(replace(build_plan(UNCHANGED_GROUP), warnings=(warning,)))


def test_many_unmanaged_groups_are_summarized() -> None:
    others = tuple(UnmanagedGroup(f"id_{number}", f"g{number}") for number in range(1200))
    text = render(build_plan(UNCHANGED_GROUP, unmanaged=others))
    assert 'Not managed: 1,200 groups ("g0", "g1", "g2", "g3", "g4" and 1,195 more). Left alone.' in text


def test_groups_of_other_projects_are_no_unmanaged_groups() -> None:
    owned = UnmanagedGroup("id_1", "theirs", owner="s3://states/b.json")
    text = render(replace(build_plan(UNCHANGED_GROUP, unmanaged=(UnmanagedGroup("x", "y"),)), owned=(owned,)))
    assert 'Not managed: 1 group ("y"). Left alone.' in text
    assert 'Of other projects: 1 group ("theirs"). Left alone.' in text


def test_a_hidden_value_is_not_called_a_secret() -> None:
    hidden = replace(NEW_GROUP, fields=(FieldChange(("config", "x"), None, None, Visibility.SECRET),))
    assert "    config.x                (hidden)\n" in render(build_plan(hidden))


def test_long_texts_are_shown_at_their_first_difference() -> None:
    before, after = "a" * 500 + "OLD" + "c" * 500, "a" * 500 + "NEW" + "c" * 500
    changed = replace(CHANGED_DESTINATION, fields=(FieldChange(("config", "pem"), before, after),))
    line = next(line for line in render(build_plan(changed)).splitlines() if "config.pem" in line)
    assert "aaaOLDccc" in line
    assert "aaaNEWccc" in line
    assert "(1,003 characters)" in line
    assert len(line) < 260


HOSTILE = [
    "x\nPlan: 0 to add",
    "x\nError: boom",
    "x\r\n::set-output::",
    "\x1b[2J",
    "\u202egnp",
    "\ud83d",
    "[red]x[/red]",
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_user_text_neither_starts_a_line_nor_reaches_the_terminal(hostile: str) -> None:
    change = replace(
        CHANGED_DESTINATION,
        fields=(
            FieldChange((f"c{hostile}",), hostile, [hostile]),
            FieldChange(("id",), None, hostile, Visibility.SECRET),
        ),
    )
    plan = replace(
        build_plan(change, unmanaged=(UnmanagedGroup("x", hostile),)),
        account_name=hostile,
        account_id=hostile,
    )
    text = render(plan)
    harmless = render(build_plan(change, unmanaged=(UnmanagedGroup("x", "y"),)))
    assert len(text.splitlines()) == len(harmless.splitlines())
    assert all(character.isprintable() or character == "\n" for character in text)
    assert not any(line.lstrip().startswith(("::", "Error: ")) for line in text.splitlines())
    assert sum(line.startswith("Plan:") for line in text.splitlines()) == 1


SECRET = ("config", "key")


@pytest.mark.parametrize(
    ("secrets", "note"),
    [
        (SecretComparison(changed=(SECRET,)), "(secret env:KEY, changed)"),
        (SecretComparison(unchanged=(SECRET,)), "(secret env:KEY, unchanged, sent anyway)"),
        (SecretComparison(uncomparable=(SECRET,)), "(secret env:KEY, cannot be compared, sent anyway)"),
    ],
)
def test_a_sent_secret_is_shown_as_changed_or_unchanged(secrets: SecretComparison, note: str) -> None:
    sent = FieldChange(SECRET, None, "env:KEY", Visibility.SECRET)
    assert f" config.key  {note}" in render(
        build_plan(replace(CHANGED_DESTINATION, fields=(sent,), secrets=secrets))
    )


def test_a_sent_hidden_value_is_shown_as_changed() -> None:
    sent = FieldChange(("config", "x"), None, None, Visibility.SECRET)
    assert "  config.x  (hidden, changed)  specs/" in render(
        build_plan(replace(CHANGED_DESTINATION, fields=(sent,)))
    )


def test_the_digest_is_shown_only_if_there_is_a_change() -> None:
    digest = "7f3a19c2" + "0" * 56
    assert render(replace(build_plan(NEW_GROUP), digest=digest)).endswith("\ndigest 7f3a19c2…")
    assert "digest" not in render(replace(build_plan(UNCHANGED_GROUP), digest=digest))


def test_a_refused_plan_names_the_codes_after_its_counts() -> None:
    refused = replace(
        build_plan(NEW_GROUP), blockers=(Diagnostic("protected", "x"), Diagnostic("limit-exceeded", "y"))
    )
    assert render(refused).endswith("destroy.\nApply refuses this plan: limit-exceeded, protected.")


def test_a_deletion_does_not_count_as_declared() -> None:
    deleted = replace(NEW_GROUP, action=Action.DELETE, id="old_mole")
    assert " · 1 group, 0 destinations in 4 files · read 2 groups, 0 destinations in " in render(
        build_plan(UNCHANGED_GROUP, deleted)
    )
