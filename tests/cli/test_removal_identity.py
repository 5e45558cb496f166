"""S-17: a `removed:` entry deletes the identified object only. A refused removal sends nothing and forgets nothing."""

from __future__ import annotations

import hashlib
import json
import re

import pytest
from applied_project import PAIR, AppliedProject, apply_pairs
from cli_harness import CommandResult, EmulatedFivetran, Project

from reconciler.emulator.store import Kind

pytestmark = pytest.mark.sampled(every=6, tests=3)

EXTENTS = pytest.mark.parametrize("extent", ["", ", only: destination", ", forget: true"])


@pytest.fixture
def applied_project(project: Project, server: EmulatedFivetran) -> AppliedProject:
    """Two applied pairs, `orders` and `sales`, beside `payroll` of another project."""
    applied_project = apply_pairs(project, server)
    payroll = server.app.dashboard.add_group("payroll")
    server.app.dashboard.add_destination(payroll, "snowflake", config={"database": "PAYROLL"})
    return applied_project


def format_removal(key: str, id: str, more: str = "") -> str:
    return f"  - {{group: {key}, id: {id}{more}}}\n"


def declare_removal(applied_project: AppliedProject, removed: str, extra: str = "") -> None:
    """Declare the removal of `orders`; its group stays if only its destination is removed."""
    applied_project.declare(
        "sales", extra=extra or ("  orders: {}\n" if "only:" in removed else ""), removed=removed
    )


def list_error_codes(result: CommandResult) -> list[str]:
    return re.findall(r"^error\[([a-z-]+)\]", result.stderr, re.MULTILINE)


def check_refused(applied_project: AppliedProject, *expected: str) -> str:
    """Assert that plan and apply fail with these errors and change nothing; return the messages of the last run."""
    before, writes = applied_project.read_state(), len(applied_project.server.writes)
    for result in (
        applied_project.plan(),
        applied_project.apply(),
        applied_project.apply("--expect", "0" * 64),
    ):
        assert (result.exit, list_error_codes(result)) == (1, [*expected]), result.stderr
        assert "specs/groups/main.yaml:" in result.stderr
    assert applied_project.server.writes[writes:] == []
    assert applied_project.read_state() == before
    return result.stderr


def paste_offered_line(applied_project: AppliedProject, stderr: str) -> None:
    """Replace all entries below `removed:` by the line that a message suggests."""
    found = re.search(r"write `(- \{.*?\})`", stderr)
    assert found is not None, stderr
    declare_removal(applied_project, f"  {found[1]}\n")


@EXTENTS
def test_an_id_of_another_entry_is_refused_and_the_right_line_suggested(
    applied_project: AppliedProject, extent: str
) -> None:
    orders, payroll = applied_project.find_id("orders"), applied_project.find_id("payroll")
    declare_removal(applied_project, format_removal("orders", payroll, extent))
    message = check_refused(applied_project, "removal-other-id")
    for known in (orders, "`orders`", payroll, "`payroll`"):
        assert known in message
    paste_offered_line(applied_project, message)
    assert {call.rpartition("/")[2] for call in applied_project.list_apply_writes()} <= {orders}
    assert payroll in applied_project.server.list_ids("destinations")


@EXTENTS
def test_a_misspelled_id_is_refused_and_forgets_nothing(applied_project: AppliedProject, extent: str) -> None:
    """Regression: the id counted as that of a deleted object."""
    applied_project.declare("sales", extra=PAIR.format(key="orders") + "      lifecycle: {protected: true}\n")
    assert applied_project.list_apply_writes() == []
    declare_removal(
        applied_project, format_removal("orders", f"{applied_project.find_id('orders')}x", extent)
    )
    check_refused(applied_project, "removal-other-id")
    assert applied_project.read_state()["records"]["destination.orders"]["protected"]


