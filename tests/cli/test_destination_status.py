"""The status of destinations: shown by plans, drift and graphs, recorded in the state, and never a change."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from applied_project import PAIR, AppliedProject
from cli_harness import EmulatedFivetran, Project, serve_fivetran

from reconciler.emulator.setup_tests import SetupTest
from reconciler.emulator.switches import Behaviour

pytestmark = pytest.mark.sampled(every=4, tests=2)

STATUSES = ("connected", "incomplete", "broken")
CONFIG = {"project_id": "acme", "data_set_location": "US"}


class StatusProject(AppliedProject):
    """A project whose account has destinations of a chosen status."""

    def add_live(self, status: str, key: str = "orders") -> str:
        """Add a pair to the account, as another user would. Returns its id."""
        id = self.dashboard.add_group(key)
        self.dashboard.add_destination(
            id, "big_query", region="GCP_US_EAST4", config=CONFIG, setup_status=status
        )
        return id

    def declare_pair(self, key: str = "orders", **options: str) -> None:
        """Declare a pair. `options` are the values of `run` and `on_failure`."""
        self.write_settings()
        self.write_specs(declare(key, **options))

    def set_status(self, status: str, name: str = "orders") -> None:
        self.dashboard.change_destination(self.find_id(name), setup_status=status)

    def read_records(self) -> dict[str, str]:
        """The recorded status of each address that has one, as `state list` shows it."""
        records = self.run("state", "list", "--format", "json").document["records"]
        return {each["address"]: each["setup_status"] for each in records if "setup_status" in each}


def declare(key: str = "orders", run: str = "true", on_failure: str = "fail") -> str:
    return PAIR.format(key=key) + f"      setup_tests: {{run: {run}, on_failure: {on_failure}}}\n"


def read_times(account: StatusProject) -> list[str]:
    """Read the recorded times of the last applies."""
    return [record["applied_at"] for record in account.read_state()["records"].values()]


@pytest.fixture(params=["lower", "upper"])
def account(project: Project, request: pytest.FixtureRequest) -> Iterator[StatusProject]:
    """A project whose account answers statuses in lower or in upper case."""
    with ExitStack() as stack:
        server = stack.enter_context(serve_fivetran(behaviour=Behaviour(status_case=request.param)))
        yield StatusProject(project, server)


@pytest.fixture
def plain(project: Project, server: EmulatedFivetran) -> StatusProject:
    return StatusProject(project, server)


def adopt_untested(account: StatusProject, status: str) -> None:
    account.add_live(status)
    account.declare_pair(run="false")


def leave_unchanged(account: StatusProject, status: str) -> None:
    adopt_untested(account, status)
    account.must_apply()


def update(account: StatusProject, status: str) -> None:
    leave_unchanged(account, status)
    account.edit_file("specs/groups/main.yaml", "project_id: acme", "project_id: other")


LISTS: dict[str, Callable[[StatusProject, str], None]] = {
    "adopted": adopt_untested,
    "unchanged": leave_unchanged,
    "changes": update,
}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("name", LISTS)
def test_every_entry_of_a_plan_has_its_status(account: StatusProject, name: str, status: str) -> None:
    LISTS[name](account, status)
    [entry] = [
        each
        for each in account.plan("--format", "json").document[name]
        if each["address"] == "destination.orders"
    ]
    assert entry["setup_status"] == status
    text = account.plan("--verbose").stdout
    lines = [line for line in text.splitlines() if "destination.orders" in line or "status:" in line]
    assert any(status in line for line in lines), text
    assert not any("status:" in line for line in account.plan().stdout.splitlines())


@pytest.mark.parametrize("status", STATUSES)
def test_only_an_unhealthy_adopted_destination_is_tested(account: StatusProject, status: str) -> None:
    account.add_live(status)
    account.declare_pair()
    has_tests = status != "connected"
    plan = account.plan()
    assert ("setup tests have not passed; apply runs them" in plan.stdout) == has_tests
    writes = account.list_apply_writes()
    assert [write.rpartition("/")[2] for write in writes] == ["test"] * has_tests
    assert account.is_converged()
    assert account.read_records() == {}


@pytest.mark.parametrize("declared", ["no-op", "update", "adopt", "verify"])
def test_a_broken_destination_is_one_warning_in_every_command(account: StatusProject, declared: str) -> None:
    match declared:
        case "no-op":
            leave_unchanged(account, "broken")
        case "update":
            update(account, "broken")
        case "adopt":
            adopt_untested(account, "broken")
        case "verify":
            account.add_live("broken")
            account.declare_pair()
    actions = {
        each["address"]: each.get("action", "")
        for key in ("changes", "adopted", "unchanged")
        for each in account.plan("--format", "json").document[key]
    }
    assert actions["destination.orders"] in {declared, ""}
    for command in (["plan"], ["drift"], ["plan", "--drift-only"], ["apply", "--auto-approve"]):
        result = account.run(*command)
        assert result.exit == 0, result.stderr
        warning = "warning[not-connected]: destination.orders is `broken` at Fivetran"
        is_listed = result.stdout.count("\n  destination.orders  broken\n")
        assert (command, result.stderr.count(warning) + is_listed) == (command, 1)


def test_the_advice_about_a_broken_destination_names_its_tests(plain: StatusProject) -> None:
    plain.add_live("broken")
    plain.declare_pair()
    assert "apply runs its setup tests" in plain.plan().stderr
    plain.declare_pair(run="false")
    assert "`run: true` tests it once" in plain.plan().stderr
    plain.must_apply()
    assert "correct the cause, then run `reconciler test destination.orders`" in plain.plan().stderr
    plain.declare_pair(run="true")
    assert len(plain.list_apply_writes()) == 1, "tests that are turned on run once"
    assert plain.list_apply_writes() == [], "a broken destination of this project is not tested again"


@pytest.mark.parametrize("status", STATUSES)
def test_a_destination_to_be_removed_has_its_status(account: StatusProject, status: str) -> None:
    leave_unchanged(account, status)
    id = account.find_id("orders")
    account.write_specs("  orders: {}\n", f"  - {{group: orders, id: {id}, only: destination}}\n")
    [change] = account.plan("--format", "json").document["changes"]
    assert (change["action"], change["setup_status"]) == ("delete", status)
    assert f"    status: {status}" in account.plan("--verbose").stdout.splitlines()
    assert account.plan().stderr == ""
    account.write_specs("", f"  - {{group: orders, id: {id}, forget: true}}\n")
    forgotten = account.plan("--format", "json").document["forgotten"]
    assert [each.get("setup_status") for each in forgotten] == [status, None]


def test_drift_lists_destinations_that_are_not_connected(account: StatusProject) -> None:
    for key, status in {"a": "broken", "bb": "incomplete", "c": "connected"}.items():
        account.add_live(status, key)
    account.write_settings()
    account.write_specs("".join(declare(key, run="false") for key in ("a", "bb", "c")))
    account.must_apply()
    shown = account.run("drift").stdout
    assert "\n\nNot connected:\n  destination.a   broken\n  destination.bb  incomplete\n\n" in shown
    shown = account.run("drift", "--verbose").stdout
    assert (
        "\n\nStatus of destinations:\n  destination.a   broken\n  destination.bb  incomplete\n"
        "  destination.c   connected\n\n" in shown
    )
    assert account.run("drift", "--format", "json").document["setup_statuses"] == {
        "destination.a": "broken",
        "destination.bb": "incomplete",
        "destination.c": "connected",
    }


def test_many_destinations_of_one_status_are_one_warning(account: StatusProject) -> None:
    keys = ("a", "b", "c", "d", "e")
    for key in keys:
        account.add_live("broken", key)
    account.add_live("incomplete", "f")
    account.write_settings()
    account.write_specs("".join(declare(key, run="false") for key in (*keys, "f")))
    account.must_apply()
    plan = account.plan()
    assert plan.stderr.count("warning[not-connected]") == 2
    assert (
        "warning[not-connected]: 5 destinations are `broken` at Fivetran: a, b, c and 2 more; `--verbose` names all\n"
        "  --> specs/groups/main.yaml:"
    ) in plan.stderr
    assert "help: correct the cause, then run `reconciler test ADDRESS`" in plan.stderr
    assert plan.stderr.splitlines()[-2:] == ["6 warnings", ""]
    assert account.plan("--verbose").stderr.count("warning[not-connected]") == 6
    assert account.plan("--format", "terraform").stderr.count("[not-connected]") == 2
    for form in ("json", "sarif"):
        shown = account.plan("--format", form).stdout
        assert all(f"destination.{key} is `broken`" in shown for key in keys)


def test_drift_repeats_no_status_that_it_lists(account: StatusProject) -> None:
    account.add_live("broken", "a")
    account.write_settings()
    account.write_specs(declare("a", run="false"))
    account.must_apply()
    text = account.run("drift")
    assert ("not-connected" in text.stderr, "Not connected:\n  destination.a  broken\n" in text.stdout) == (
        False,
        True,
    )
    assert (
        "title=not-connected::destination.a is `broken`" in account.run("drift", "--format", "github").stdout
    )
    for form in ("json", "sarif"):
        assert "not-connected" in account.run("drift", "--format", form).stdout


def test_drift_has_no_list_without_unhealthy_destinations(plain: StatusProject) -> None:
    leave_unchanged(plain, "connected")
    result = plain.run("drift")
    assert "onnected" not in result.stdout
    assert result.stderr == ""


def test_a_graph_marks_destinations_that_are_not_connected(account: StatusProject) -> None:
    for key, status in {"a": "broken", "b": "incomplete", "c": "connected"}.items():
        account.add_live(status, key)
    account.write_settings()
    account.write_specs("".join(declare(key, run="false") for key in ("a", "b", "c")) + PAIR.format(key="d"))
    lines = account.run("graph").stdout.splitlines()
    assert '  destination_a["destination.a<br/>big_query<br/>broken"]:::adopt' in lines
    assert '  destination_b["destination.b<br/>big_query<br/>incomplete"]:::adopt' in lines
    assert '  destination_c["destination.c<br/>big_query"]:::adopt' in lines
    assert "  class destination_a broken" in lines
    assert "  class destination_b incomplete" in lines
    nodes = account.run("graph", "--format", "json").document["nodes"]
    statuses = {each["address"]: each["setup_status"] for each in nodes if "setup_status" in each}
    assert statuses == {
        "destination.a": "broken",
        "destination.b": "incomplete",
        "destination.c": "connected",
    }
    assert "broken" not in account.run("graph", "--offline").stdout


def test_an_apply_without_changes_records_the_status(account: StatusProject) -> None:
    leave_unchanged(account, "connected")
    first = account.state_file.read_bytes()
    # Format 6 holds that the spec declines setup tests.
    assert (account.read_state()["format"], account.read_records()) == (6, {})
    times = read_times(account)
    account.project.advance_time()
    account.set_status("broken")
    account.plan()
    account.run("drift")
    assert account.state_file.read_bytes() == first, "only an apply writes the state"
    account.must_apply()
    assert (account.read_state()["format"], account.read_records()) == (6, {"destination.orders": "broken"})
    assert "  broken\n" in account.run("state", "list").stdout
    shown = account.run("state", "show", "destination.orders").stdout
    assert ["setup", "status", "broken"] in [line.split() for line in shown.splitlines()]
    assert read_times(account) == times, "nothing was applied"
    [shown] = account.run("state", "show", "destination.orders", "--format", "json").document["records"]
    assert shown["setup_status"] == "broken"
    recorded = account.state_file.read_bytes()
    account.must_apply()
    assert account.state_file.read_bytes() == recorded
    account.set_status("connected")
    account.must_apply()
    assert account.read_records() == {}


@pytest.mark.parametrize(("run", "recorded"), [("true", {}), ("false", {"destination.orders": "incomplete"})])
def test_a_create_records_its_status_in_the_same_apply(
    account: StatusProject, run: str, recorded: dict[str, str]
) -> None:
    account.declare_pair(run=run)
    account.must_apply()
    assert account.read_records() == recorded
    written = account.state_file.read_bytes()
    account.must_apply()
    assert account.state_file.read_bytes() == written, "S-12"


def test_failed_tests_record_the_status(account: StatusProject) -> None:
    account.add_live("connected")
    account.declare_pair()
    account.must_apply()
    account.dashboard.script_setup_tests(
        group_name="orders", finally_always=[SetupTest("Permission Test", "FAILED", "no access")]
    )
    account.edit_file("specs/groups/main.yaml", "project_id: acme", "project_id: other")
    serial = account.read_state()["serial"]
    assert account.apply().exit == 6
    assert account.read_records() == {"destination.orders": "broken"}
    assert account.read_state()["serial"] == serial + 2, "before the calls, and after"
    records = account.run("state", "list", "--format", "json").document["records"]
    assert next(each["marks"] for each in records if each["address"] == "destination.orders") == [
        "unverified"
    ]


@pytest.mark.parametrize("change", [update, leave_unchanged])
def test_no_digest_depends_on_a_status(
    account: StatusProject, change: Callable[[StatusProject, str], None]
) -> None:
    change(account, "connected")
    others = account.add_live("connected", "theirs")
    digests = set()
    for status in STATUSES:
        account.set_status(status)
        account.dashboard.change_destination(others, setup_status=status)
        digests.add(account.plan("--format", "json").document["digest"])
    assert len(digests) == 1


def test_a_stale_list_does_not_hide_the_status_of_a_declared_destination(plain: StatusProject) -> None:
    """The status of a declared destination is read by its id."""
    leave_unchanged(plain, "connected")
    plain.server.post(f"/destinations/{plain.find_id('orders')}/test", {})
    plain.set_status("broken")
    plain.add_faults("GET /v1/destinations stale")
    document = plain.plan("--format", "json").document
    [entry] = [each for each in document["unchanged"] if each["address"] == "destination.orders"]
    assert entry["setup_status"] == "broken"


def test_a_state_of_an_earlier_release_gets_its_statuses_with_the_next_apply(plain: StatusProject) -> None:
    leave_unchanged(plain, "broken")
    state = plain.read_state()
    state["format"] = 2
    del state["records"]["destination.orders"]["setup_status"]
    plain.project.write("specs/.reconciler/state.json", json.dumps(state))
    assert plain.is_converged()
    assert plain.list_apply_writes() == []
    assert plain.read_records() == {"destination.orders": "broken"}
