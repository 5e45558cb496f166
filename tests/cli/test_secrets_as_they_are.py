"""`apply --secrets-as-they-are`: secrets recorded as what Fivetran has, on the word of the operator."""

from __future__ import annotations

import json
from typing import Any

import pytest
from applied_project import AppliedProject, get_error_code
from cli_harness import CommandResult, EmulatedFivetran, Project, build_credentials
from command_line import TerminalProcess
from state_places import GIT, open_places

from reconciler.emulator.setup_tests import SetupTest

pytestmark = pytest.mark.sampled(every=6, tests=2)

PAIR = """\
  {key}:
    destination:
      service: snowflake
      region: AWS_US_EAST_1
      time_zone_offset: "0"
      config:
        host: {host}
        database: LOADED
        user: LOADER
        auth: PASSWORD
        password: {{secret: "env:{variable}"}}
"""
SECRETS = {"ORDERS": "live-password-of-orders", "SALES": "live-password-of-sales"}
ROTATED = "rotated-password-of-orders"
ASSERT = ("--secrets-as-they-are", "--reason", "taken over by hand")
FAILED = SetupTest("Connection Test", "FAILED", "wrong password")
PASSED = SetupTest("Connection Test", "PASSED")


def declare_pair(key: str, host: str = "host.example") -> str:
    return PAIR.format(key=key, host=host, variable=key.upper())


ORDERS, SALES = declare_pair("orders"), declare_pair("sales")


class ForeignProject(AppliedProject):
    """A project about two pairs that another tool made, with the passwords that the specs refer to."""

    def add_live(self, key: str, status: str = "connected") -> None:
        config = {"host": "host.example", "database": "LOADED", "user": "LOADER", "auth": "PASSWORD"}
        self.dashboard.add_destination(
            self.dashboard.add_group(key),
            "snowflake",
            region="AWS_US_EAST_1",
            config={**config, "password": self.environ[key.upper()]},
            setup_status=status,
        )

    def state_secrets(self, *options: str, **environ: str) -> CommandResult:
        return self.run("apply", "--auto-approve", *ASSERT, *options, **environ)

    def must_state(self, *options: str) -> CommandResult:
        """Assert the secrets. The run must succeed and send only GET requests."""
        before = len(self.server.writes)
        result = self.state_secrets(*options)
        assert result.exit == 0, result.stdout + result.stderr
        assert self.server.writes[before:] == []
        return result

    def read_password(self, key: str) -> str:
        """Return the stored text of the password of a pair."""
        text: str = self.read_state()["records"][f"destination.{key}"]["fingerprints"]["config"]["password"]
        return text

    def list_marks(self) -> dict[str, bool]:
        """Map each pair to whether its password is asserted."""
        return {
            key: self.read_password(key).startswith("asserted:")
            for key in ("orders", "sales")
            if f"destination.{key}" in self.read_state()["records"]
        }

    def list_uncomparable(self, **environ: str) -> list[str]:
        names: list[str] = self.run("plan", "--format", "json", **environ).document["uncomparable_secrets"]
        return names

    def list_changes(self, **environ: str) -> dict[str, list[list[str]]]:
        """Map the address of each planned change to its fields."""
        changes = self.run("plan", "--format", "json", **environ).document["changes"]
        return {change["address"]: [each["path"] for each in change["fields"]] for change in changes}

    def let_tests(self, key: str, result: SetupTest) -> None:
        """Let all coming setup tests of a pair have this result."""
        self.dashboard.script_setup_tests(group_name=key, finally_always=[result])


@pytest.fixture
def foreign(project: Project, server: EmulatedFivetran) -> ForeignProject:
    foreign = ForeignProject(project, server, SECRETS)
    foreign.write_settings()
    foreign.write_specs(ORDERS + SALES)
    for key in ("orders", "sales"):
        foreign.add_live(key)
    return foreign


