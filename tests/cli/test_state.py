"""Commands that show and correct the state. They send no request to Fivetran."""

from __future__ import annotations

import json

import pytest
from applied_project import AppliedProject, get_error_code
from cli_harness import CommandResult, EmulatedFivetran, Project
from command_line import TerminalProcess
from filelock import FileLock

pytestmark = pytest.mark.sampled(every=6, tests=3)

SECRET = {"ORDERS_KEY": "a-key-that-nobody-sees"}
PAIR = """\
  {key}:
    destination:
      service: big_query
      region: GCP_US_EAST4
      time_zone_offset: "0"
      config: {{project_id: acme, data_set_location: US, secret_key: {{secret: "env:ORDERS_KEY"}}}}
      extra_config: {{brand_new: only-for-us}}
      lifecycle: {{protected: true}}
"""


class StateProject(AppliedProject):
    """An applied pair `orders`, and its state."""

    def run_state(self, *arguments: str) -> CommandResult:
        """Run a `state` command without credentials and secrets; it sends no request."""
        before = len(self.server.calls)
        result = self.project.run("state", *arguments)
        assert self.server.calls[before:] == []
        return result

    @property
    def addresses(self) -> set[str]:
        return set(self.read_state()["records"])


@pytest.fixture
def applied_project(project: Project, server: EmulatedFivetran) -> StateProject:
    """An applied pair `orders`."""
    state_project = StateProject(project, server, SECRET)
    state_project.apply_once(PAIR.format(key="orders"))
    return state_project


def test_the_list_has_every_address_with_its_id_and_marks(applied_project: StateProject) -> None:
    result = applied_project.run_state("list")
    assert result.exit == 0
    heading, _, *rows = result.stdout.splitlines()
    assert (
        heading
        == f"state specs/.reconciler/state.json · account {applied_project.server.account_id} · 2 records"
    )
    assert [row.split()[:2] for row in rows] == [
        ["group.orders", applied_project.id],
        ["destination.orders", applied_project.id],
    ]
    assert all(row.endswith("protected") for row in rows)


def test_an_interrupted_and_untested_record_is_marked(applied_project: StateProject) -> None:
    state = applied_project.read_state()
    begun, sent = "2026-11-23T10:00:00+00:00", "2026-11-23T10:00:07+00:00"
    intent = {
        "action": "create",
        "name": "orders",
        "namesakes": ["one", "two"],
        "begun": {"own": begun},
        "sent": {"own": sent},
    }
    state["records"]["destination.orders"] |= {"intent": intent, "unverified": True, "id": None}
    applied_project.state_file.write_text(json.dumps(state))
    assert (
        applied_project.run_state("list")
        .stdout.splitlines()[-1]
        .endswith("protected, unverified, interrupted")
    )
    shown = applied_project.run_state("show", "destination.orders").stdout
    times = "at 2026-11-23 10:00:00 UTC, sent at 2026-11-23 10:00:07 UTC at the latest"
    assert f'create of "orders" {times}, beside 2 namesakes' in shown
    assert "(not known yet)" in shown
    [record] = applied_project.run_state("show", "destination.orders", "--format", "json").document["records"]
    assert record["interrupted"] == {
        "action": "create",
        "name": "orders",
        "namesakes": ["one", "two"],
        "at": begun,
        "sent_at": sent,
    }
    assert record["marks"] == ["protected", "unverified", "interrupted"]


def test_a_secret_without_a_fingerprint_is_marked(applied_project: StateProject) -> None:
    state = applied_project.read_state()
    state["records"]["destination.orders"]["fingerprints"]["config"] = {
        "secret_key": "",
        "brand_new": "hidden",
    }
    applied_project.state_file.write_text(json.dumps(state))
    shown = applied_project.run_state("show", "destination.orders").stdout
    assert "(secret, cannot be compared: no fingerprint)" in shown
    assert "(hidden, cannot be compared: no fingerprint)" in shown
    assert "fingerprint present" not in shown


