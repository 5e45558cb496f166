"""Test the facts of a plan that need no request: moves, protection, undeclared and incomparable fields."""

from __future__ import annotations

from typing import Any

import pytest
from applied_project import PAIR, AppliedProject, get_error_code

pytestmark = pytest.mark.sampled(every=6, tests=3)

PROTECTED = "      lifecycle: {protected: true}\n"
SECRET_PAIR = PAIR.replace("US}}", 'US, secret_key: {{secret: "env:SALES_KEY"}}}}')


def list_notes(stdout: str) -> list[str]:
    """List the lines of the block `Notes:`, with single spaces."""
    _, _, block = stdout.partition("Notes:\n")
    return [" ".join(line.split()) for line in block.partition("\n\n")[0].splitlines()]


def find_entry(document: Any, address: str) -> Any:
    """Find the JSON object of an address in a plan."""
    entries = (
        entry
        for part in ("changes", "adopted", "unchanged", "forgotten")
        for entry in document[part]
        if entry["address"] == address
    )
    return next(entries)


def plan_json(project: AppliedProject, *options: str) -> Any:
    return project.plan("--format", "json", *options).document


def test_a_moved_entry_is_shown_in_every_format(applied_project: AppliedProject) -> None:
    moved = PAIR.format(key="crm") + "    was: orders\n"
    applied_project.declare("sales", extra=moved)
    plan = applied_project.plan("--detailed-exitcode")
    assert plan.exit == 0
    assert "No changes." in plan.stdout.splitlines()
    assert list_notes(plan.stdout) == [
        "group.orders -> group.crm moved by `was:`; apply records the new address",
        "destination.orders -> destination.crm moved by `was:`; apply records the new address",
    ]
    assert find_entry(plan_json(applied_project), "group.crm")["moved_from"] == "group.orders"
    assert "`group.orders -> group.crm`: moved by" in applied_project.plan("--format", "markdown").stdout
    terraform = applied_project.plan("--format", "terraform").stdout
    assert "  # fivetran_group.orders has moved to fivetran_group.crm\n" in terraform
    document = applied_project.plan("--format", "terraform-json").document
    previous = {each["address"]: each.get("previous_address") for each in document["resource_changes"]}
    assert previous["fivetran_destination.crm"] == "fivetran_destination.orders"
    assert previous["fivetran_group.sales"] is None
    assert applied_project.list_apply_writes() == []
    assert list_notes(applied_project.plan().stdout) == []


def test_a_saved_plan_shows_and_records_a_move(applied_project: AppliedProject) -> None:
    applied_project.declare("sales", extra=PAIR.format(key="crm") + "    was: orders\n")
    assert applied_project.plan("--out", "move.plan").exit == 0
    shown = applied_project.run("show", "move.plan", "--format", "json").document
    assert find_entry(shown, "destination.crm")["moved_from"] == "destination.orders"
    assert applied_project.run("apply", "move.plan").exit == 0
    assert "group.crm" in applied_project.read_state()["records"]


@pytest.mark.parametrize("source", ["spec", "project file"])
def test_gained_and_lost_protection_are_shown_once(applied_project: AppliedProject, source: str) -> None:
    is_spec, address = source == "spec", "destination.orders"
    extra = PAIR.format(key="orders") + (PROTECTED if is_spec else "")
    applied_project.declare("sales", extra=extra, settings="" if is_spec else "protected: ['ord*']\n")
    plan = applied_project.plan()
    assert list_notes(plan.stdout) == [f"{address} protected from now on"]
    assert "warning" not in plan.stderr
    assert find_entry(plan_json(applied_project), address)["protection"] == "gained"
    assert applied_project.list_apply_writes() == []
    assert list_notes(applied_project.plan().stdout) == []

    applied_project.declare("sales", "orders")
    plan = applied_project.plan("--detailed-exitcode")
    assert (plan.exit, list_notes(plan.stdout)) == (0, [f"{address} no longer protected"])
    assert "No changes." in plan.stdout.splitlines()
    assert f"warning[protection-lost]: {address} loses its protection" in plan.stderr
    assert find_entry(plan_json(applied_project), address)["protection"] == "lost"
    assert applied_project.list_apply_writes() == []
    plan = applied_project.plan()
    assert list_notes(plan.stdout) == []
    assert "protection-lost" not in plan.stderr