@pytest.mark.parametrize("is_adopted", [False, True], ids=["unknown", "adopted"])
def test_secrets_are_recorded_without_a_request_and_a_rotation_is_noticed(
    foreign: ForeignProject, is_adopted: bool
) -> None:
    if is_adopted:
        foreign.must_apply()
    assert foreign.list_uncomparable(ORDERS=ROTATED) == [
        "destination.orders:config.password",
        "destination.sales:config.password",
    ]
    assert foreign.list_changes(ORDERS=ROTATED) == {}, "a rotation is not noticed so far"
    foreign.must_state()
    assert foreign.list_marks() == {"orders": True, "sales": True}
    assert foreign.list_uncomparable() == []
    assert foreign.is_converged()
    assert foreign.list_changes(ORDERS=ROTATED) == {"destination.orders": [["config", "password"]]}


def test_a_sent_secret_loses_its_mark(foreign: ForeignProject) -> None:
    foreign.must_state()
    sent = foreign.run("apply", "--auto-approve", ORDERS=ROTATED)
    assert sent.exit == 0, sent.stdout + sent.stderr
    assert "Checked: a new plan is empty." in sent.stdout
    bodies = foreign.server.list_bodies("PATCH", f"/v1/destinations/{foreign.find_id('orders')}")
    assert [body["config"] for body in bodies] == [{"password": ROTATED}]
    assert foreign.list_marks() == {"orders": False, "sales": True}
    foreign.must_apply("--resend-secret", "sales")
    assert foreign.list_marks() == {"orders": False, "sales": False}


def test_each_reference_is_shown_and_no_value(foreign: ForeignProject) -> None:
    lines = foreign.must_state().stdout.splitlines()
    start = lines.index("To be recorded as what Fivetran has, without sending anything: 2 secrets.")
    assert [line.split() for line in lines[start + 1 :]] == [
        ["destination.orders", "config.password", "env:ORDERS"],
        ["destination.sales", "config.password", "env:SALES"],
        ["Adopted:", "4", "recorded", "in", "the", "state."],
        ["Recorded", "as", "what", "Fivetran", "has:", "2", "secrets."],
    ]


def test_the_state_shows_what_is_asserted_by_whom_and_why(foreign: ForeignProject) -> None:
    foreign.must_state("--target", "orders")
    [listed] = [each for each in foreign.run("state", "list").stdout.splitlines() if "asserted" in each]
    assert listed.startswith("destination.orders ")
    shown = foreign.run("state", "show", "orders").stdout
    assert "(secret, asserted: the fingerprint is of a value that no run has sent)" in shown
    _, destination = foreign.run("state", "show", "orders", "--format", "json").document["records"]
    assert (destination["marks"], destination["asserted"]) == (["asserted"], [["config", "password"]])
    assert (
        "Exemptions from limits, policies and waiting, and secrets recorded as they are:"
        in foreign.run("state", "list").stdout
    )
    [exemption] = foreign.run("state", "list", "--format", "json").document["exemptions"]
    assert exemption["what"] == ["secrets-as-they-are=destination.orders:config.password"]
    assert exemption["reason"] == "taken over by hand"


def test_the_list_of_records_counts_many_asserted_secrets(foreign: ForeignProject) -> None:
    keys = ["orders", "sales", "north", "south"]
    for key in keys[2:]:
        foreign.environ[key.upper()] = f"live-password-of-{key}"
        foreign.add_live(key)
    foreign.write_specs("".join(map(declare_pair, keys)))
    foreign.must_state()
    [line] = [line for line in foreign.run("state", "list").stdout.splitlines() if "taken over" in line]
    assert "secrets-as-they-are=4 secrets  by " in line
    [exemption] = foreign.run("state", "list", "--format", "json").document["exemptions"]
    assert exemption["what"] == [
        f"secrets-as-they-are=destination.{key}:config.password" for key in sorted(keys)
    ]


def test_the_event_log_has_each_asserted_secret_and_the_reason(foreign: ForeignProject) -> None:
    foreign.must_state("--events", "events.jsonl")
    events = [json.loads(line) for line in (foreign.folder / "events.jsonl").read_text().splitlines()]
    [planned] = [event for event in events if event["event"] == "planned"]
    assert planned["asserted"] == [
        {"address": f"destination.{key}", "field": "config.password", "reference": f"env:{key.upper()}"}
        for key in ("orders", "sales")
    ]
    assert planned["reason"] == "taken over by hand"