def test_show_prints_a_record_without_secrets(applied_project: StateProject) -> None:
    result = applied_project.run_state("show", "destination.orders")
    assert result.exit == 0
    values = dict(line.split(maxsplit=1) for line in result.stdout.splitlines()[1:])
    assert values["config.project_id"] == '"acme"'
    assert values["config.secret_key"] == "(secret, fingerprint present)"
    assert values["config.brand_new"] == "(hidden, fingerprint present)"
    fingerprint = applied_project.read_state()["records"]["destination.orders"]["fingerprints"]
    for form in ("text", "json"):
        shown = applied_project.run_state("show", "orders", "--format", form).stdout
        assert "only-for-us" not in shown
        assert "a-key-that-nobody-sees" not in shown
        assert fingerprint["config"]["secret_key"][:20] not in shown


def test_a_key_shows_both_addresses_of_a_pair(applied_project: StateProject) -> None:
    document = applied_project.run_state("show", "orders", "--format", "json").document
    assert [record["address"] for record in document["records"]] == ["group.orders", "destination.orders"]
    [group, destination] = document["records"]
    assert group["applied"] == [{"path": ["name"], "value": "orders"}]
    assert {"path": ["config", "brand_new"], "hidden": True} in destination["applied"]
    assert destination["fingerprints"] == [["config", "brand_new"], ["config", "secret_key"]]
    assert document["exit"] == {"code": 0, "reason": "ok"}


@pytest.mark.parametrize(
    "names",
    [
        ("orders", "purchases"),
        ("group.orders", "group.purchases"),
        ("destination.orders", "destination.purchases"),
        ("group.orders", "purchases"),
    ],
)
def test_a_pair_moves_together_and_the_next_plan_is_empty(
    applied_project: StateProject, names: tuple[str, str]
) -> None:
    result = applied_project.run_state("move", *names)
    assert result.exit == 0, result.stderr
    assert applied_project.addresses == {"group.purchases", "destination.purchases"}
    assert "group.orders is recorded as group.purchases now." in result.stdout
    applied_project.project.write_groups(
        PAIR.format(key="purchases").replace("  purchases:", "  purchases:\n    name: orders")
    )
    plan = applied_project.plan("--detailed-exitcode")
    assert plan.exit == 0, plan.stdout + plan.stderr
    assert "<-" not in plan.stdout, "nothing has to be adopted again"


def test_a_moved_secret_is_still_compared(applied_project: StateProject) -> None:
    applied_project.run_state("move", "orders", "purchases")
    applied_project.project.write_groups(
        PAIR.format(key="purchases").replace("  purchases:", "  purchases:\n    name: orders")
    )
    plan = applied_project.project.run_against(
        applied_project.server, "plan", "--detailed-exitcode", environ={"ORDERS_KEY": "rotated"}
    )
    assert plan.exit == 2
    assert "config.secret_key" in plan.stdout


def test_a_move_onto_a_recorded_address_is_refused(applied_project: StateProject) -> None:
    state = applied_project.read_state()
    state["records"]["destination.sales"] = {"id": "sunny_vole"}
    applied_project.state_file.write_text(json.dumps(state))
    result = applied_project.run_state("move", "orders", "sales")
    assert (result.exit, get_error_code(result)) == (1, "address-taken")
    assert "sunny_vole" in result.stderr
    assert applied_project.addresses == {"group.orders", "destination.orders", "destination.sales"}


@pytest.mark.parametrize("target", ["Purchases", "connection.purchases", "destination.purchases", "group."])
def test_an_invalid_address_is_refused_as_target(applied_project: StateProject, target: str) -> None:
    before = applied_project.state_file.read_bytes()
    result = applied_project.run_state("move", "group.orders", target)
    assert (result.exit, get_error_code(result)) == (1, "invalid-address")
    assert applied_project.state_file.read_bytes() == before


