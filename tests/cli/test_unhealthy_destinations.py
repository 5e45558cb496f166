"""Test destinations that Fivetran shows as incomplete or broken: named by plans, and tested when that is due."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from applied_project import PAIR, AppliedProject
from cli_harness import EmulatedFivetran, Project, serve_fivetran

from reconciler.emulator.setup_tests import SetupTest
from reconciler.emulator.switches import Behaviour

pytestmark = pytest.mark.sampled(every=6, tests=3)

FAILED = SetupTest("Permission Test", "FAILED", "no access to acme")
PASSED = SetupTest("Permission Test", "PASSED")
TUNNELLED = """\
  orders:
    destination:
      service: postgres_warehouse
      region: GCP_US_EAST4
      time_zone_offset: "0"
      config: {host: db.example.com, port: 5432, database: d, user: u, connection_type: SshTunnel,
        tunnel_host: bastion.example.com, tunnel_port: 22, tunnel_user: fivetran,
        always_encrypted: true, password: {secret: "env:ORDERS_KEY"}}
"""


def declare_tests(run: bool = True, on_failure: str = "fail", trust: str = "none") -> str:
    return (
        f"      setup_tests: {{run: {str(run).lower()}, on_failure: {on_failure}}}\n"
        f"      trust: {{certificates: {trust}, fingerprints: {trust}}}\n"
    )


class TestedProject(AppliedProject):
    """A project with one pair, `orders`."""

    __test__ = False

    def declare_pair(self, pair: str = PAIR.format(key="orders"), **tests: Any) -> None:
        self.write_settings()
        self.write_specs(pair + declare_tests(**tests))

    def let_tests(self, result: SetupTest) -> None:
        """Let all coming setup tests have this result."""
        self.dashboard.script_setup_tests(group_name="orders", finally_always=[result])

    def plan_actions(self) -> dict[str, int]:
        """The counts of planned actions, without the empty ones."""
        counts: dict[str, int] = self.plan("--format", "json").document["counts"]
        return {action: count for action, count in counts.items() if count}

    def list_warnings(self) -> list[str]:
        """The messages of warnings about unhealthy destinations."""
        warnings = self.plan("--format", "json").document["warnings"]
        return [each["message"] for each in warnings if each["code"] == "not-connected"]

    def add_live(self, status: str) -> None:
        """Add the pair to the account as if another team had made it."""
        config = {"project_id": "acme", "data_set_location": "US"}
        self.dashboard.add_destination(
            self.dashboard.add_group("orders"), "big_query", config=config, setup_status=status
        )


@pytest.fixture
def tested(project: Project, server: EmulatedFivetran) -> TestedProject:
    return TestedProject(project, server, {"ORDERS_KEY": "password-of-orders"})


@pytest.fixture
def stuck(project: Project) -> Iterator[TestedProject]:
    """A project against a Fivetran whose status stays as it is although tests pass."""
    with ExitStack() as stack:
        server = stack.enter_context(serve_fivetran(behaviour=Behaviour(status_after_tests="kept")))
        yield TestedProject(project, server)


@pytest.mark.sampled(every=3)
@pytest.mark.parametrize("status", ["incomplete", "broken"])
@pytest.mark.parametrize("on_failure", ["fail", "warn", "ignore"])
def test_an_adopted_destination_that_is_unhealthy_is_tested_once(
    tested: TestedProject, status: str, on_failure: str
) -> None:
    tested.add_live(status)
    tested.declare_pair(on_failure=on_failure)
    assert tested.plan_actions() == {"adopt": 1, "verify": 1}
    result, writes = tested.run_and_list_writes("apply", "--auto-approve")
    assert (result.exit, [write.rpartition("/")[2] for write in writes]) == (0, ["test"])
    assert tested.is_converged()
    assert tested.list_warnings() == []


@pytest.mark.parametrize("status", ["incomplete", "broken"])
def test_an_unhealthy_destination_without_tests_is_adopted_with_a_warning(
    tested: TestedProject, status: str
) -> None:
    tested.add_live(status)
    tested.declare_pair(run=False)
    plan = tested.plan("--detailed-exitcode")
    assert plan.exit == 0
    assert f"warning[not-connected]: destination.orders is `{status}` at Fivetran" in plan.stderr
    assert "run: false" in plan.stderr
    assert tested.plan("--format", "json").document["adopted"][1]["setup_status"] == status
    assert tested.list_apply_writes() == []
    assert len(tested.list_warnings()) == 1, "the warning stays as long as the status"


def test_tests_that_a_spec_asks_for_later_are_run(tested: TestedProject) -> None:
    tested.declare_pair(run=False)
    tested.must_apply()
    assert (tested.plan_actions(), len(tested.list_warnings())) == ({"no-op": 2}, 1)
    tested.declare_pair(run=True)
    assert tested.plan_actions() == {"verify": 1, "no-op": 1}
    assert [write.rpartition("/")[2] for write in tested.list_apply_writes()] == ["test"]
    assert tested.is_converged()


@pytest.mark.parametrize("on_failure", ["warn", "ignore"])
def test_accepted_failures_are_named_and_not_tested_again(tested: TestedProject, on_failure: str) -> None:
    tested.let_tests(FAILED)
    tested.declare_pair(on_failure=on_failure)
    first = tested.must_apply()
    assert "apply again" not in first.stdout, "no apply tests it again"
    assert ("then run `reconciler test destination.orders`" in first.stdout) == (on_failure == "warn")
    for _ in range(2):
        assert tested.list_apply_writes() == []
        [warning] = tested.list_warnings()
        assert "`incomplete`" in warning
    assert f"`on_failure: {on_failure}` accepts its failed setup tests" in tested.plan().stderr
    tested.declare_pair(on_failure="fail")
    assert tested.plan_actions() == {"verify": 1, "no-op": 1}


@pytest.mark.parametrize("on_failure", ["fail", "warn"])
def test_failed_tests_are_not_forgotten_with_the_state(tested: TestedProject, on_failure: str) -> None:
    tested.let_tests(FAILED)
    tested.declare_pair(on_failure=on_failure)
    tested.apply()
    tested.state_file.unlink()
    assert tested.plan_actions() == {"adopt": 1, "verify": 1}


@pytest.mark.sampled(every=3)
@pytest.mark.parametrize("on_failure", ["fail", "warn", "ignore"])
def test_granted_trust_plans_the_approval(tested: TestedProject, on_failure: str) -> None:
    tested.write_settings()
    tested.dashboard.present_host_key(group_name="orders")
    tested.declare_pair(TUNNELLED, on_failure=on_failure)
    assert tested.apply().exit == 7
    is_required = on_failure == "fail"
    assert tested.plan_actions() == ({"verify": 1, "no-op": 1} if is_required else {"no-op": 2})
    tested.declare_pair(TUNNELLED, on_failure=on_failure, trust="any")
    assert tested.plan_actions() == {"verify": 1, "no-op": 1}
    assert [write.rpartition("/")[2] for write in tested.list_apply_writes()] == ["test"]
    assert tested.is_converged()
    assert tested.list_warnings() == []


def test_a_destination_that_broke_later_is_named_and_not_tested(tested: TestedProject) -> None:
    tested.declare_pair()
    tested.must_apply()
    tested.dashboard.change_destination(tested.find_id("orders"), setup_status="broken")
    plan = tested.plan("--detailed-exitcode")
    assert plan.exit == 0
    assert "warning[not-connected]: destination.orders is `broken` at Fivetran" in plan.stderr
    assert "destination.orders" in tested.plan("--verbose").stdout
    assert tested.list_apply_writes() == []


@pytest.mark.sampled(every=3)
@pytest.mark.parametrize("on_failure", ["fail", "warn", "ignore"])
def test_a_status_that_stays_although_tests_pass_leads_to_no_loop(
    stuck: TestedProject, on_failure: str
) -> None:
    stuck.declare_pair(on_failure=on_failure)
    first = stuck.apply()
    assert first.exit == 0, first.stdout + first.stderr
    assert "has passed its setup tests, and Fivetran still shows it as `incomplete`" in first.stdout
    for _ in range(2):
        assert stuck.list_apply_writes() == []
        assert stuck.is_converged()
        assert stuck.list_warnings() == [
            "destination.orders has passed its setup tests, and Fivetran still shows it as `incomplete`"
        ]


def test_a_status_that_stays_after_an_adoption_leads_to_no_loop(stuck: TestedProject) -> None:
    stuck.add_live("incomplete")
    stuck.declare_pair()
    assert stuck.plan_actions() == {"adopt": 1, "verify": 1}
    stuck.must_apply()
    assert stuck.list_apply_writes() == []
    assert stuck.is_converged()


def test_a_plan_reads_no_more_for_the_status(tested: TestedProject) -> None:
    tested.add_live("broken")
    tested.declare_pair()
    before = len(tested.server.calls)
    tested.plan()
    assert len(tested.server.calls) - before == 4, "the account, two lists, one destination"
