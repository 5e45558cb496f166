"""S-17: a `removed:` entry reaches the object that it means. What fails sends nothing and forgets nothing."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import pytest
from applied_pairs import PAIR, Team
from cli_harness import CommandResult, EmulatedFivetran, Project

from reconciler.emulator.fault_text import parse_fault
from reconciler.emulator.store import Kind

EXTENTS = pytest.mark.parametrize("extent", ["", ", only: destination", ", forget: true"])


@pytest.fixture
def team(project: Project, server: EmulatedFivetran) -> Team:
    """Two applied pairs, `orders` and `sales`, beside `payroll` of somebody else."""
    team = Team(project, server)
    payroll = server.app.dashboard.add_group("payroll")
    server.app.dashboard.add_destination(payroll, "snowflake", config={"database": "PAYROLL"})
    return team


def entry(key: str, id: str, more: str = "") -> str:
    return f"  - {{group: {key}, id: {id}{more}}}\n"


def declare(team: Team, removed: str, extra: str = "") -> None:
    """`orders` is removed; where only its destination is, its group stays."""
    team.declare("sales", extra=extra or ("  orders: {}\n" if "only:" in removed else ""), removed=removed)


def state_of(team: Team) -> Any:
    return json.loads(team.state.read_text()) if team.state.exists() else None


def codes(result: CommandResult) -> list[str]:
    return re.findall(r"^error\[([a-z-]+)\]", result.stderr, re.MULTILINE)


def refused(team: Team, *expected: str) -> str:
    """Plan and apply end with these errors, and leave everything as it was. What they say."""
    before, writes = state_of(team), len(team.server.writes)
    for result in (team.plan(), team.apply(), team.apply("--expect", "0" * 64)):
        assert (result.exit, codes(result)) == (1, [*expected]), result.stderr
        assert "specs/groups/main.yaml:" in result.stderr
    assert team.server.writes[writes:] == []
    assert state_of(team) == before
    return result.stderr


def paste(team: Team, stderr: str) -> None:
    """Put the line that a message offers into the specs, in place of all others below `removed:`."""
    found = re.search(r"write `(- \{.*?\})`", stderr)
    assert found is not None, stderr
    declare(team, f"  {found[1]}\n")


@EXTENTS
def test_the_id_of_somebody_else_is_refused_and_the_right_line_offered(team: Team, extent: str) -> None:
    orders, payroll = team.id_of("orders"), team.id_of("payroll")
    declare(team, entry("orders", payroll, extent))
    told = refused(team, "removal-other-id")
    for known in (orders, "`orders`", payroll, "`payroll`"):
        assert known in told
    paste(team, told)
    assert {call.rpartition("/")[2] for call in team.writes_of()} <= {orders}
    assert payroll in team.server.list_ids("destinations")


@EXTENTS
def test_a_slip_in_an_id_gives_nothing_up_not_even_what_is_protected(team: Team, extent: str) -> None:
    """It was taken for something that is gone already."""
    team.declare("sales", extra=PAIR.format(key="orders") + "      lifecycle: {protected: true}\n")
    assert team.writes_of() == []
    declare(team, entry("orders", f"{team.id_of('orders')}x", extent))
    refused(team, "removal-other-id")
    assert state_of(team)["records"]["destination.orders"]["protected"]


@EXTENTS
def test_what_nobody_remembers_needs_its_name_too(team: Team, extent: str) -> None:
    orders = team.id_of("orders")
    team.server.app.dashboard.rename_group(orders, 'No.  1: "Orders"')
    team.state.unlink()
    stays = f"  orders: {{id: {orders}, name: 'No.  1: \"Orders\"'}}\n" if "only" in extent else ""
    declare(team, entry("orders", orders, extent), stays)
    told = refused(team, "removal-needs-name")
    declare(team, entry("orders", orders, f", name: orders{extent}"), stays)
    assert refused(team, "removal-other-name").count("No. ") == 2
    found = re.search(r"write `(- \{.*?\})`", told)
    assert found is not None
    declare(team, f"  {found[1]}\n", stays)
    calls = [f"DELETE /v1/destinations/{orders}", f"DELETE /v1/groups/{orders}"]
    assert team.writes_of() == {"": calls, ", only: destination": calls[:1]}.get(extent, [])


@EXTENTS
def test_an_id_of_another_account_is_an_error_that_says_what_to_do(team: Team, extent: str) -> None:
    orders = team.id_of("orders")
    team.state.unlink()
    team.declare("sales", removed=entry("orders", "elsewhere_1", f", name: orders{extent}"))
    told = refused(team, "removal-unknown-id")
    assert "if this removal was carried out already, delete this entry" in told
    assert f"the group `orders` has the id `{orders}`" in told


def test_all_that_is_wrong_is_told_at_once(team: Team) -> None:
    """Two entries with each other's ids, one of nobody, and a group that merely vanished."""
    team.declare("orders", "sales", "stock", "ops", extra="  spare: {}\n")
    team.writes_of()
    removed = entry("orders", team.id_of("sales")) + entry("sales", team.id_of("orders"))
    removed += entry("nobody", "elsewhere_1") + entry("stock", team.id_of("payroll"), ", name: payroll")
    team.declare(extra="  spare: {}\n", removed=removed)
    refused(
        team, "removal-of-another", "removal-of-another", "removal-unknown-id", "removal-other-id", "vanished"
    )


