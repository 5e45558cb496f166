"""Refer to private links, agents and secrets managers by their names."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Thread
from typing import Any

import pytest
from applied_project import AppliedProject, get_error_code
from cli_harness import EmulatedFivetran, Project
from command_line import PROCESS_TIMEOUT

from reconciler.emulator.private_link_work import PrivateLinkWork

pytestmark = pytest.mark.sampled(every=3, tests=2)

ENTRY = """\
  orders:
    destination:
      service: snowflake
      region: {region}
      time_zone_offset: "0"
      {reference}
      config: {{host: acme.snowflakecomputing.com, port: 443, database: D, auth: PASSWORD, user: U,
        password: {{secret: "env:ORDERS_KEY"}}}}
"""
REFERENCES = {
    "private_link": ("private_link_id", "/private-links"),
    "hybrid_deployment_agent": ("hybrid_deployment_agent_id", "/hybrid-deployment-agents"),
    "proxy_agent": ("proxy_agent_id", "/proxy"),
    "external_secrets_manager": ("external_secrets_manager_id", "/external-secrets-managers"),
}


class LinkedProject(AppliedProject):
    """A project with one entry, `orders`, in an account with one object of each kind, called `primary`."""

    def declare(self, reference: str, region: str = "AWS_US_EAST_1") -> None:  # type: ignore[override]
        """Declare the entry with a line that refers to an object."""
        self.write_settings()
        self.write_specs(ENTRY.format(reference=reference, region=region))

    def add_object(self, key: str, name: str, **fields: Any) -> str:
        """Add an object of the kind that a key of specs names. Returns its id."""
        bodies: dict[str, dict[str, Any]] = {
            "private_link": {
                "name": name,
                "region": "AWS_US_EAST_1",
                "service": "SNOWFLAKE_AWS",
                "config": {},
            },
            "hybrid_deployment_agent": {
                "display_name": name,
                "env_type": "DOCKER",
                "accept_terms": True,
                "auth_type": "AUTO",
            },
            "proxy_agent": {"display_name": name, "group_region": "AWS_US_EAST_1"},
            "external_secrets_manager": {"name": name, "type": "HASHICORP_VAULT", "config": {}},
        }
        data = self.server.post(REFERENCES[key][1], bodies[key] | fields)
        return str(data.get("id") or data.get("agent_id"))

    def list_lists(self, *arguments: str) -> list[str]:
        """Run a command, and list the objects that it listed beside groups and destinations."""
        before = len(self.server.calls)
        result = self.run(*arguments)
        assert result.exit == 0, result.stderr
        paths = [call.split("?")[0].removeprefix("GET /v1") for call in self.server.calls[before:]]
        return [path for path in paths if path in {path for _, path in REFERENCES.values()}]


@pytest.fixture
def linked(project: Project, server: EmulatedFivetran) -> LinkedProject:
    return LinkedProject(project, server, {"ORDERS_KEY": "password-of-orders"})


@pytest.mark.parametrize("key", REFERENCES)
def test_a_plan_against_a_snapshot_finds_the_name(linked: LinkedProject, key: str) -> None:
    id = linked.add_object(key, "primary")
    linked.declare(f"{key}: primary")
    taken = linked.run("snapshot", "--out", "account.yaml")
    assert taken.exit == 0, taken.stderr
    plan = linked.project.run("plan", "--against", "account.yaml", "--format", "json").document
    [destination] = [change for change in plan["changes"] if change["address"] == "destination.orders"]
    after = {tuple(field["path"]): field["after"] for field in destination["fields"]}
    assert after[REFERENCES[key][0],] == id


@pytest.mark.parametrize("key", REFERENCES)
def test_a_name_becomes_the_id_in_plan_request_and_state(linked: LinkedProject, key: str) -> None:
    field, path = REFERENCES[key]
    id = linked.add_object(key, "primary")
    linked.declare(f"{key}: primary")
    [planned] = [
        each
        for each in linked.plan("--format", "json").document["changes"]
        if each["address"] == "destination.orders"
    ]
    assert {"path": [field], "after": id}.items() <= next(
        each for each in planned["fields"] if each["path"] == [field]
    ).items()
    linked.must_apply()
    [body] = linked.server.list_bodies("POST", "/v1/destinations")
    assert body[field] == id
    assert linked.read_state()["records"]["destination.orders"]["applied"][field] == id
    assert linked.list_lists("plan", "--detailed-exitcode") == [path], "one list, and an empty plan"


def test_no_list_is_read_without_a_name(linked: LinkedProject) -> None:
    id = linked.add_object("proxy_agent", "primary")
    linked.declare(f"proxy_agent_id: {id}")
    assert linked.list_lists("plan") == []


def test_a_name_gives_the_digest_of_its_id(linked: LinkedProject) -> None:
    id = linked.add_object("proxy_agent", "primary")
    digests = []
    for reference in ("proxy_agent: primary", f"proxy_agent_id: {id}"):
        linked.declare(reference)
        digests.append(linked.plan("--format", "json").document["digest"])
    assert digests[0] == digests[1]


def test_another_object_of_the_name_is_a_change(linked: LinkedProject) -> None:
    linked.add_object("proxy_agent", "first")
    second = linked.add_object("proxy_agent", "second")
    linked.declare("proxy_agent: first")
    linked.must_apply()
    linked.declare("proxy_agent: second")
    assert [write.split()[0] for write in linked.list_apply_writes()][:1] == ["PATCH"]
    assert linked.server.get(f"/destinations/{linked.find_id('orders')}")["proxy_agent_id"] == second


@pytest.mark.parametrize("key", REFERENCES)
def test_an_unknown_name_omits_its_entry(linked: LinkedProject, key: str) -> None:
    linked.add_object(key, "primary")
    linked.declare(f"{key}: primery")
    result, writes = linked.run_and_list_writes("apply", "--auto-approve")
    assert (result.exit, writes) == (1, [])
    assert get_error_code(result) == "not-in-account"
    assert "specs/groups/main.yaml:8:" in result.stderr
    assert "did you mean `primary`?" in result.stderr


def test_a_name_of_several_objects_asks_for_an_id(linked: LinkedProject) -> None:
    ids = sorted(linked.add_object("private_link", "primary") for _ in range(2))
    linked.declare("private_link: primary")
    result = linked.plan()
    assert result.exit == 1
    assert f"2 private links are called `primary`: `{ids[0]}`, `{ids[1]}`" in result.stderr
    assert "as `private_link_id:`" in result.stderr


def test_an_id_in_place_of_a_name_is_explained(linked: LinkedProject) -> None:
    id = linked.add_object("proxy_agent", "primary")
    linked.declare(f"proxy_agent: {id}")
    assert f"this is an id: write `proxy_agent_id: {id}`" in linked.plan().stderr


@pytest.mark.parametrize(
    ("reference", "code"),
    [
        ("proxy_agent: primary\n      proxy_agent_id: abc", "conflicting-fields"),
        ("proxy_agent: 7", "wrong-type"),
        ('proxy_agent: ""', "wrong-type"),
        ('proxy_agent: {value: "env:AGENT"}', "wrong-type"),
    ],
)
def test_a_wrong_declaration_is_an_error_of_the_specs(
    linked: LinkedProject, reference: str, code: str
) -> None:
    linked.declare(reference)
    result = linked.run("validate")
    assert result.exit == 1
    assert get_error_code(result) == code
    assert "specs/groups/main.yaml:8:" in result.stderr


def test_a_profile_may_have_a_name_that_an_entry_replaces(linked: LinkedProject) -> None:
    linked.add_object("proxy_agent", "primary")
    other = linked.add_object("proxy_agent", "other")
    linked.write_settings()
    entry = ENTRY.format(
        reference="profile: far\n      proxy_agent: {unset: true}\n      proxy_agent_id: " + other,
        region="AWS_US_EAST_1",
    )
    linked.project.write(
        "specs/groups/main.yaml", f"version: 1\nprofiles:\n  far: {{proxy_agent: primary}}\ngroups:\n{entry}"
    )
    linked.must_apply()
    assert linked.server.get(f"/destinations/{linked.find_id('orders')}")["proxy_agent_id"] == other


def test_a_link_that_is_not_ready_is_named_before_anything_is_written(linked: LinkedProject) -> None:
    id = linked.add_object("private_link", "primary", region="GCP_US_EAST4")
    linked.dashboard.finish_private_link(id, "FAIL")
    linked.declare("private_link: primary")
    plan = linked.plan()
    assert plan.exit == 0
    assert "warning[not-ready]: the private link `primary` is in state `FAIL`" in plan.stderr
    assert "warning[other-region]: the private link `primary` is in region `GCP_US_EAST4`" in plan.stderr
    linked.dashboard.finish_private_link(id)
    linked.declare("private_link: primary", region="GCP_US_EAST4")
    assert "warning[" not in linked.plan().stderr


def test_an_offline_agent_is_named(linked: LinkedProject) -> None:
    linked.add_object("hybrid_deployment_agent", "primary")
    linked.dashboard.set_agent_online("primary", False)
    linked.declare("hybrid_deployment_agent: primary")
    assert "warning[not-ready]: the hybrid deployment agent `primary` is offline" in linked.plan().stderr


@contextmanager
def run_after_listing(linked: LinkedProject, path: str, action: Callable[[], object]) -> Iterator[None]:
    """Run an action as soon as a client has listed the objects of a path."""

    def wait_and_run() -> None:
        until = time.monotonic() + PROCESS_TIMEOUT
        while not any(f"GET /v1{path}" in call for call in linked.server.calls) and time.monotonic() < until:
            time.sleep(0.01)
        action()

    thread = Thread(target=wait_and_run, daemon=True)
    thread.start()
    yield
    thread.join(PROCESS_TIMEOUT)


@pytest.mark.parametrize("by_name", [True, False])
@pytest.mark.parametrize("key", ["private_link", "hybrid_deployment_agent"])
def test_an_apply_waits_until_its_objects_are_ready(linked: LinkedProject, key: str, by_name: bool) -> None:
    id = linked.add_object(key, "primary")
    linked.declare(f"{key}: primary" if by_name else f"{key}_id: {id}")
    if key == "private_link":
        linked.dashboard.plan_private_link_work(PrivateLinkWork(link="primary", seconds=3600))
        finish: Callable[[], object] = partial(linked.dashboard.finish_private_link, id)
    else:
        linked.dashboard.set_agent_online("primary", False)
        finish = partial(linked.dashboard.set_agent_online, "primary", True)
    with run_after_listing(linked, REFERENCES[key][1], finish):
        # The clock of these runs skips the pauses between two looks, so a day of waiting passes in seconds.
        result = linked.apply("--wait", "1d", "--events", "events.jsonl")
    assert result.exit == 0, result.stderr
    assert "waiting up to " in result.stderr
    assert '"event": "waiting-for-objects"' in (linked.folder / "events.jsonl").read_text()


def test_a_wait_ends_with_its_time(linked: LinkedProject) -> None:
    linked.add_object("hybrid_deployment_agent", "primary")
    linked.dashboard.set_agent_online("primary", False)
    linked.declare("hybrid_deployment_agent: primary")
    result, writes = linked.run_and_list_writes("apply", "--auto-approve", "--wait", "1s")
    assert (result.exit, writes) == (1, [])
    assert "is offline after the time of `--wait`" in result.stderr
    assert linked.apply("--wait", "soon").exit == 64


def test_a_failed_link_is_not_waited_for(linked: LinkedProject) -> None:
    id = linked.add_object("private_link", "primary")
    linked.dashboard.finish_private_link(id, "FAIL")
    linked.declare("private_link: primary")
    result = linked.apply("--wait", "1h")
    assert "waiting" not in result.stderr
    assert "is in state `FAIL`" in result.stderr


def test_a_sandbox_has_every_object_that_its_specs_name(linked: LinkedProject) -> None:
    linked.declare("proxy_agent: primary")
    assert linked.apply("--sandbox").exit == 0
    assert linked.plan("--sandbox", "--detailed-exitcode").exit == 0


def test_online_validation_checks_names(linked: LinkedProject) -> None:
    linked.add_object("proxy_agent", "primary")
    linked.declare("proxy_agent: primery")
    result = linked.run("validate", "--online")
    assert result.exit == 1
    assert "did you mean `primary`?" in result.stderr
    linked.declare("proxy_agent: primary")
    assert linked.run("validate", "--online").exit == 0


def forget_specs(linked: LinkedProject) -> None:
    """Begin anew: neither specs nor state, in the same account."""
    linked.write_settings()
    linked.project.folder.joinpath("specs/groups/main.yaml").unlink()
    for file in linked.project.folder.glob("specs/.reconciler/state.json*"):
        file.unlink()


def read_imported(linked: LinkedProject) -> str:
    [file] = linked.project.folder.glob("specs/groups/*.yaml")
    return file.read_text()


@pytest.mark.parametrize("key", REFERENCES)
def test_an_import_writes_the_id_with_the_name_as_a_comment(linked: LinkedProject, key: str) -> None:
    field, path = REFERENCES[key]
    id = linked.add_object(key, "primary")
    linked.declare(f"{key}: primary")
    linked.must_apply()
    forget_specs(linked)
    assert linked.list_lists("import") == [path]
    text = read_imported(linked)
    assert f"\n      {field}: {id}\n" in text
    assert f"\n  # `{field}` is the " in text
    assert "`primary`." in text


@pytest.mark.parametrize("key", REFERENCES)
def test_an_import_with_names_writes_the_name(linked: LinkedProject, key: str) -> None:
    field, path = REFERENCES[key]
    linked.add_object(key, "primary")
    linked.declare(f"{key}: primary")
    linked.must_apply()
    forget_specs(linked)
    assert linked.list_lists("import", "--names") == [path], "the proof reads no list again"
    text = read_imported(linked)
    assert f"\n      {key}: primary\n" in text
    assert field not in text
    assert linked.plan("--detailed-exitcode").exit == 0


def test_an_import_keeps_the_id_of_a_name_that_two_objects_have(linked: LinkedProject) -> None:
    id = linked.add_object("private_link", "primary")
    linked.declare(f"private_link_id: {id}")
    linked.must_apply()
    linked.add_object("private_link", "primary")
    forget_specs(linked)
    assert linked.run("import", "--names").exit == 0
    assert f"\n      private_link_id: {id}\n" in read_imported(linked)


def test_an_import_without_the_right_to_list_agents_has_only_the_id(linked: LinkedProject) -> None:
    id = linked.add_object("proxy_agent", "primary")
    linked.declare(f"proxy_agent_id: {id}")
    linked.must_apply()
    forget_specs(linked)
    linked.add_faults("GET /v1/proxy status 403")
    assert linked.run("import").exit == 0
    assert f"\n      proxy_agent_id: {id}\n" in read_imported(linked)
    assert "primary" not in read_imported(linked)


def test_an_import_reads_no_list_without_a_reference(linked: LinkedProject) -> None:
    linked.add_object("proxy_agent", "primary")
    linked.declare("networking_method: Directly")
    linked.must_apply()
    forget_specs(linked)
    assert linked.list_lists("import", "--names") == []