def test_the_json_document_has_each_asserted_secret(foreign: ForeignProject) -> None:
    document = foreign.must_state("--format", "json").document
    assert document["asserted"] == [
        {
            "address": f"destination.{key}",
            "path": ["config", "password"],
            "reference": f"env:{key.upper()}",
            "recorded": True,
        }
        for key in ("orders", "sales")
    ]
    assert "asserted" not in foreign.must_state("--format", "json").document, "nothing is left to assert"


@pytest.mark.parametrize("form", ["text", "github", "terraform"])
def test_a_run_without_anything_to_assert_says_so(foreign: ForeignProject, form: str) -> None:
    foreign.must_state()
    before = foreign.read_state()
    result = foreign.must_state("--format", form)
    assert "No secret needs recording: each is sent or has a fingerprint." in result.stdout
    assert foreign.read_state() == before


def test_the_scope_limits_what_is_asserted(foreign: ForeignProject) -> None:
    foreign.must_state("--exclude", "sales")
    assert foreign.list_marks() == {"orders": True}
    assert foreign.list_uncomparable() == ["destination.sales:config.password"]


def test_other_changes_are_applied_as_usual(foreign: ForeignProject) -> None:
    foreign.write_specs(declare_pair("orders", host="other.example") + SALES + "  fresh: {}\n")
    result, writes = foreign.run_and_list_writes("apply", "--auto-approve", *ASSERT)
    assert result.exit == 0, result.stdout + result.stderr
    id = foreign.find_id("orders")
    assert sorted(writes) == [
        f"PATCH /v1/destinations/{id}",
        f"POST /v1/destinations/{id}/test",
        "POST /v1/groups",
    ]
    [body] = foreign.server.list_bodies("PATCH", f"/v1/destinations/{id}")
    assert body["config"] == {"host": "other.example"}
    assert "Checked: a new plan is empty." in result.stdout
    assert "Recorded as what Fivetran has: 2 secrets." in result.stdout
    assert foreign.list_marks() == {"orders": True, "sales": True}


def test_a_rotated_secret_is_sent_while_others_are_asserted(foreign: ForeignProject) -> None:
    foreign.must_apply("--resend-secret", "orders")
    result = foreign.state_secrets(ORDERS=ROTATED)
    assert result.exit == 0, result.stdout + result.stderr
    assert foreign.list_marks() == {"orders": False, "sales": True}
    assert foreign.list_changes(ORDERS=ROTATED) == {}


def test_a_failed_change_leaves_the_assertion(foreign: ForeignProject) -> None:
    foreign.must_apply()
    foreign.write_specs(declare_pair("orders", host="other.example") + SALES)
    foreign.add_faults("PATCH /v1/destinations/* #1.. status 400")
    result = foreign.state_secrets()
    assert result.exit == 6, result.stdout + result.stderr
    assert foreign.list_marks() == {"orders": True, "sales": True}
    assert "Recorded as what Fivetran has: 2 secrets." in result.stdout


def test_a_failed_first_change_records_nothing_of_its_entry_and_says_so(foreign: ForeignProject) -> None:
    foreign.write_specs(declare_pair("orders", host="other.example") + SALES)
    foreign.add_faults("PATCH /v1/destinations/* #1.. status 400")
    result = foreign.state_secrets("--format", "json")
    assert result.exit == 6
    assert {each["address"]: each["recorded"] for each in result.document["asserted"]} == {
        "destination.orders": False,
        "destination.sales": True,
    }
    assert foreign.list_marks() == {"sales": True}


@pytest.mark.parametrize("on_failure", ["fail", "warn", "ignore"])
def test_a_failed_setup_test_withdraws_the_assertion(foreign: ForeignProject, on_failure: str) -> None:
    foreign.must_state()
    settings = f"      setup_tests: {{on_failure: {on_failure}}}\n"
    foreign.write_specs(declare_pair("orders", host="other.example") + settings + SALES)
    foreign.let_tests("orders", FAILED)
    failed = foreign.apply()
    assert failed.exit == (6 if on_failure == "fail" else 0)
    assert ("`config.password` may be the cause" in failed.stdout) == (on_failure != "ignore")
    assert foreign.read_password("orders") == ""
    assert foreign.list_marks() == {"orders": False, "sales": True}
    assert foreign.list_uncomparable(ORDERS=ROTATED) == ["destination.orders:config.password"]
    foreign.let_tests("orders", PASSED)
    assert foreign.apply().exit == 0
    assert foreign.list_uncomparable() == ["destination.orders:config.password"], "it is not asserted again"