@EXTENTS
def test_a_group_that_was_renamed_outside_is_shown_so_and_removed(team: Team, extent: str) -> None:
    orders = team.id_of("orders")
    team.server.app.dashboard.rename_group(orders, "Do not touch")
    stays = '  orders: {name: "Do not touch"}\n' if "only" in extent else ""
    for name in ("", ", name: orders", ", name: Do not touch"):
        declare(team, entry("orders", orders, f"{name}{extent}"), stays)
        shown = team.plan().stdout
        assert '"Do not touch" (renamed outside the specs: was "orders")' in shown
    declare(team, entry("orders", orders, f", name: Orders{extent}"), stays)
    refused(team, "removal-other-name")
    declare(team, entry("orders", orders, extent), stays)
    assert {call.rpartition("/")[2] for call in team.writes_of()} <= {orders}
    assert ("forget" in extent) == (orders in team.server.list_ids("destinations"))


def test_a_group_that_was_made_again_is_not_the_one_of_an_old_entry(team: Team) -> None:
    old = team.id_of("orders")
    for kind in (Kind.DESTINATION, Kind.GROUP):
        team.server.app.dashboard.remove(kind, old)
    team.writes_of("--recreate", "group.orders")
    new = team.id_of("orders")
    assert new != old
    declare(team, entry("orders", old))
    assert new in refused(team, "removal-other-id")


# What is gone already


@pytest.mark.parametrize(("extent", "kinds"), [("", 2), (", only: destination", 1)])
def test_what_is_gone_is_given_up_and_stays_done(team: Team, extent: str, kinds: int) -> None:
    """One read of the one object, as long as the line stands there."""
    orders = team.id_of("orders")
    for kind in (Kind.DESTINATION, Kind.GROUP)[:kinds]:
        team.server.app.dashboard.remove(kind, orders)
    declare(team, entry("orders", orders, extent))
    assert team.writes_of() == []
    assert "destination.orders" not in state_of(team)["records"]
    kind = "destinations" if extent else "groups"
    for _ in range(2):
        before = len(team.server.calls)
        plan = team.plan("--detailed-exitcode")
        assert (plan.exit, codes(plan)) == (0, [])
        assert "warning[removal-done]" in plan.stderr
        assert team.server.calls[before:].count(f"GET /v1/{kind}/{orders}") == 1
        assert team.writes_of() == []