def test_protection_by_the_project_file_survives_its_line_and_the_entry(
    applied_project: AppliedProject,
) -> None:
    """The line of the project file and the entry are deleted in one commit."""
    applied_project.declare("sales", "orders", settings="protected: ['ord*']\n")
    applied_project.must_apply()
    removed = f"  - {{group: orders, id: {applied_project.find_id('orders')}}}\n"
    applied_project.declare("sales", removed=removed)
    result = applied_project.apply()
    assert (result.exit, get_error_code(result)) == (3, "protected")


def test_protection_that_an_update_keeps_is_named(applied_project: AppliedProject) -> None:
    applied_project.declare("sales", extra=PAIR.format(key="orders") + PROTECTED)
    applied_project.must_apply()
    applied_project.declare("sales", extra=PAIR.format(key="orders").replace("acme", "acme-2"))
    plan = applied_project.plan()
    assert list_notes(plan.stdout) == [
        "destination.orders stays protected until an apply changes nothing else in it"
    ]
    assert "protection-lost" not in plan.stderr


@pytest.mark.parametrize("source", ["spec", "project file"])
def test_a_protected_entry_that_is_forgotten_is_named(applied_project: AppliedProject, source: str) -> None:
    is_spec = source == "spec"
    settings = "" if is_spec else "protected: ['ord*']\n"
    extra = PAIR.format(key="orders") + (PROTECTED if is_spec else "")
    applied_project.declare("sales", extra=extra, settings=settings)
    applied_project.must_apply()
    removed = f"  - {{group: orders, id: {applied_project.find_id('orders')}, forget: true}}\n"
    applied_project.declare("sales", removed=removed, settings=settings)
    plan = applied_project.plan()
    document = plan_json(applied_project)
    if is_spec:
        assert "warning[protection-lost]: destination.orders is protected, and loses" in plan.stderr
        assert find_entry(document, "destination.orders")["protection"] == "lost"
    else:
        assert list_notes(plan.stdout) == [
            "destination.orders is protected, and the project file still protects its key from deletion"
        ]
        assert find_entry(document, "destination.orders")["protection"] == "kept"


def test_a_digest_covers_the_end_of_a_protection(applied_project: AppliedProject) -> None:
    applied_project.declare("sales", extra=PAIR.format(key="orders") + PROTECTED)
    applied_project.must_apply()
    empty = plan_json(applied_project)["digest"]
    applied_project.declare("sales", "orders")
    plan = plan_json(applied_project)
    assert plan["digest"] != empty
    refused = applied_project.run("apply", "--expect", empty)
    assert (refused.exit, get_error_code(refused)) == (4, "plan-unlike")
    assert applied_project.read_state()["records"]["destination.orders"]["protected"]
    assert applied_project.run("apply", "--expect", plan["digest"]).exit == 0
    assert not applied_project.read_state()["records"]["destination.orders"]["protected"]


def test_a_saved_plan_ends_only_reviewed_protection(applied_project: AppliedProject) -> None:
    protected = PAIR.format(key="crm").replace("  crm:\n", "  crm:\n    was: orders\n") + PROTECTED
    applied_project.declare("sales", extra=PAIR.format(key="orders") + PROTECTED)
    applied_project.must_apply()
    applied_project.declare("sales", extra=protected)
    assert applied_project.plan("--out", "move.plan").exit == 0
    applied_project.declare("sales", extra=protected.replace(PROTECTED, ""))
    refused = applied_project.run("apply", "move.plan")
    assert (refused.exit, get_error_code(refused)) == (4, "plan-spec-changed")
    assert "its protection ends now" in refused.stderr
    assert applied_project.plan("--out", "unprotected.plan").exit == 0
    assert applied_project.run("apply", "unprotected.plan").exit == 0
    assert not applied_project.read_state()["records"]["destination.crm"]["protected"]