def test_several_refuted_secrets_are_named_in_the_plural(foreign: ForeignProject) -> None:
    references = {"private_key": "ORDERS", "passphrase": "SALES"}
    foreign.dashboard.add_destination(
        foreign.dashboard.add_group("keys"),
        "snowflake",
        region="AWS_US_EAST_1",
        config={"host": "host.example", "database": "LOADED", "user": "LOADER", "auth": "KEY_PAIR"}
        | {name: foreign.environ[variable] for name, variable in references.items()},
    )
    secrets = "".join(
        f'        {name}: {{secret: "env:{variable}"}}\n' for name, variable in references.items()
    )
    pair = declare_pair("keys").replace("auth: PASSWORD", "auth: KEY_PAIR")
    pair = pair[: pair.index("        password:")] + secrets
    foreign.write_specs(pair)
    foreign.must_state()
    foreign.write_specs(pair.replace("host.example", "other.example"))
    foreign.let_tests("keys", FAILED)
    shown = foreign.apply().stdout
    names = "`config.passphrase`, `config.private_key`"
    assert f"{names} may be the cause, and cannot be compared until they are sent or recorded again" in shown


def test_a_failed_setup_test_of_the_same_run_records_nothing_of_its_destination(
    project: Project, server: EmulatedFivetran
) -> None:
    foreign = ForeignProject(project, server, SECRETS)
    foreign.write_settings()
    foreign.write_specs(ORDERS + SALES)
    foreign.add_live("orders", status="broken")
    foreign.add_live("sales")
    foreign.let_tests("orders", FAILED)
    result, writes = foreign.run_and_list_writes("apply", "--auto-approve", *ASSERT)
    assert (result.exit, {write.rpartition("/")[2] for write in writes}) == (6, {"test"})
    assert "Recorded as what Fivetran has: 1 secret." in result.stdout
    assert "failed: destination.orders:config.password." in result.stdout
    assert foreign.list_marks() == {"orders": False, "sales": True}
    assert foreign.list_uncomparable() == ["destination.orders:config.password"]


def test_a_pending_approval_leaves_the_assertion_until_the_tests_have_a_result(
    foreign: ForeignProject,
) -> None:
    foreign.must_state()
    edited = declare_pair("orders", host="other.example") + SALES
    foreign.write_specs(edited)
    foreign.dashboard.present_certificate(group_name="orders")
    waiting = foreign.apply()
    assert waiting.exit == 7, waiting.stdout + waiting.stderr
    assert foreign.list_marks() == {"orders": True, "sales": True}
    trust = "      trust: {certificates: any}\n"
    foreign.write_specs(edited.replace("  sales:", f"{trust}  sales:"))
    foreign.let_tests("orders", FAILED)
    assert foreign.apply().exit == 6
    assert foreign.list_marks() == {"orders": False, "sales": True}


def test_passed_setup_tests_leave_the_assertion(foreign: ForeignProject) -> None:
    foreign.must_state()
    foreign.write_specs(declare_pair("orders", host="other.example") + SALES)
    foreign.must_apply()
    assert foreign.list_marks() == {"orders": True, "sales": True}


def test_a_moved_entry_keeps_the_assertion(foreign: ForeignProject) -> None:
    foreign.must_state()
    moved = declare_pair("clients").replace("clients:", "clients:\n    was: sales\n    name: sales", 1)
    foreign.write_specs(ORDERS + moved)
    foreign.environ["CLIENTS"] = SECRETS["SALES"]
    foreign.must_apply()
    assert foreign.read_password("clients").startswith("asserted:")
    assert foreign.is_converged()
    assert list(foreign.list_changes(CLIENTS="rotated-password-of-clients")) == ["destination.clients"]