@pytest.mark.parametrize("remembered", ["record", "removal"])
@pytest.mark.parametrize("kind", ["destinations", "groups"])
def test_what_may_not_be_seen_is_not_gone(team: Team, kind: str, remembered: str) -> None:
    orders, extent = team.id_of("orders"), ", only: destination" if kind == "destinations" else ""
    declare(team, entry("orders", orders, extent))
    if remembered == "removal":
        team.writes_of()
    else:
        team.server.app.dashboard.remove(Kind.DESTINATION, orders)
        if kind == "groups":
            team.server.app.dashboard.remove(Kind.GROUP, orders)
    team.server.app.faults.add(parse_fault(f"GET /v1/{kind}/{orders} status 403"))
    before, writes = state_of(team), len(team.server.writes)
    for result in (team.plan(), team.apply()):
        assert (result.exit, codes(result)) == (1, ["forbidden"])
    assert (state_of(team), len(team.server.writes)) == (before, writes)


@pytest.mark.parametrize("path", ["/v1/groups", "/v1/destinations"])
def test_a_list_that_leaves_it_out_is_no_proof(team: Team, path: str) -> None:
    orders = team.id_of("orders")
    declare(team, entry("orders", orders))
    team.server.app.faults.add(parse_fault(f"GET {path} empty-list"))
    plan = team.plan()
    assert "Plan: 0 to add, 0 to change, 2 to destroy." in plan.stdout.splitlines(), plan.stderr
    assert "removal-done" not in plan.stderr


def test_a_destination_that_is_not_listed_goes_before_its_group_all_the_same(team: Team) -> None:
    """Fivetran may take both along, and nobody would have seen it in the plan."""
    orders = team.id_of("orders")
    team.state.unlink()
    declare(team, entry("orders", orders, ", name: orders"))
    team.server.app.faults.add(parse_fault("GET /v1/destinations empty-list"))
    assert "- destination.orders" in team.plan().stdout


@pytest.mark.parametrize("stale", ["/v1/groups", "/v1/destinations", "/v1/groups /v1/destinations"])
def test_a_list_that_still_shows_it_is_no_proof_either(team: Team, stale: str) -> None:
    orders = team.id_of("orders")
    declare(team, entry("orders", orders))
    team.writes_of()
    for path in stale.split():
        team.server.app.faults.add(parse_fault(f"GET {path} stale 6"))
    plan = team.plan("--detailed-exitcode")
    assert (plan.exit, codes(plan)) == (0, []), plan.stderr
    assert "warning[removal-done]" in plan.stderr


@pytest.mark.parametrize(("extent", "kind"), [("", "groups"), (", only: destination", "destinations")])
def test_a_read_that_still_shows_it_is_looked_at_again(team: Team, extent: str, kind: str) -> None:
    """Its connections are asked for too, and these two answers cannot both be right."""
    orders = team.id_of("orders")
    declare(team, entry("orders", orders, extent))
    team.writes_of()
    if extent:
        team.server.app.dashboard.remove(Kind.GROUP, orders)
        team.declare("sales", removed=entry("orders", orders, extent))
    team.server.app.faults.add(parse_fault(f"GET /v1/{kind}/{orders} stale 3"))
    plan = team.plan("--detailed-exitcode")
    assert (plan.exit, codes(plan)) == (0, []), plan.stderr
    assert "warning[removal-done]" in plan.stderr


# What was carried out is remembered as long as its line stands


def test_an_object_that_is_there_again_is_deleted_again(team: Team) -> None:
    """A backup of Fivetran's, or a deletion that was carried out at another place only."""
    orders = team.id_of("orders")
    declare(team, entry("orders", orders))
    state = state_of(team)
    for address in ("group.orders", "destination.orders"):
        del state["records"][address]
    team.state.write_text(json.dumps({**state, "removals": {"orders": {"id": orders, "extent": "pair"}}}))
    assert team.writes_of() == [f"DELETE /v1/destinations/{orders}", f"DELETE /v1/groups/{orders}"]


def test_what_was_only_given_up_is_not_deleted_without_its_name(team: Team) -> None:
    orders = team.id_of("orders")
    declare(team, entry("orders", orders, ", forget: true"))
    assert team.writes_of() == []
    assert state_of(team)["removals"] == {"orders": {"extent": "forget", "id": orders}}
    assert team.plan("--detailed-exitcode").exit == 0
    declare(team, entry("orders", orders))
    paste(team, refused(team, "removal-needs-name"))
    assert len(team.writes_of()) == 2