@EXTENTS
def test_an_unrecorded_object_needs_id_and_name(applied_project: AppliedProject, extent: str) -> None:
    orders = applied_project.find_id("orders")
    applied_project.dashboard.rename_group(orders, 'No.  1: "Orders"')
    applied_project.state_file.unlink()
    stays = f"  orders: {{id: {orders}, name: 'No.  1: \"Orders\"'}}\n" if "only" in extent else ""
    declare_removal(applied_project, format_removal("orders", orders, extent), stays)
    message = check_refused(applied_project, "removal-needs-name")
    declare_removal(applied_project, format_removal("orders", orders, f", name: orders{extent}"), stays)
    assert check_refused(applied_project, "removal-other-name").count("No. ") == 2
    found = re.search(r"write `(- \{.*?\})`", message)
    assert found is not None
    declare_removal(applied_project, f"  {found[1]}\n", stays)
    calls = [f"DELETE /v1/destinations/{orders}", f"DELETE /v1/groups/{orders}"]
    assert applied_project.list_apply_writes() == {"": calls, ", only: destination": calls[:1]}.get(
        extent, []
    )


@EXTENTS
def test_an_id_of_another_account_is_an_error_with_advice(
    applied_project: AppliedProject, extent: str
) -> None:
    orders = applied_project.find_id("orders")
    applied_project.state_file.unlink()
    applied_project.declare(
        "sales", removed=format_removal("orders", "elsewhere_1", f", name: orders{extent}")
    )
    message = check_refused(applied_project, "removal-unknown-id")
    assert "if this removal was carried out already, delete this entry" in message
    assert f"the group `orders` has the id `{orders}`" in message


def test_all_problems_are_reported_at_once(applied_project: AppliedProject) -> None:
    """Covers two entries with swapped ids, an entry with an unknown id, and a group missing in the specs."""
    applied_project.declare("orders", "sales", "stock", "ops", extra="  spare: {}\n")
    applied_project.list_apply_writes()
    removed = format_removal("orders", applied_project.find_id("sales")) + format_removal(
        "sales", applied_project.find_id("orders")
    )
    removed += format_removal("nobody", "elsewhere_1") + format_removal(
        "stock", applied_project.find_id("payroll"), ", name: payroll"
    )
    applied_project.declare(extra="  spare: {}\n", removed=removed)
    check_refused(
        applied_project,
        "removal-of-another",
        "removal-of-another",
        "removal-unknown-id",
        "removal-other-id",
        "vanished",
    )


@EXTENTS
def test_a_group_renamed_outside_is_shown_with_its_live_name_and_removed(
    applied_project: AppliedProject, extent: str
) -> None:
    orders = applied_project.find_id("orders")
    applied_project.dashboard.rename_group(orders, "Do not touch")
    stays = '  orders: {name: "Do not touch"}\n' if "only" in extent else ""
    for name in ("", ", name: orders", ", name: Do not touch"):
        declare_removal(applied_project, format_removal("orders", orders, f"{name}{extent}"), stays)
        shown = applied_project.plan().stdout
        assert '"Do not touch" (renamed outside the specs: was "orders")' in shown
    declare_removal(applied_project, format_removal("orders", orders, f", name: Orders{extent}"), stays)
    check_refused(applied_project, "removal-other-name")
    declare_removal(applied_project, format_removal("orders", orders, extent), stays)
    assert {call.rpartition("/")[2] for call in applied_project.list_apply_writes()} <= {orders}
    assert ("forget" in extent) == (orders in applied_project.server.list_ids("destinations"))


def test_a_recreated_group_is_not_matched_by_an_old_removal(applied_project: AppliedProject) -> None:
    old = applied_project.find_id("orders")
    for kind in (Kind.DESTINATION, Kind.GROUP):
        applied_project.dashboard.remove(kind, old)
    applied_project.list_apply_writes("--recreate", "group.orders")
    new = applied_project.find_id("orders")
    assert new != old
    declare_removal(applied_project, format_removal("orders", old))
    assert new in check_refused(applied_project, "removal-other-id")


# Deleted objects