@pytest.mark.parametrize("arguments", [("show", "ordres"), ("move", "ordres", "x"), ("forget", "ordres")])
def test_an_unknown_address_gets_a_suggestion(
    applied_project: StateProject, arguments: tuple[str, ...]
) -> None:
    options = ("--auto-approve",) if arguments[0] == "forget" else ()
    result = applied_project.run_state(*arguments, *options)
    assert (result.exit, get_error_code(result)) == (1, "unknown-address")
    assert "did you mean `orders`?" in result.stderr


def test_all_unknown_addresses_are_reported_and_nothing_is_forgotten(applied_project: StateProject) -> None:
    result = applied_project.run_state("forget", "orders", "group.x", "group.y", "--auto-approve")
    assert result.exit == 1
    assert result.stderr.count("error[unknown-address]") == 2
    assert applied_project.addresses == {"group.orders", "destination.orders"}


@pytest.mark.parametrize("address", ["orders", "group.orders"])
def test_a_group_is_forgotten_with_its_destination_and_found_again(
    applied_project: StateProject, address: str
) -> None:
    result = applied_project.run_state("forget", address, "--auto-approve")
    assert result.exit == 0
    assert "their protection is forgotten too" in result.stdout
    assert "Forgot 2 records. Nothing was changed at Fivetran." in result.stdout
    assert applied_project.addresses == set()
    plan = applied_project.plan("--detailed-exitcode")
    assert plan.exit == 0
    assert f"<- group.orders        {applied_project.id}" in plan.stdout


def test_a_destination_is_forgotten_without_its_group(applied_project: StateProject) -> None:
    document = applied_project.run_state(
        "forget", "destination.orders", "--auto-approve", "--format", "json"
    ).document
    assert [each["address"] for each in document["forgotten"]] == ["destination.orders"]
    assert applied_project.addresses == {"group.orders"}


def test_forgetting_without_a_terminal_is_refused(applied_project: StateProject) -> None:
    result = applied_project.run_state("forget", "orders")
    assert (result.exit, get_error_code(result)) == (64, "no-terminal")
    assert applied_project.addresses == {"group.orders", "destination.orders"}
    assert applied_project.run_state("forget", "orders", "--format", "json").exit == 64


@pytest.mark.parametrize("arguments", [("move", "orders", "x"), ("forget", "orders", "--auto-approve")])
def test_a_state_command_does_not_wait_for_a_lock(
    applied_project: StateProject, arguments: tuple[str, ...]
) -> None:
    before = applied_project.state_file.read_bytes()
    with FileLock(applied_project.state_file.with_name("state.json.lock")):
        result = applied_project.run_state(*arguments)
        assert (result.exit, get_error_code(result)) == (5, "locked")
        assert applied_project.run_state("list").exit == 0, "reading needs no lock"
    assert applied_project.state_file.read_bytes() == before


@pytest.mark.parametrize("arguments", [("list",), ("show", "orders"), ("move", "orders", "x")])
def test_a_damaged_state_is_an_error(applied_project: StateProject, arguments: tuple[str, ...]) -> None:
    applied_project.state_file.write_text("{")
    result = applied_project.run_state(*arguments)
    assert (result.exit, get_error_code(result)) == (1, "state-damaged")
    assert "specs/.reconciler/state.json" in result.stderr


@pytest.mark.parametrize("arguments", [("list",), ("show", "orders"), ("move", "orders", "x")])
def test_a_missing_state_is_reported_and_not_created(project: Project, arguments: tuple[str, ...]) -> None:
    result = project.run("state", *arguments)
    assert (result.exit, get_error_code(result)) == (1, "no-state")
    assert "specs/.reconciler/state.json" in result.stderr
    assert not (project.folder / "specs" / ".reconciler").exists()
    document = project.run("state", *arguments, "--format", "json").document
    assert [each["code"] for each in document["diagnostics"]] == ["no-state"]