def test_a_field_that_is_no_longer_declared_stays_and_is_named(applied_project: AppliedProject) -> None:
    declared = PAIR.format(key="orders").replace(
        '"0"\n', '"0"\n      networking_method: PrivateLink\n      private_link_id: pl_one\n'
    )
    applied_project.declare("sales", extra=declared)
    applied_project.must_apply()
    applied_project.declare("sales", "orders")
    plan = applied_project.plan("--detailed-exitcode")
    assert plan.exit == 0
    assert list_notes(plan.stdout) == [
        "destination.orders `networking_method`, `private_link_id` are no longer declared and stay as they are"
    ]
    entry = find_entry(plan_json(applied_project), "destination.orders")
    assert entry["no_longer_declared"] == [["networking_method"], ["private_link_id"]]
    assert applied_project.list_apply_writes() == []
    assert list_notes(applied_project.plan().stdout) == []


def test_a_secret_that_is_no_longer_declared_is_named(applied_project: AppliedProject) -> None:
    applied_project.environ["SALES_KEY"] = "a-key-of-sales"
    applied_project.declare("orders", extra=SECRET_PAIR.format(key="sales"))
    applied_project.must_apply()
    applied_project.declare("orders", "sales")
    assert list_notes(applied_project.plan().stdout) == [
        "destination.sales `config.secret_key` is no longer declared and stays as it is"
    ]


def test_secrets_that_cannot_be_compared_are_named_with_the_option_that_sends_them(
    applied_project: AppliedProject,
) -> None:
    applied_project.environ["SALES_KEY"] = "a-key-of-sales"
    applied_project.declare("orders", extra=SECRET_PAIR.format(key="sales"))
    applied_project.must_apply()
    applied_project.state_file.unlink()
    [note] = list_notes(applied_project.plan().stdout)
    assert note == (
        "destination.sales `config.secret_key` cannot be compared; `--resend-secret destination.sales` sends it"
    )
    option = note.partition("`--")[2].partition("`")[0]
    applied_project.must_apply(*f"--{option}".split())
    assert list_notes(applied_project.plan().stdout) == []


def test_values_that_fivetran_rewrites_are_named(applied_project: AppliedProject) -> None:
    lake = """\
  lake:
    destination:
      service: databricks
      time_zone_offset: "0"
      networking_method: PrivateLink
      private_link_id: pl_one
      config: {server_host_name: own.example, http_path: /sql, port: 443, catalog: main, cloud_provider: AZURE,
        connection_type: PrivateLink, personal_access_token: {secret: "env:LAKE_KEY"}}
"""
    applied_project.environ["LAKE_KEY"] = "token-of-the-lake"
    applied_project.declare(extra=lake)
    applied_project.write_specs(PAIR.format(key="orders") + PAIR.format(key="sales") + lake)
    applied_project.must_apply()
    applied_project.state_file.unlink()
    note = list_notes(applied_project.plan().stdout)[0]
    assert "`config.server_host_name`" in note
    assert note.endswith("cannot be compared: Fivetran shows another value or none")
    entry = find_entry(plan_json(applied_project), "destination.lake")
    assert ["config", "server_host_name"] in entry["rewritten"]


def test_many_secrets_are_counted_in_one_note_and_verbose_names_all(applied_project: AppliedProject) -> None:
    keys = [f"shop_{number}" for number in range(7)]
    applied_project.environ["SALES_KEY"] = "a-key-of-sales"
    applied_project.declare("orders", "sales", extra="".join(SECRET_PAIR.format(key=key) for key in keys))
    applied_project.must_apply("--allow", "changed_fraction=1", "--reason", "many new shops")
    applied_project.state_file.unlink()
    shown = applied_project.plan().stdout
    assert list_notes(shown) == [
        "7 secrets of 7 destinations cannot be compared: `reconciler apply --secrets-as-they-are --reason TEXT` records"
        " them as what Fivetran has, `--resend-secret GLOB` sends them"
    ]
    assert shown.splitlines()[-1].endswith(
        "secrets: 7 cannot be compared (see `--secrets-as-they-are` and `--resend-secret`)"
    )
    assert len(list_notes(applied_project.plan("--verbose").stdout)) == 7
    assert len(plan_json(applied_project)["uncomparable_secrets"]) == 7
    for form in ("markdown", "terraform"):
        assert applied_project.plan("--format", form).stdout.count("7 secrets of 7 destinations") == 1


def test_a_plan_without_facts_has_no_notes(applied_project: AppliedProject) -> None:
    plan = applied_project.plan("--verbose")
    assert "Notes:" not in plan.stdout
    assert "destination.orders" in plan.stdout
    assert " connected" in plan.stdout