@pytest.mark.parametrize(("extent", "kinds"), [("", 2), (", only: destination", 1)])
def test_a_deleted_object_is_forgotten_and_stays_done(
    applied_project: AppliedProject, extent: str, kinds: int
) -> None:
    """Each plan reads the object once as long as the removal is declared."""
    orders = applied_project.find_id("orders")
    for kind in (Kind.DESTINATION, Kind.GROUP)[:kinds]:
        applied_project.dashboard.remove(kind, orders)
    declare_removal(applied_project, format_removal("orders", orders, extent))
    assert applied_project.list_apply_writes() == []
    assert "destination.orders" not in applied_project.read_state()["records"]
    kind = "destinations" if extent else "groups"
    for _ in range(2):
        before = len(applied_project.server.calls)
        plan = applied_project.plan("--detailed-exitcode")
        assert (plan.exit, list_error_codes(plan)) == (0, [])
        assert "warning[removal-done]" in plan.stderr
        assert applied_project.server.calls[before:].count(f"GET /v1/{kind}/{orders}") == 1
        assert applied_project.list_apply_writes() == []


@pytest.mark.parametrize("remembered", ["record", "removal"])
@pytest.mark.parametrize("kind", ["destinations", "groups"])
def test_an_invisible_object_does_not_count_as_deleted(
    applied_project: AppliedProject, kind: str, remembered: str
) -> None:
    orders, extent = (
        applied_project.find_id("orders"),
        ", only: destination" if kind == "destinations" else "",
    )
    declare_removal(applied_project, format_removal("orders", orders, extent))
    if remembered == "removal":
        applied_project.list_apply_writes()
    else:
        applied_project.dashboard.remove(Kind.DESTINATION, orders)
        if kind == "groups":
            applied_project.dashboard.remove(Kind.GROUP, orders)
    applied_project.add_faults(f"GET /v1/{kind}/{orders} status 403")
    before, writes = applied_project.read_state(), len(applied_project.server.writes)
    for result in (applied_project.plan(), applied_project.apply()):
        assert (result.exit, list_error_codes(result)) == (1, ["forbidden"])
    assert (applied_project.read_state(), len(applied_project.server.writes)) == (before, writes)


@pytest.mark.parametrize("path", ["/v1/groups", "/v1/destinations"])
def test_a_list_without_the_object_does_not_prove_its_deletion(
    applied_project: AppliedProject, path: str
) -> None:
    orders = applied_project.find_id("orders")
    declare_removal(applied_project, format_removal("orders", orders))
    applied_project.add_faults(f"GET {path} empty-list")
    plan = applied_project.plan()
    assert "Plan: 0 to add, 0 to change, 2 to destroy." in plan.stdout.splitlines(), plan.stderr
    assert "removal-done" not in plan.stderr


def test_an_unlisted_destination_is_deleted_before_its_group(
    applied_project: AppliedProject,
) -> None:
    """Fivetran may delete both with the group, without a line in the plan."""
    orders = applied_project.find_id("orders")
    applied_project.state_file.unlink()
    declare_removal(applied_project, format_removal("orders", orders, ", name: orders"))
    applied_project.add_faults("GET /v1/destinations empty-list")
    assert "- destination.orders" in applied_project.plan().stdout


@pytest.mark.parametrize("stale", ["/v1/groups", "/v1/destinations", "/v1/groups /v1/destinations"])
def test_a_stale_list_does_not_prove_existence(applied_project: AppliedProject, stale: str) -> None:
    orders = applied_project.find_id("orders")
    declare_removal(applied_project, format_removal("orders", orders))
    applied_project.list_apply_writes()
    for path in stale.split():
        applied_project.add_faults(f"GET {path} stale 6")
    plan = applied_project.plan("--detailed-exitcode")
    assert (plan.exit, list_error_codes(plan)) == (0, []), plan.stderr
    assert "warning[removal-done]" in plan.stderr