def test_a_secret_that_cannot_be_read_refuses_the_whole_run(foreign: ForeignProject) -> None:
    before = len(foreign.server.writes)
    refused = foreign.state_secrets(SALES="")
    assert (refused.exit, get_error_code(refused)) == (1, "secret-unavailable")
    assert "`env:SALES`" in refused.stderr
    assert "--exclude sales" in refused.stderr
    assert foreign.server.writes[before:] == []
    assert foreign.read_state() is None
    excluded = foreign.state_secrets("--exclude", "sales", SALES="")
    assert excluded.exit == 0, excluded.stderr


def test_many_secrets_that_cannot_be_read_are_one_error(foreign: ForeignProject) -> None:
    keys = [f"shop_{number}" for number in range(4)]
    for key in keys:
        foreign.environ[key.upper()] = f"live-password-of-{key}"
        foreign.add_live(key)
    foreign.write_specs("".join(map(declare_pair, keys)))
    foreign.must_apply()
    for key in keys:
        del foreign.environ[key.upper()]
    refused = foreign.state_secrets()
    assert refused.exit == 1
    assert refused.stderr.count("error[secret-unavailable]") == 1
    assert "4 references to `env` cannot be resolved: environment variable is not set" in refused.stderr
    assert all(f"`config.password` needs `env:{key.upper()}`" in refused.stderr for key in keys)
    assert "leave their entries out with `--exclude KEY`" in refused.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--secrets-as-they-are"], "needs a reason"),
        (["--secrets-as-they-are", "--reason", " "], "needs a reason"),
        ([*ASSERT, "--secrets", "skip"], "forbids it"),
        ([*ASSERT, "--expect", "0" * 64], "cannot be used with `--expect`"),
        ([*ASSERT, "plan.json"], "cannot be used with a saved plan"),
        (["--reason", "for nothing"], "`--secrets-as-they-are`"),
    ],
)
def test_wrong_usage_is_refused_before_anything_is_read(
    foreign: ForeignProject, options: list[str], words: str
) -> None:
    before = len(foreign.server.calls)
    refused = foreign.run("apply", "--auto-approve", *options)
    assert (refused.exit, get_error_code(refused)) == (64, "wrong-usage")
    assert words in refused.stderr
    assert foreign.server.calls[before:] == []


def test_a_run_without_a_terminal_needs_auto_approve(foreign: ForeignProject) -> None:
    refused = foreign.run("apply", *ASSERT)
    assert (refused.exit, get_error_code(refused)) == (64, "no-terminal")
    assert foreign.read_state() is None


@pytest.mark.parametrize(
    ("edited", "answer", "question", "marks"),
    [
        (False, "no", "Record 2 secrets as what account", {}),
        (False, "yes", "Record 2 secrets as what account", {"orders": True, "sales": True}),
        (True, "no", "and record 2 secrets as what it has?", {}),
        (True, "yes", "and record 2 secrets as what it has?", {"orders": True, "sales": True}),
    ],
)
def test_the_operator_is_asked_after_the_references_are_shown(
    foreign: ForeignProject, edited: bool, answer: str, question: str, marks: dict[str, bool]
) -> None:
    if edited:
        foreign.write_specs(declare_pair("orders", host="other.example") + SALES)
    environ = {**foreign.environ, **build_credentials(foreign.server.url)}
    with TerminalProcess("apply", *ASSERT, directory=foreign.folder, **environ) as terminal:
        terminal.wait_for('Only "yes" is accepted: ')
        shown = " ".join(terminal.text.split())
        assert "destination.orders config.password env:ORDERS" in shown
        assert "destination.sales config.password env:SALES" in shown
        assert question in shown
        terminal.type(f"{answer}\n")
        assert terminal.wait_for_exit() == (0 if answer == "yes" else 1)
    assert (foreign.list_marks() if foreign.read_state() is not None else {}) == marks
    assert bool(foreign.server.writes) == (edited and answer == "yes")


