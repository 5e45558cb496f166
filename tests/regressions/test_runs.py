"""R16 to R23, R40, R43, R45, R47 and R48: runs with faults between plan and end."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from applied_project import AppliedProject
from blocking_server import serve_blocking
from cli_harness import CommandResult, EmulatedFivetran, Project, build_credentials, serve_fivetran
from command_line import PROCESS_TIMEOUT, TerminalProcess

from reconciler.emulator.setup_tests import SetupTest
from reconciler.emulator.switches import Behaviour

pytestmark = pytest.mark.sampled(every=6, tests=2)

PAIR = """\
  orders:
    destination:
      service: big_query
      region: GCP_US_EAST4
      time_zone_offset: "0"
      config: {project_id: acme, data_set_location: US}
"""
FAILED = SetupTest("Permission Test", "FAILED", "no access to acme yet")
PASSED = SetupTest("Permission Test", "PASSED")


class DeclaredPair(AppliedProject):
    """A project with one pair, `orders`, that is not created yet."""

    def __init__(self, project: Project, server: EmulatedFivetran) -> None:
        super().__init__(project, server)
        self.write_settings()
        project.write_groups(PAIR)

    @property
    def id(self) -> str:
        """The id of the only group of the account."""
        [id] = self.server.list_ids("groups")
        return id

    def script_tests(self, *runs: SetupTest, finally_always: SetupTest = PASSED) -> None:
        """Let the next runs of setup tests have these results, and all later runs the last one."""
        self.dashboard.script_setup_tests(*[[run] for run in runs], finally_always=[finally_always])

    def list_creates(self) -> list[str]:
        """List all requests that create a group or a destination."""
        return [call for call in self.server.writes if call in ("POST /v1/groups", "POST /v1/destinations")]

    def count_tests(self) -> int:
        """Count the requested runs of setup tests."""
        return sum(call.endswith("/test") for call in self.server.writes)


@pytest.fixture
def declared_pair(project: Project, server: EmulatedFivetran) -> DeclaredPair:
    """One pair that is not created yet."""
    return DeclaredPair(project, server)


def get_outcome(result: CommandResult, address: str) -> dict[str, object]:
    """Get the outcome of one address in a document."""
    [found] = [each for each in result.document["applied"]["outcomes"] if each["address"] == address]
    assert isinstance(found, dict)
    return found


ONCE = ["POST /v1/groups", "POST /v1/destinations"]


@pytest.mark.parametrize("what", ["groups", "destinations"])
@pytest.mark.parametrize(
    "how", ["after-effect reset", "mid-headers reset", "mid-body truncate", "after-effect close"]
)
def test_r16_an_object_created_before_a_broken_connection_is_recovered(
    declared_pair: DeclaredPair, what: str, how: str
) -> None:
    declared_pair.add_faults(f"POST /v1/{what} #1 {how}")
    result = declared_pair.apply()
    assert result.exit == 0, result.stdout + result.stderr
    assert declared_pair.list_creates() == ONCE
    assert result.stdout.count(", found after its answer was lost") == 1
    assert declared_pair.is_converged()


def test_r16_the_next_run_recovers_an_object_this_run_cannot_find(declared_pair: DeclaredPair) -> None:
    declared_pair.add_faults(
        "POST /v1/destinations #1 after-effect reset", "GET /v1/destinations/* status 503"
    )
    result = declared_pair.apply("--format", "json")
    assert result.exit == 6
    assert get_outcome(result, "destination.orders")["status"] == "unknown"
    declared_pair.server.app.faults.clear()
    assert declared_pair.apply().exit == 0
    assert declared_pair.list_creates() == ONCE
    assert declared_pair.is_converged()


@pytest.fixture
def short_timeout(declared_pair: DeclaredPair) -> None:
    """Set a timeout of one second for setup tests."""
    declared_pair.write_settings("timeouts: {setup_tests: 1}\n")


def test_r17_no_write_requests_setup_tests(declared_pair: DeclaredPair) -> None:
    assert declared_pair.apply().exit == 0
    declared_pair.project.write_groups(PAIR.replace('"0"', '"+1"'))
    assert declared_pair.apply().exit == 0
    bodies = declared_pair.server.list_bodies("POST", "/v1/destinations")
    bodies += declared_pair.server.list_bodies("PATCH", f"/v1/destinations/{declared_pair.id}")
    assert [body["run_setup_tests"] for body in bodies] == [False, False]
    assert declared_pair.count_tests() == 2, "they are calls of their own"


@pytest.mark.usefixtures("short_timeout")
def test_r17_slow_setup_tests_keep_the_destination_and_are_outstanding(
    declared_pair: DeclaredPair,
) -> None:
    declared_pair.add_faults("POST /v1/destinations/*/test #1 before-effect hang 5")
    result = declared_pair.apply()
    assert result.exit == 6
    assert (
        "error[setup-tests-not-run]: destination.orders is written, but its setup tests have no result"
        in (result.stdout)
    )
    assert declared_pair.count_tests() == 1, "another run would take as long again"
    plan = declared_pair.run("plan", "--detailed-exitcode")
    assert plan.exit == 2
    assert "? destination.orders" in plan.stdout
    assert "setup tests have not passed; apply runs them" in plan.stdout
    assert declared_pair.apply().exit == 0
    assert declared_pair.list_creates() == ONCE
    assert declared_pair.is_converged()


@pytest.mark.usefixtures("short_timeout")
def test_r17_setup_tests_passed_without_answer_count_for_a_new_destination(
    declared_pair: DeclaredPair,
) -> None:
    declared_pair.dashboard.delay_setup_tests(3)
    result = declared_pair.apply()
    assert result.exit == 0, result.stdout
    assert declared_pair.count_tests() == 1
    assert declared_pair.server.get(f"/destinations/{declared_pair.id}")["setup_status"] == "connected"
    assert declared_pair.is_converged()


@pytest.mark.parametrize("policy", ["fail", "warn", "ignore"])
@pytest.mark.parametrize("answer", ["status 500", "status 400"])
def test_r18_a_create_is_reported_as_done_whatever_its_setup_tests_return(
    declared_pair: DeclaredPair, policy: str, answer: str
) -> None:
    declared_pair.project.write_groups(f"{PAIR}      setup_tests: {{on_failure: {policy}}}\n")
    declared_pair.add_faults(f"POST /v1/destinations/*/test {answer}")
    result = declared_pair.apply("--format", "json")
    assert result.exit == (6 if policy == "fail" else 0)
    destination = get_outcome(result, "destination.orders")
    assert (destination["status"], destination["id"]) == ("done", declared_pair.id)
    diagnostics = json.dumps(destination["diagnostics"])
    assert "setup-tests-not-run" in diagnostics
    assert ('"error"' in diagnostics) is (policy == "fail")
    declared_pair.server.app.faults.clear()
    again = declared_pair.apply()
    assert again.exit == 0
    assert declared_pair.list_creates() == ONCE
    assert declared_pair.is_converged()


def test_r20_a_refused_config_reports_service_sent_keys_and_request_id(
    declared_pair: DeclaredPair,
) -> None:
    declared_pair.project.write_groups(
        "  orders:\n    destination:\n      service: postgres_rds_warehouse\n      time_zone_offset: '0'\n"
        "      config: {host: orders.example, user: u, database: d, password: {secret: 'env:ORDERS_PASSWORD'}}\n"
        "      extra_config: {port: not-a-number}\n"
    )
    secret = {"ORDERS_PASSWORD": "a-password-nobody-sees"}
    result = declared_pair.run("apply", "--auto-approve", **secret)
    assert result.exit == 6
    shown = result.stdout
    assert "error[invalid-config]: destination.orders" in shown
    assert "postgres_rds_warehouse" in shown.partition("digest ")[2]
    assert all(f"`config.{key}`" in shown for key in ("host", "password", "port"))
    assert "(request " in shown
    assert "not-a-number" not in shown.partition("digest ")[2]


def test_r21_a_destination_is_read_again_after_tests_with_more_trust(declared_pair: DeclaredPair) -> None:
    declared_pair.dashboard.present_certificate(group_name="orders")
    assert declared_pair.apply().exit == 7
    declared_pair.project.write_groups(f"{PAIR}      trust: {{certificates: any}}\n")
    before = len(declared_pair.server.calls)
    assert declared_pair.apply().exit == 0
    calls = declared_pair.server.calls[before:]
    assert [call for call in calls if not call.startswith("GET ")] == [
        f"POST /v1/destinations/{declared_pair.id}/test"
    ]
    tested = calls.index(f"POST /v1/destinations/{declared_pair.id}/test")
    assert calls[tested + 1] == f"GET /v1/destinations/{declared_pair.id}"
    [*_, body] = declared_pair.server.list_bodies("POST", f"/v1/destinations/{declared_pair.id}/test")
    assert body == {"trust_certificates": True}


@pytest.mark.parametrize("form", ["text", "json"])
def test_r23_a_premature_test_run_is_repeated_once_and_both_are_reported(
    declared_pair: DeclaredPair, form: str
) -> None:
    declared_pair.script_tests(FAILED)
    result = declared_pair.apply("--format", form)
    assert result.exit == 0, result.stdout
    assert declared_pair.count_tests() == 2
    if form == "text":
        lines = [line.strip() for line in result.stdout.splitlines()]
        first = lines.index("setup tests, run 1  1 failed")
        assert lines[first + 1 : first + 3] == [
            "! Permission Test: no access to acme yet",
            "setup tests, again  1 passed",
        ]
    else:
        destination = get_outcome(result, "destination.orders")
        failed = {"title": "Permission Test", "status": "FAILED", "message": "no access to acme yet"}
        assert destination["earlier_setup_tests"] == [[failed]]
        assert destination["setup_tests"] == [{**failed, "status": "PASSED", "message": ""}]
    assert declared_pair.is_converged()


def test_r23_a_second_failure_is_final(declared_pair: DeclaredPair) -> None:
    declared_pair.script_tests(FAILED, FAILED)
    assert declared_pair.apply().exit == 6
    assert declared_pair.count_tests() == 2


def test_r23_a_healthy_destination_gets_one_test_run(declared_pair: DeclaredPair) -> None:
    assert declared_pair.apply().exit == 0
    declared_pair.script_tests(FAILED)
    declared_pair.project.write_groups(PAIR.replace("acme", "acme-2"))
    before = declared_pair.count_tests()
    assert declared_pair.apply().exit == 6
    assert declared_pair.count_tests() - before == 1


@pytest.mark.parametrize(
    "fails", ["POST /v1/groups", "POST /v1/destinations", "POST /v1/destinations/*/test"]
)
def test_r40_nothing_is_deleted_after_a_failed_change(declared_pair: DeclaredPair, fails: str) -> None:
    assert declared_pair.apply().exit == 0
    old = declared_pair.id
    declared_pair.project.write(
        "specs/groups/main.yaml",
        f"version: 1\ngroups:\n{PAIR.replace('orders', 'sales')}removed:\n  - {{group: orders, id: {old}}}\n",
    )
    declared_pair.add_faults(f"{fails} status 400")
    result = declared_pair.apply("--format", "json")
    assert result.exit == 6
    held = [each for each in result.document["applied"]["outcomes"] if each["action"] == "delete"]
    assert {each["address"]: each["status"] for each in held} == {
        "destination.orders": "held",
        "group.orders": "held",
    }
    assert {each["code"] for one in held for each in one["diagnostics"]} == {"held"}
    assert not any(call.startswith("DELETE ") for call in declared_pair.server.writes)
    declared_pair.server.app.faults.clear()
    again = declared_pair.apply()
    assert again.exit == 0, again.stdout
    assert [call for call in declared_pair.server.writes if call.startswith("DELETE ")] == [
        f"DELETE /v1/destinations/{old}",
        f"DELETE /v1/groups/{old}",
    ]


CALLS = {
    "GET": "GET /v1/groups",
    "POST": "POST /v1/groups",
    "PATCH": "PATCH /v1/destinations/*",
    "DELETE": "DELETE /v1/destinations/*",
}


def declare_each_change(declared_pair: DeclaredPair) -> None:
    """Declare a change of each kind: a created, a changed and a deleted pair."""
    declared_pair.project.write_groups(PAIR + PAIR.replace("orders", "sales"))
    assert declared_pair.apply().exit == 0
    ids = {
        declared_pair.server.get(f"/groups/{id}")["name"]: id
        for id in declared_pair.server.list_ids("groups")
    }
    declared_pair.project.write(
        "specs/groups/main.yaml",
        "version: 1\ngroups:\n"
        + PAIR.replace("acme", "acme-2")
        + PAIR.replace("orders", "stock")
        + f"removed:\n  - {{group: sales, id: {ids['sales']}}}\n",
    )


@pytest.mark.sampled(every=5)
@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize(
    "trouble",
    [
        "status 429 retry-after=2",
        'status 429 retry-after="A DATE"',
        "status 429",
        "status 429 retry-after=soon",
        "status 429 retry-after=-5",
        "status 500",
        "status 502 body=html",
        "status 503",
        "after-effect reset",
    ],
)
def test_r43_temporary_faults_are_retried_safely(
    declared_pair: DeclaredPair, method: str, trouble: str
) -> None:
    declare_each_change(declared_pair)
    before = len(declared_pair.list_creates())
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=1), usegmt=True)
    declared_pair.add_faults(f"{CALLS[method]} times 1 {trouble.replace('A DATE', date)}")
    result = declared_pair.apply("--format", "json")
    is_open = method == "POST" and trouble.startswith("status 5")
    assert result.exit == (6 if is_open else 0), result.stdout + result.stderr
    assert [each.triggered for each in declared_pair.server.app.faults.active()] == [1]
    if is_open:  # a request that may still take effect is repeated only after the settle time
        assert declared_pair.apply().exit == 6
        assert len(declared_pair.list_creates()) - before == 1
        declared_pair.project.advance_time()
        assert declared_pair.apply().exit == 0
    assert (
        len(declared_pair.server.list_ids("groups"))
        == len(declared_pair.server.list_ids("destinations"))
        == 2
    )
    assert len(declared_pair.list_creates()) - before <= 3, (
        "a POST without an effect is sent once more, and no other"
    )
    assert declared_pair.is_converged()


@pytest.mark.parametrize("effect", ["before-effect", "after-effect"])
@pytest.mark.parametrize("what", ["groups", "destinations"])
def test_r43_a_gateway_timeout_may_still_take_effect(
    declared_pair: DeclaredPair, effect: str, what: str
) -> None:
    declared_pair.add_faults(f"POST /v1/{what} #1 {effect} status 524 body=html")
    result = declared_pair.apply("--format", "json")
    found = effect == "after-effect"
    assert result.exit == (0 if found else 6)
    made = get_outcome(result, f"{what.removesuffix('s')}.orders")
    assert (made["status"], made["found"]) == (("done", True) if found else ("unknown", False))
    assert declared_pair.list_creates().count(f"POST /v1/{what}") == 1, (
        "no second one beside one that is still under way"
    )
    if not found:
        assert declared_pair.apply().exit == 6
        assert declared_pair.list_creates().count(f"POST /v1/{what}") == 1
        declared_pair.project.advance_time()
    assert declared_pair.apply().exit == 0
    assert declared_pair.list_creates().count(f"POST /v1/{what}") == (1 if found else 2)
    assert declared_pair.is_converged()


@pytest.mark.sampled(every=5)
@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize(
    "trouble",
    ["status 429 retry-after=999999", "status 429 retry-after=7", "status 503", "before-effect reset"],
)
def test_r43_permanent_faults_end_in_time_with_one_document(
    declared_pair: DeclaredPair, method: str, trouble: str
) -> None:
    declare_each_change(declared_pair)
    declared_pair.add_faults(f"{CALLS[method]} {trouble}")
    result = declared_pair.apply("--format", "json")
    assert result.exit == (1 if method == "GET" else 6)
    assert result.document["exit"]["code"] == result.exit
    [triggered] = [each.triggered for each in declared_pair.server.app.faults.active()]
    assert 1 <= triggered <= (30 if trouble.endswith("=7") else 5), (
        "a pause is bounded by time, all else by number"
    )
    if method == "GET":
        assert {each["code"] for each in result.document["diagnostics"]} <= {
            "rate-limited",
            "server-fault",
            "unreachable",
        }
    declared_pair.server.app.faults.clear()
    if method == "POST" and "429" not in trouble:
        assert declared_pair.apply().exit == 6, "it may still take effect"
        declared_pair.project.advance_time()
    assert declared_pair.apply().exit == 0
    assert declared_pair.is_converged()


@pytest.fixture
def busy_project(project: Project) -> Iterator[DeclaredPair]:
    """A project whose plan has a change of each kind."""
    with serve_fivetran(behaviour=Behaviour(platform_connection="created")) as server:
        declared_pair = DeclaredPair(project, server)
        names = ("changed", "renamed", "replaced", "gone", "untested", "untrusted", "vanished", "rotated")
        lake = "managed_big_query"
        entries = "".join(PAIR.replace("orders", name) for name in names)
        server.app.dashboard.script_setup_tests(group_name="untested", finally_always=[FAILED])
        server.app.dashboard.present_certificate(group_name="untrusted")
        project.write_groups(entries)
        assert declared_pair.apply().exit == 6
        ids = {server.get(f"/groups/{id}")["name"]: id for id in server.list_ids("groups")}
        for kind in ("destination", "group"):
            server.app.dashboard.remove(kind, ids["vanished"])
        server.app.dashboard.change_destination(ids["rotated"], time_zone_offset="+5")
        server.app.dashboard.add_group("adopted")
        server.app.dashboard.add_group("unmanaged")
        project.write(
            "specs/groups/main.yaml",
            "version: 1\ngroups:\n  adopted: {}\n  new: {}\n"
            + PAIR.replace("orders", "changed").replace("acme", "acme-2")
            + PAIR.replace("orders:\n", "renamed:\n    name: Renamed\n")
            + PAIR.replace("orders", "replaced").replace("big_query", lake).replace("project_id: acme, ", "")
            + "      lifecycle: {allow_replace: true}\n"
            + PAIR.replace("orders", "untested")
            + PAIR.replace("orders", "untrusted")
            + "      trust: {certificates: any}\n"
            + PAIR.replace("orders", "vanished")
            + PAIR.replace("orders", "rotated")
            + f"removed:\n  - {{group: gone, id: {ids['gone']}, with_platform_connection: true}}\n",
        )
        yield declared_pair


@pytest.mark.sampled(every=5)
@pytest.mark.parametrize(
    "arguments",
    [
        ("plan",),
        ("plan", "-v"),
        ("plan", "--format", "json"),
        ("plan", "--format", "markdown"),
        ("plan", "--format", "github"),
        ("plan", "--detailed-exitcode", "--parallelism", "1"),
        ("plan", "--drift-only"),
        ("plan", "--secrets", "skip", "--target", "changed"),
        ("drift",),
        ("validate",),
        ("graph",),
        ("state", "list"),
    ],
    ids=" ".join,
)
def test_r45_commands_that_inspect_send_reads_only(
    busy_project: DeclaredPair, arguments: tuple[str, ...]
) -> None:
    state = busy_project.project.folder / "specs" / ".reconciler"
    kept = {file.name: file.read_bytes() for file in state.iterdir()}
    before = len(busy_project.server.calls)
    result = busy_project.run(*arguments)
    assert "Traceback" not in result.stderr
    assert all(call.startswith("GET ") for call in busy_project.server.calls[before:])
    assert {file.name: file.read_bytes() for file in state.iterdir()} == kept


def test_r45_the_busy_project_plans_every_action(busy_project: DeclaredPair) -> None:
    counts = busy_project.run("plan", "--format", "json").document["counts"]
    assert all(counts[action] for action in ("create", "update", "replace", "verify", "delete", "adopt"))


def test_r47_the_answer_no_applies_nothing(declared_pair: DeclaredPair) -> None:
    with TerminalProcess(
        "apply", directory=declared_pair.folder, **build_credentials(declared_pair.server.url)
    ) as terminal:
        terminal.wait_for('Only "yes" is accepted: ')
        terminal.type("no\n")
        assert terminal.wait_for_exit() == 1
        assert terminal.text.endswith("Nothing was applied.\r\n")
    assert declared_pair.server.writes == []


def test_r47_ctrl_c_reports_outcomes_and_the_next_run_continues(declared_pair: DeclaredPair) -> None:
    with serve_blocking(declared_pair.server) as (gate, url):
        command = ("apply", "--auto-approve", "--parallelism", "1")
        with TerminalProcess(*command, directory=declared_pair.folder, **build_credentials(url)) as terminal:
            assert gate.reached.wait(PROCESS_TIMEOUT)
            terminal.signal(signal.SIGINT)
            terminal.wait_for("Stopping: ")
            gate.released.set()
            assert terminal.wait_for_exit() == 6
    shown = " ".join(terminal.text.split())
    assert "+ group.orders created" in shown
    assert "+ destination.orders cancelled" in shown
    assert "Not applied: 1 cancelled." in shown
    assert declared_pair.server.writes == ["POST /v1/groups"]
    assert declared_pair.apply().exit == 0
    assert declared_pair.list_creates() == ONCE
    assert declared_pair.is_converged()


@pytest.mark.parametrize("number", ["0", "-1", "65", "many", ""])
@pytest.mark.parametrize("command", [("plan",), ("apply", "--auto-approve"), ("drift",)])
def test_r48_an_invalid_parallelism_is_wrong_usage(
    declared_pair: DeclaredPair, number: str, command: tuple[str, ...]
) -> None:
    result = declared_pair.run(*command, "--parallelism", number)
    assert (result.exit, result.stdout) == (64, "")
    assert result.stderr.startswith("error[wrong-usage]: ")
    assert "--parallelism" in result.stderr
    document = declared_pair.run(*command, "--parallelism", number, "--format", "json").document
    assert document["exit"] == {"code": 64, "reason": "usage"}
    assert declared_pair.server.calls == []