@pytest.mark.parametrize(("extent", "kind"), [("", "groups"), (", only: destination", "destinations")])
def test_a_stale_read_of_a_deleted_object_is_repeated(
    applied_project: AppliedProject, extent: str, kind: str
) -> None:
    """Its connections are read too, and the two answers contradict each other."""
    orders = applied_project.find_id("orders")
    declare_removal(applied_project, format_removal("orders", orders, extent))
    applied_project.list_apply_writes()
    if extent:
        applied_project.dashboard.remove(Kind.GROUP, orders)
        applied_project.declare("sales", removed=format_removal("orders", orders, extent))
    applied_project.add_faults(f"GET /v1/{kind}/{orders} stale 3")
    plan = applied_project.plan("--detailed-exitcode")
    assert (plan.exit, list_error_codes(plan)) == (0, []), plan.stderr
    assert "warning[removal-done]" in plan.stderr


# Finished removals are recorded as long as they are declared


def test_a_restored_object_is_deleted_again(applied_project: AppliedProject) -> None:
    """The object may come from a backup of Fivetran, or its deletion from another replica."""
    orders = applied_project.find_id("orders")
    declare_removal(applied_project, format_removal("orders", orders))
    state = applied_project.read_state()
    for address in ("group.orders", "destination.orders"):
        del state["records"][address]
    applied_project.state_file.write_text(
        json.dumps({**state, "removals": {"orders": {"id": orders, "extent": "pair"}}})
    )
    assert applied_project.list_apply_writes() == [
        f"DELETE /v1/destinations/{orders}",
        f"DELETE /v1/groups/{orders}",
    ]


def test_a_forgotten_object_is_not_deleted_without_its_name(applied_project: AppliedProject) -> None:
    orders = applied_project.find_id("orders")
    declare_removal(applied_project, format_removal("orders", orders, ", forget: true"))
    assert applied_project.list_apply_writes() == []
    assert applied_project.read_state()["removals"] == {"orders": {"extent": "forget", "id": orders}}
    assert applied_project.plan("--detailed-exitcode").exit == 0
    declare_removal(applied_project, format_removal("orders", orders))
    paste_offered_line(applied_project, check_refused(applied_project, "removal-needs-name"))
    assert len(applied_project.list_apply_writes()) == 2


def test_a_finished_removal_is_forgotten_with_its_spec_line(applied_project: AppliedProject) -> None:
    orders = applied_project.find_id("orders")
    declare_removal(applied_project, format_removal("orders", orders))
    applied_project.list_apply_writes()
    assert applied_project.read_state()["removals"] == {"orders": {"extent": "pair", "id": orders}}
    listed = applied_project.project.run("state", "list")
    assert f"Removals that were carried out:\n  orders  {orders}  pair\n" in listed.stdout
    document = applied_project.project.run("state", "list", "--format", "json").document
    assert document["removals"] == [{"key": "orders", "id": orders, "extent": "pair"}]
    applied_project.declare("sales", "stock")
    applied_project.list_apply_writes()
    assert applied_project.read_state()["removals"] == {}
    applied_project.declare("sales", "stock", removed=format_removal("orders", orders))
    assert "delete this entry" in check_refused(applied_project, "removal-unknown-id")


def test_a_lost_state_advises_to_delete_the_removal(applied_project: AppliedProject) -> None:
    declare_removal(applied_project, format_removal("orders", applied_project.find_id("orders")))
    applied_project.list_apply_writes()
    applied_project.state_file.unlink()
    assert "if this removal was carried out already, delete this entry" in check_refused(
        applied_project, "removal-unknown-id"
    )


def test_an_old_removal_does_not_stop_a_new_create(applied_project: AppliedProject) -> None:
    """Only the destination was forgotten; then the group is deleted outside and recreated by an apply that still reads
    the removal."""
    orders = applied_project.find_id("orders")
    declare_removal(applied_project, format_removal("orders", orders, ", only: destination"))
    applied_project.list_apply_writes()
    applied_project.dashboard.remove(Kind.GROUP, orders)
    assert applied_project.list_apply_writes("--recreate", "group.orders") == ["POST /v1/groups"]
    plan = applied_project.plan("--detailed-exitcode")
    assert (plan.exit, list_error_codes(plan)) == (0, [])