def test_it_is_forgotten_with_its_line(team: Team) -> None:
    orders = team.id_of("orders")
    declare(team, entry("orders", orders))
    team.writes_of()
    assert state_of(team)["removals"] == {"orders": {"extent": "pair", "id": orders}}
    listed = team.project.run("state", "list")
    assert f"Removals that were carried out:\n  orders  {orders}  pair\n" in listed.stdout
    document = team.project.run("state", "list", "--format", "json").document
    assert document["removals"] == [{"key": "orders", "id": orders, "extent": "pair"}]
    team.declare("sales", "stock")
    team.writes_of()
    assert state_of(team)["removals"] == {}
    team.declare("sales", "stock", removed=entry("orders", orders))
    assert "delete this entry" in refused(team, "removal-unknown-id")


def test_a_lost_state_says_to_delete_the_line(team: Team) -> None:
    declare(team, entry("orders", team.id_of("orders")))
    team.writes_of()
    team.state.unlink()
    assert "if this removal was carried out already, delete this entry" in refused(team, "removal-unknown-id")


def test_an_old_line_does_not_stop_what_is_made_anew(team: Team) -> None:
    """Only its destination was given up; then the group is deleted outside, and made again by the same apply that still
    reads the line."""
    orders = team.id_of("orders")
    declare(team, entry("orders", orders, ", only: destination"))
    team.writes_of()
    team.server.app.dashboard.remove(Kind.GROUP, orders)
    assert team.writes_of("--recreate", "group.orders") == ["POST /v1/groups"]
    plan = team.plan("--detailed-exitcode")
    assert (plan.exit, codes(plan)) == (0, [])


def test_a_line_that_never_had_anything_to_do_is_remembered_as_done(team: Team) -> None:
    """As above, of a group that never had a destination."""
    team.declare("orders", "sales", extra="  bare: {}\n")
    team.writes_of()
    bare = team.id_of("bare")
    team.declare("orders", "sales", extra="  bare: {}\n", removed=entry("bare", bare, ", only: destination"))
    team.server.app.dashboard.remove(Kind.GROUP, bare)
    assert team.writes_of("--recreate", "group.bare") == ["POST /v1/groups"]
    assert team.plan("--detailed-exitcode").exit == 0


def test_a_line_with_nothing_to_do_is_remembered_as_done_without_a_memory_too(team: Team) -> None:
    """Its group was renamed outside, so that the entry stands for no group any more, and one is made."""
    team.declare("orders", "sales", extra="  bare: {}\n")
    team.writes_of()
    bare = team.id_of("bare")
    team.state.unlink()
    team.server.app.dashboard.rename_group(bare, "Renamed")
    removed = entry("bare", bare, ", name: Renamed, only: destination")
    team.declare("orders", "sales", extra="  bare: {}\n", removed=removed)
    assert team.writes_of() == ["POST /v1/groups"]
    assert state_of(team)["removals"] == {"bare": {"extent": "destination", "id": bare}}
    assert team.plan("--detailed-exitcode").exit == 0


def test_a_memory_that_is_corrected_by_hand_counts_as_none(team: Team) -> None:
    orders = team.id_of("orders")
    assert team.project.run("state", "forget", "orders", "--auto-approve").exit == 0
    declare(team, entry("orders", orders))
    refused(team, "removal-needs-name")
    declare(team, entry("orders", orders, ", name: orders"))
    assert len(team.writes_of()) == 2


def test_a_state_of_an_earlier_version_is_read(team: Team) -> None:
    state = state_of(team)
    assert state.pop("removals") == {}
    team.state.write_text(json.dumps({**state, "format": 1}))
    declare(team, entry("orders", team.id_of("orders")))
    assert len(team.writes_of()) == 2
    assert state_of(team)["format"] == 2


# What it costs


