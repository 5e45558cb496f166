"""Looking at what runs remember, and correcting it: never a word to Fivetran."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_harness import CommandResult, EmulatedFivetran, Project
from command_line import TerminalProcess
from filelock import FileLock

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


class Memory:
    """An applied pair `orders`, and what is remembered of it."""

    def __init__(self, project: Project, server: EmulatedFivetran) -> None:
        self.project, self.server = project, server
        project.write(
            "specs/reconciler.yaml",
            f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\n",
        )
        project.write_groups(PAIR.format(key="orders"))
        applied = project.run_against(server, "apply", "--auto-approve", environ=SECRET)
        assert applied.exit == 0, applied.stderr
        [self.id] = server.list_ids("groups")

    def state(self, *arguments: str) -> CommandResult:
        """A `state` command, which has neither credentials nor secrets and asks nobody anything."""
        before = len(self.server.calls)
        result = self.project.run("state", *arguments)
        assert self.server.calls[before:] == []
        return result

    def plan(self) -> CommandResult:
        return self.project.run_against(self.server, "plan", "--detailed-exitcode", environ=SECRET)

    @property
    def file(self) -> Path:
        return self.project.folder / "specs" / ".reconciler" / "state.json"

    @property
    def addresses(self) -> set[str]:
        return set(json.loads(self.file.read_text())["records"])


@pytest.fixture
def memory(project: Project, server: EmulatedFivetran) -> Memory:
    """An applied pair `orders`."""
    return Memory(project, server)


def the_error(result: CommandResult) -> str:
    [line] = [line for line in result.stderr.splitlines() if line.startswith("error[")]
    return line.removeprefix("error[").partition("]")[0]


def test_the_list_has_every_address_with_its_id_and_marks(memory: Memory) -> None:
    result = memory.state("list")
    assert result.exit == 0
    heading, _, *rows = result.stdout.splitlines()
    assert heading == f"state specs/.reconciler/state.json · account {memory.server.account_id} · 2 records"
    assert [row.split()[:2] for row in rows] == [
        ["group.orders", memory.id],
        ["destination.orders", memory.id],
    ]
    assert all(row.endswith("protected") for row in rows)


def test_an_interrupted_and_untested_record_is_marked(memory: Memory) -> None:
    state = json.loads(memory.file.read_text())
    begun, sent = "2026-11-23T10:00:00+00:00", "2026-11-23T10:00:07+00:00"
    intent = {
        "action": "create",
        "name": "orders",
        "namesakes": ["one", "two"],
        "begun": {"own": begun},
        "sent": {"own": sent},
    }
    state["records"]["destination.orders"] |= {"intent": intent, "unverified": True, "id": None}
    memory.file.write_text(json.dumps(state))
    assert memory.state("list").stdout.splitlines()[-1].endswith("protected, unverified, interrupted")
    shown = memory.state("show", "destination.orders").stdout
    times = "at 2026-11-23 10:00:00 UTC, sent at 2026-11-23 10:00:07 UTC at the latest"
    assert f'create of "orders" {times}, beside 2 namesakes' in shown
    assert "(not known yet)" in shown
    [record] = memory.state("show", "destination.orders", "--format", "json").document["records"]
    assert record["interrupted"] == {
        "action": "create",
        "name": "orders",
        "namesakes": ["one", "two"],
        "at": begun,
        "sent_at": sent,
    }
    assert record["marks"] == ["protected", "unverified", "interrupted"]


def test_a_secret_without_a_fingerprint_is_called_so(memory: Memory) -> None:
    state = json.loads(memory.file.read_text())
    state["records"]["destination.orders"]["fingerprints"]["config"] = {
        "secret_key": "",
        "brand_new": "hidden",
    }
    memory.file.write_text(json.dumps(state))
    shown = memory.state("show", "destination.orders").stdout
    assert "(secret, cannot be compared: no fingerprint)" in shown
    assert "(hidden, cannot be compared: no fingerprint)" in shown
    assert "fingerprint present" not in shown


def test_all_is_shown_of_an_address_but_no_secret(memory: Memory) -> None:
    result = memory.state("show", "destination.orders")
    assert result.exit == 0
    told = dict(line.split(maxsplit=1) for line in result.stdout.splitlines()[1:])
    assert told["config.project_id"] == '"acme"'
    assert told["config.secret_key"] == "(secret, fingerprint present)"
    assert told["config.brand_new"] == "(hidden, fingerprint present)"
    fingerprint = json.loads(memory.file.read_text())["records"]["destination.orders"]["fingerprints"]
    for form in ("text", "json"):
        told = memory.state("show", "orders", "--format", form).stdout
        assert "only-for-us" not in told
        assert "a-key-that-nobody-sees" not in told
        assert fingerprint["config"]["secret_key"][:20] not in told


def test_a_key_shows_both_addresses_of_a_pair(memory: Memory) -> None:
    document = memory.state("show", "orders", "--format", "json").document
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
def test_a_pair_moves_together_and_the_next_plan_is_empty(memory: Memory, names: tuple[str, str]) -> None:
    result = memory.state("move", *names)
    assert result.exit == 0, result.stderr
    assert memory.addresses == {"group.purchases", "destination.purchases"}
    assert "group.orders is remembered as group.purchases now." in result.stdout
    memory.project.write_groups(
        PAIR.format(key="purchases").replace("  purchases:", "  purchases:\n    name: orders")
    )
    plan = memory.plan()
    assert plan.exit == 0, plan.stdout + plan.stderr
    assert "<-" not in plan.stdout, "nothing has to be adopted again"


def test_a_moved_secret_is_still_compared(memory: Memory) -> None:
    memory.state("move", "orders", "purchases")
    memory.project.write_groups(
        PAIR.format(key="purchases").replace("  purchases:", "  purchases:\n    name: orders")
    )
    plan = memory.project.run_against(
        memory.server, "plan", "--detailed-exitcode", environ={"ORDERS_KEY": "rotated"}
    )
    assert plan.exit == 2
    assert "config.secret_key" in plan.stdout


def test_nothing_moves_onto_what_is_remembered(memory: Memory) -> None:
    state = json.loads(memory.file.read_text())
    state["records"]["destination.sales"] = {"id": "sunny_vole"}
    memory.file.write_text(json.dumps(state))
    result = memory.state("move", "orders", "sales")
    assert (result.exit, the_error(result)) == (1, "address-taken")
    assert "sunny_vole" in result.stderr
    assert memory.addresses == {"group.orders", "destination.orders", "destination.sales"}


@pytest.mark.parametrize("target", ["Purchases", "connection.purchases", "destination.purchases", "group."])
def test_an_impossible_address_is_no_target(memory: Memory, target: str) -> None:
    before = memory.file.read_bytes()
    result = memory.state("move", "group.orders", target)
    assert (result.exit, the_error(result)) == (1, "invalid-address")
    assert memory.file.read_bytes() == before


@pytest.mark.parametrize("arguments", [("show", "ordres"), ("move", "ordres", "x"), ("forget", "ordres")])
def test_an_unknown_address_gets_the_nearest(memory: Memory, arguments: tuple[str, ...]) -> None:
    options = ("--auto-approve",) if arguments[0] == "forget" else ()
    result = memory.state(*arguments, *options)
    assert (result.exit, the_error(result)) == (1, "unknown-address")
    assert "did you mean `orders`?" in result.stderr


def test_all_unknown_addresses_are_told_and_nothing_is_forgotten(memory: Memory) -> None:
    result = memory.state("forget", "orders", "group.x", "group.y", "--auto-approve")
    assert result.exit == 1
    assert result.stderr.count("error[unknown-address]") == 2
    assert memory.addresses == {"group.orders", "destination.orders"}


@pytest.mark.parametrize("address", ["orders", "group.orders"])
def test_a_group_is_forgotten_with_its_destination_and_found_again(memory: Memory, address: str) -> None:
    result = memory.state("forget", address, "--auto-approve")
    assert result.exit == 0
    assert "their protection is forgotten too" in result.stdout
    assert "Forgot 2 records. Nothing was changed at Fivetran." in result.stdout
    assert memory.addresses == set()
    plan = memory.plan()
    assert plan.exit == 0
    assert f"<- group.orders        {memory.id}" in plan.stdout


def test_a_destination_is_forgotten_alone(memory: Memory) -> None:
    document = memory.state("forget", "destination.orders", "--auto-approve", "--format", "json").document
    assert [each["address"] for each in document["forgotten"]] == ["destination.orders"]
    assert memory.addresses == {"group.orders"}


def test_forgetting_asks_and_where_nobody_answers_it_refuses(memory: Memory) -> None:
    result = memory.state("forget", "orders")
    assert (result.exit, the_error(result)) == (64, "no-terminal")
    assert memory.addresses == {"group.orders", "destination.orders"}
    assert memory.state("forget", "orders", "--format", "json").exit == 64


@pytest.mark.parametrize("arguments", [("move", "orders", "x"), ("forget", "orders", "--auto-approve")])
def test_whoever_writes_waits_for_nobody(memory: Memory, arguments: tuple[str, ...]) -> None:
    before = memory.file.read_bytes()
    with FileLock(memory.file.with_name("state.json.lock")):
        result = memory.state(*arguments)
        assert (result.exit, the_error(result)) == (5, "locked")
        assert memory.state("list").exit == 0, "reading needs no lock"
    assert memory.file.read_bytes() == before


@pytest.mark.parametrize("arguments", [("list",), ("show", "orders"), ("move", "orders", "x")])
def test_a_damaged_state_is_named(memory: Memory, arguments: tuple[str, ...]) -> None:
    memory.file.write_text("{")
    result = memory.state(*arguments)
    assert (result.exit, the_error(result)) == (1, "state-damaged")
    assert "specs/.reconciler/state.json" in result.stderr


@pytest.mark.parametrize("arguments", [("list",), ("show", "orders"), ("move", "orders", "x")])
def test_a_state_that_is_not_there_is_named_and_not_made(
    project: Project, arguments: tuple[str, ...]
) -> None:
    result = project.run("state", *arguments)
    assert (result.exit, the_error(result)) == (1, "no-state")
    assert "specs/.reconciler/state.json" in result.stderr
    assert not (project.folder / "specs" / ".reconciler").exists()
    document = project.run("state", *arguments, "--format", "json").document
    assert [each["code"] for each in document["diagnostics"]] == ["no-state"]


def test_the_sandbox_has_a_memory_of_its_own(project: Project) -> None:
    project.write_groups(PAIR.format(key="orders"))
    assert project.run("apply", "--sandbox", "--auto-approve").exit == 0
    assert project.run("state", "list").exit == 1
    result = project.run("state", "list", "--sandbox")
    assert result.exit == 0
    assert "specs/.reconciler/sandbox/state.json" in result.stdout
    assert project.run("state", "move", "orders", "sales", "--sandbox").exit == 0
    assert "group.sales" in project.run("state", "list", "--sandbox").stdout


@pytest.mark.parametrize(
    ("arguments", "missing"), [(["show"], "ADDR"), (["move", "orders"], "TO"), (["forget"], "ADDR")]
)
def test_what_is_missing_is_called_as_the_help_calls_it(
    project: Project, arguments: list[str], missing: str
) -> None:
    result = project.run("state", *arguments)
    assert result.exit == 64
    assert f"`{missing}` is missing" in result.stderr


def test_broken_specs_do_not_matter(memory: Memory) -> None:
    memory.project.write("specs/groups/main.yaml", "version: [")
    assert memory.state("list").exit == 0


def test_a_key_that_moves_by_its_spec_takes_its_secrets_along(memory: Memory) -> None:
    memory.project.write_groups(
        PAIR.format(key="purchases").replace(
            "  purchases:", "  purchases:\n    name: orders\n    was: orders"
        )
    )
    assert memory.plan().exit == 0


@pytest.mark.parametrize(("answer", "code", "left"), [("yes\n", 0, 0), ("y\n", 1, 2), ("\x04", 1, 2)])
def test_a_person_is_asked_before_anything_is_forgotten(
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