def test_a_removal_without_effect_is_recorded_as_done(applied_project: AppliedProject) -> None:
    """As above, for a group that never had a destination."""
    applied_project.declare("orders", "sales", extra="  bare: {}\n")
    applied_project.list_apply_writes()
    bare = applied_project.find_id("bare")
    applied_project.declare(
        "orders", "sales", extra="  bare: {}\n", removed=format_removal("bare", bare, ", only: destination")
    )
    applied_project.dashboard.remove(Kind.GROUP, bare)
    assert applied_project.list_apply_writes("--recreate", "group.bare") == ["POST /v1/groups"]
    assert applied_project.plan("--detailed-exitcode").exit == 0


def test_a_removal_without_effect_is_recorded_as_done_without_a_state(
    applied_project: AppliedProject,
) -> None:
    """The group was renamed outside, so the entry matches no group any more and creates one."""
    applied_project.declare("orders", "sales", extra="  bare: {}\n")
    applied_project.list_apply_writes()
    bare = applied_project.find_id("bare")
    applied_project.state_file.unlink()
    applied_project.dashboard.rename_group(bare, "Renamed")
    removed = format_removal("bare", bare, ", name: Renamed, only: destination")
    applied_project.declare("orders", "sales", extra="  bare: {}\n", removed=removed)
    assert applied_project.list_apply_writes() == ["POST /v1/groups"]
    assert applied_project.read_state()["removals"] == {"bare": {"extent": "destination", "id": bare}}
    assert applied_project.plan("--detailed-exitcode").exit == 0


def test_a_removal_after_state_forget_needs_its_name(applied_project: AppliedProject) -> None:
    orders = applied_project.find_id("orders")
    assert applied_project.project.run("state", "forget", "orders", "--auto-approve").exit == 0
    declare_removal(applied_project, format_removal("orders", orders))
    check_refused(applied_project, "removal-needs-name")
    declare_removal(applied_project, format_removal("orders", orders, ", name: orders"))
    assert len(applied_project.list_apply_writes()) == 2


def test_a_state_of_an_earlier_version_is_read(applied_project: AppliedProject) -> None:
    state = applied_project.read_state()
    assert state.pop("removals") == {}
    for key in ("orders", "sales"):
        del state["records"][f"destination.{key}"]["service_account"]
    applied_project.state_file.write_text(json.dumps({**state, "format": 1}))
    declare_removal(applied_project, format_removal("orders", applied_project.find_id("orders")))
    assert len(applied_project.list_apply_writes()) == 2
    assert applied_project.read_state()["format"] == 2


# Number of requests


def test_a_removal_reads_one_list_of_connections_and_a_missing_object_once(
    applied_project: AppliedProject,
) -> None:
    """S-22."""
    orders = applied_project.find_id("orders")
    declare_removal(applied_project, format_removal("orders", orders))
    before = len(applied_project.server.calls)
    assert applied_project.plan().exit == 0
    assert applied_project.server.calls[before:] == [
        "GET /v1/account/info",
        "GET /v1/groups",
        "GET /v1/destinations",
        f"GET /v1/destinations/{applied_project.find_id('sales')}",
        f"GET /v1/groups/{orders}/connections",
    ]


# Reviewed plans