def test_one_list_of_connections_for_each_and_one_read_for_what_is_gone(team: Team) -> None:
    """S-22."""
    orders = team.id_of("orders")
    declare(team, entry("orders", orders))
    before = len(team.server.calls)
    assert team.plan().exit == 0
    assert team.server.calls[before:] == [
        "GET /v1/account/info",
        "GET /v1/groups",
        "GET /v1/destinations",
        f"GET /v1/destinations/{team.id_of('sales')}",
        f"GET /v1/groups/{orders}/connections",
    ]


# What was reviewed


@pytest.mark.parametrize("how", ["saved", "expected"])
def test_a_rename_between_review_and_apply_is_a_new_plan(team: Team, how: str) -> None:
    """Whoever renamed it may mean to keep it."""
    orders = team.id_of("orders")
    declare(team, entry("orders", orders))
    assert team.plan("--out", "plan.json").exit == 0
    digest = team.plan("--format", "json").document["digest"]
    options = ("plan.json",) if how == "saved" else ("--expect", digest)
    team.server.app.dashboard.rename_group(orders, "Keep me")
    before = len(team.server.writes)
    result = team.apply(*options)
    assert (result.exit, {*codes(result)}) == (4, {"plan-stale" if how == "saved" else "plan-unlike"})
    assert team.server.writes[before:] == []
    team.server.app.dashboard.rename_group(orders, "orders")
    assert len(team.writes_of(*options)) == 2


def test_another_destination_in_the_same_group_is_a_new_plan(team: Team) -> None:
    """It has the same id."""
    orders = team.id_of("orders")
    declare(team, entry("orders", orders))
    assert team.plan("--out", "plan.json").exit == 0
    team.server.app.dashboard.remove(Kind.DESTINATION, orders)
    team.server.app.dashboard.add_destination(orders, "snowflake", config={"database": "OTHER"})
    result = team.apply("plan.json")
    assert (result.exit, codes(result)) == (4, ["plan-stale"])
    assert "it is of another service now" in result.stderr


def test_a_removal_by_name_of_a_group_that_was_renamed_since_is_stale(team: Team) -> None:
    orders = team.id_of("orders")
    team.state.unlink()
    declare(team, entry("orders", orders, ", name: orders"))
    assert team.plan("--out", "plan.json").exit == 0
    team.server.app.dashboard.rename_group(orders, "Keep me")
    result = team.apply("plan.json")
    assert (result.exit, codes(result)) == (4, ["plan-stale"]), result.stderr


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


def test_a_plan_that_renames_what_it_replaces_goes_on_where_it_stopped(team: Team) -> None:
    """The other name is its own work."""
    before, after = (LAKE.replace("NAME", each).replace("BUCKET", each) for each in ("first", "second"))
    team.declare("orders", "sales", extra=before)
    team.writes_of()
    team.declare("orders", "sales", extra=after)
    assert team.plan("--out", "plan.json").exit == 0
    team.server.app.faults.add(parse_fault("DELETE /v1/destinations/* status 409"))
    assert team.apply("plan.json").exit == 6
    assert team.id_of("second")
    team.server.app.faults.clear()
    assert [call.partition(" ")[0] for call in team.writes_of("plan.json")] == ["DELETE", "POST", "POST"]


def test_a_plan_that_an_earlier_version_saved_is_still_applied(team: Team) -> None:
    declare(team, entry("orders", team.id_of("orders")))
    assert team.plan("--out", "plan.json").exit == 0
    file = team.project.folder / "plan.json"
    content = json.loads(file.read_text())["content"]
    for change in content["plan"]["changes"]:
        del change["live"]
    for expected in content["expected"]:
        del expected["recognised_by"]
    text = json.dumps(content, sort_keys=True, indent=1, ensure_ascii=True)
    sealed = f' "signature": null,\n "content": {text}}}\n'
    file.write_text(f'{{"seal": "{hashlib.sha256(sealed.encode()).hexdigest()}",\n{sealed}')
    assert team.project.run("show", "plan.json").exit == 0
    assert len(team.writes_of("plan.json")) == 2