def test_a_state_without_a_key_of_fingerprints_is_refused_before_anything_is_sent(
    foreign: ForeignProject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with open_places(foreign.project, tmp_path_factory.mktemp("server")):
        foreign.write_settings(f"state: {GIT}\n")
        before = len(foreign.server.calls)
        refused = foreign.state_secrets()
        assert (refused.exit, get_error_code(refused)) == (1, "no-fingerprint-key")
        assert foreign.server.calls[before:] == []
        foreign.environ["FINGERPRINT_KEY"] = "a-key-that-the-team-shares"
        foreign.write_settings(f'state: {GIT}\nfingerprint_key: {{secret: "env:FINGERPRINT_KEY"}}\n')
        foreign.must_state()
        assert foreign.list_changes(ORDERS=ROTATED) == {"destination.orders": [["config", "password"]]}


def test_a_fingerprint_of_another_key_is_kept_and_named(foreign: ForeignProject) -> None:
    foreign.must_apply("--resend-secret", "orders")
    (foreign.state_file.parent / "state.json.key").unlink()
    kept = foreign.read_password("orders")
    result = foreign.must_state()
    assert "Not to be recorded: destination.orders:config.password;" in result.stdout
    assert foreign.read_password("orders") == kept
    assert foreign.list_marks() == {"orders": False, "sales": True}


def test_rekey_keeps_the_mark(foreign: ForeignProject) -> None:
    foreign.must_state()
    before = foreign.read_password("orders")
    foreign.environ["FINGERPRINT_KEY"] = "another-key-of-the-team"
    foreign.write_settings('fingerprint_key: {secret: "env:FINGERPRINT_KEY"}\n')
    rekeyed = foreign.run("state", "rekey", "--auto-approve", "--format", "json").document["rekeyed"]
    assert rekeyed["renewed"] == 2
    assert foreign.list_marks() == {"orders": True, "sales": True}
    assert foreign.read_password("orders") != before
    assert foreign.list_changes(ORDERS=ROTATED) == {"destination.orders": [["config", "password"]]}


def test_an_assertion_after_the_review_of_a_plan_leaves_the_plan_valid(foreign: ForeignProject) -> None:
    foreign.must_apply()
    foreign.write_specs(declare_pair("orders", host="other.example") + SALES)
    foreign.must_state("--target", "sales")
    assert foreign.run("plan", "--out", "plan.json").exit == 0
    applied = foreign.run("apply", "plan.json")
    assert applied.exit == 0, applied.stdout + applied.stderr
    assert foreign.list_marks() == {"orders": False, "sales": True}


def test_a_rotation_after_the_review_of_a_plan_makes_the_plan_stale(foreign: ForeignProject) -> None:
    foreign.must_state()
    edited = declare_pair("orders", host="other.example") + SALES
    foreign.write_specs(edited)
    assert foreign.run("plan", "--out", "plan.json").exit == 0
    foreign.write_specs(ORDERS + SALES)
    foreign.environ["ORDERS"] = ROTATED
    foreign.must_apply()
    foreign.write_specs(edited)
    refused = foreign.run("apply", "plan.json")
    assert (refused.exit, get_error_code(refused)) == (4, "plan-secret-changed")


def test_a_hidden_literal_that_fivetran_masks_is_asserted_like_a_secret(foreign: ForeignProject) -> None:
    literal = """\
  lake:
    destination:
      service: clickhouse
      region: AWS_US_EAST_1
      time_zone_offset: "0"
      config:
        some_token: {value: "env:LAKE"}
"""
    foreign.environ["LAKE"] = "live-token-of-the-lake"
    config = {"some_token": "live-token-of-the-lake"}
    foreign.dashboard.add_destination(
        foreign.dashboard.add_group("lake"), "clickhouse", region="AWS_US_EAST_1", config=config
    )
    foreign.write_specs(literal)
    foreign.must_apply()
    rotated: dict[str, Any] = {"LAKE": "rotated-token-of-the-lake"}
    assert foreign.list_changes(**rotated) == {}
    assert "config.some_token  (the value in the specs)" in foreign.must_state().stdout
    assert foreign.is_converged()
    assert foreign.list_changes(**rotated) == {"destination.lake": [["config", "some_token"]]}
    assert foreign.run("apply", "--auto-approve", **rotated).exit == 0
    assert foreign.list_changes(**rotated) == {}