def test_the_sandbox_has_its_own_state(project: Project) -> None:
    project.write_groups(PAIR.format(key="orders"))
    assert project.run("apply", "--sandbox", "--auto-approve").exit == 0
    assert project.run("state", "list").exit == 1
    result = project.run("state", "list", "--sandbox")
    assert result.exit == 0
    assert "specs/.reconciler/sandbox/state.json" in result.stdout
    assert project.run("state", "move", "orders", "sales", "--sandbox").exit == 0
    assert "group.sales" in project.run("state", "list", "--sandbox").stdout


@pytest.mark.parametrize(
    ("arguments", "missing"), [(["show"], "ADDR"), (["move"], "FROM TO | ADDR"), (["forget"], "ADDR")]
)
def test_a_missing_argument_is_named_as_in_the_help(
    project: Project, arguments: list[str], missing: str
) -> None:
    result = project.run("state", *arguments)
    assert result.exit == 64
    assert f"`{missing}` is missing" in result.stderr


def test_a_move_takes_two_keys(project: Project) -> None:
    result = project.run("state", "move", "orders")
    assert result.exit == 64
    assert "`state move` takes FROM and TO" in result.stderr


def test_state_commands_ignore_invalid_specs(applied_project: StateProject) -> None:
    applied_project.project.write("specs/groups/main.yaml", "version: [")
    assert applied_project.run_state("list").exit == 0


def test_a_key_moved_by_its_spec_keeps_its_secrets(applied_project: StateProject) -> None:
    applied_project.project.write_groups(
        PAIR.format(key="purchases").replace(
            "  purchases:", "  purchases:\n    name: orders\n    was: orders"
        )
    )
    assert applied_project.plan("--detailed-exitcode").exit == 0


@pytest.mark.parametrize(("answer", "code", "left"), [("yes\n", 0, 0), ("y\n", 1, 2), ("\x04", 1, 2)])
def test_forget_prompts_before_the_state_is_changed(
    project: Project, answer: str, code: int, left: int
) -> None:
    project.write_groups(PAIR.format(key="orders"))
    assert project.run("apply", "--sandbox", "--auto-approve").exit == 0
    with TerminalProcess("state", "forget", "orders", "--sandbox", directory=project.folder) as terminal:
        terminal.wait_for('Only "yes" is accepted: ')
        assert ". destination.orders" in terminal.output
        terminal.type(answer)
        assert terminal.wait_for_exit() == code
        assert ("Nothing was forgotten." in terminal.text) is (code == 1)
    document = project.run("state", "list", "--sandbox", "--format", "json").document
    assert len(document["records"]) == left


def test_the_ids_of_groups_are_listed_for_terraform(applied_project: StateProject) -> None:
    result = applied_project.run_state("list", "--format", "tfvars")
    assert result.exit == 0
    assert result.stdout == (
        "# Fivetran group ids by key, from the state specs/.reconciler/state.json.\n"
        f'fivetran_groups = {{\n  "orders" = "{applied_project.id}"\n}}\n'
    )
    assert applied_project.run_state("list", "--format", "json").document["groups"] == {
        "orders": applied_project.id
    }


def test_a_group_without_an_id_is_left_out_for_terraform(applied_project: StateProject) -> None:
    state = applied_project.read_state()
    state["records"]["group.orders"]["id"] = None
    applied_project.state_file.write_text(json.dumps(state))
    assert "fivetran_groups = {}" in applied_project.run_state("list", "--format", "tfvars").stdout
    assert applied_project.run_state("list", "--format", "json").document["groups"] == {}


def test_an_error_of_a_list_for_terraform_is_on_stderr(applied_project: StateProject) -> None:
    applied_project.state_file.unlink()
    result = applied_project.run_state("list", "--format", "tfvars")
    assert (result.exit, result.stdout, get_error_code(result)) == (1, "", "no-state")