@pytest.mark.parametrize("how", ["saved", "expected"])
def test_a_rename_between_review_and_apply_makes_the_plan_stale(
    applied_project: AppliedProject, how: str
) -> None:
    """The user who renamed the group may want to keep it."""
    orders = applied_project.find_id("orders")
    declare_removal(applied_project, format_removal("orders", orders))
    assert applied_project.plan("--out", "plan.json").exit == 0
    digest = applied_project.plan("--format", "json").document["digest"]
    options = ("plan.json",) if how == "saved" else ("--expect", digest)
    applied_project.dashboard.rename_group(orders, "Keep me")
    before = len(applied_project.server.writes)
    result = applied_project.apply(*options)
    assert (result.exit, {*list_error_codes(result)}) == (
        4,
        {"plan-stale" if how == "saved" else "plan-unlike"},
    )
    assert applied_project.server.writes[before:] == []
    applied_project.dashboard.rename_group(orders, "orders")
    assert len(applied_project.list_apply_writes(*options)) == 2


def test_another_destination_in_the_same_group_makes_the_plan_stale(applied_project: AppliedProject) -> None:
    """The new destination has the same id."""
    orders = applied_project.find_id("orders")
    declare_removal(applied_project, format_removal("orders", orders))
    assert applied_project.plan("--out", "plan.json").exit == 0
    applied_project.dashboard.remove(Kind.DESTINATION, orders)
    applied_project.dashboard.add_destination(orders, "snowflake", config={"database": "OTHER"})
    result = applied_project.apply("plan.json")
    assert (result.exit, list_error_codes(result)) == (4, ["plan-stale"])
    assert "it is of another service now" in result.stderr


def test_a_removal_by_name_is_stale_after_a_rename(
    applied_project: AppliedProject,
) -> None:
    orders = applied_project.find_id("orders")
    applied_project.state_file.unlink()
    declare_removal(applied_project, format_removal("orders", orders, ", name: orders"))
    assert applied_project.plan("--out", "plan.json").exit == 0
    applied_project.dashboard.rename_group(orders, "Keep me")
    result = applied_project.apply("plan.json")
    assert (result.exit, list_error_codes(result)) == (4, ["plan-stale"]), result.stderr


LAKE = """\
  lake:
    name: NAME
    destination:
      service: managed_data_lake
      region: AWS_US_EAST_1
      time_zone_offset: "0"
      config: {storage_provider: AWS, bucket: BUCKET, prefix_path: a, region: us-east-1,
        fivetran_role_arn: "arn:aws:iam::123456789012:role/lake"}
      lifecycle: {allow_replace: true}
"""


def test_a_stopped_plan_with_a_rename_and_a_replacement_is_resumed(
    applied_project: AppliedProject,
) -> None:
    """The new name is the work of the plan itself."""
    before, after = (LAKE.replace("NAME", each).replace("BUCKET", each) for each in ("first", "second"))
    applied_project.declare("orders", "sales", extra=before)
    applied_project.list_apply_writes()
    applied_project.declare("orders", "sales", extra=after)
    assert applied_project.plan("--out", "plan.json").exit == 0
    applied_project.add_faults("DELETE /v1/destinations/* status 409")
    assert applied_project.apply("plan.json").exit == 6
    assert applied_project.find_id("second")
    applied_project.server.app.faults.clear()
    assert [call.partition(" ")[0] for call in applied_project.list_apply_writes("plan.json")] == [
        "DELETE",
        "POST",
        "POST",
    ]


def test_a_plan_saved_by_an_earlier_version_is_applied(applied_project: AppliedProject) -> None:
    declare_removal(applied_project, format_removal("orders", applied_project.find_id("orders")))
    assert applied_project.plan("--out", "plan.json").exit == 0
    file = applied_project.folder / "plan.json"
    content = json.loads(file.read_text())["content"]
    for change in content["plan"]["changes"]:
        del change["live"]
    for expected in content["expected"]:
        del expected["recognised_by"]
    text = json.dumps(content, sort_keys=True, indent=1, ensure_ascii=True)
    sealed = f' "signature": null,\n "content": {text}}}\n'
    file.write_text(f'{{"seal": "{hashlib.sha256(sealed.encode()).hexdigest()}",\n{sealed}')
    assert applied_project.project.run("show", "plan.json").exit == 0
    assert len(applied_project.list_apply_writes("plan.json")) == 2
