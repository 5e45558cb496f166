"""S-45: values of fields unknown to the catalogue are hidden in all output and stored as fingerprints only.

The values are canaries. A fixture of all tests searches outputs, files, logs and events for them in every encoding;
these tests make the product write each kind of output.
"""

from __future__ import annotations

import json
import shlex
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest
from background_process import BackgroundProcess
from blocking_server import serve_blocking
from cli_harness import EmulatedFivetran, Project, build_credentials, serve_fivetran
from command_line import PROCESS_TIMEOUT
from git_repo import commit
from hidden_fields import (
    CLICKHOUSE_FIELDS,
    LAKE_FIELDS,
    HiddenFieldsProject,
    build_unknown_fields,
    expect_hidden,
    iter_texts,
    make_canary,
)
from remote_backends import BRANCH, BareRepository
from secret_leak_detector import get_detector

from reconciler.emulator.fault_text import parse_fault
from reconciler.emulator.switches import Behaviour

pytestmark = pytest.mark.sampled(every=6, tests=5)


@pytest.fixture
def hidden_project(project: Project, server: EmulatedFivetran) -> HiddenFieldsProject:
    """A project with hidden fields, before its first apply."""
    return HiddenFieldsProject(project, server)


@pytest.fixture
def applied_project(hidden_project: HiddenFieldsProject) -> HiddenFieldsProject:
    """A project with hidden fields, after an apply."""
    hidden_project.declare("one")
    hidden_project.apply()
    return hidden_project


@pytest.mark.parametrize("block", [False, True], ids=["flow", "block"])
def test_a_create_hides_unknown_fields(block: bool, hidden_project: HiddenFieldsProject) -> None:
    hidden_project.block_style = block
    hidden_project.declare("one")
    created = hidden_project.list_planned_fields()
    for address, fields in expect_hidden("spec").items():
        assert {path: how for path, how in created[address].items() if path in fields} == fields
    hidden_project.run_read_commands()
    text = hidden_project.run("plan").stdout
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in text.splitlines() if line.strip()}
    assert lines["config.zz_nested"] == "(hidden, not in the catalogue)"
    assert lines["config.http_path"] == "(hidden, below extra_config)"
    hidden_project.apply("--format", "json")
    lake, click = sorted(hidden_project.list_sent_configs("POST"), key=len, reverse=True)
    assert {name: lake[name] for name in build_unknown_fields("lake one")} == build_unknown_fields("lake one")
    assert click["host"] == make_canary("host click one")
    hidden_project.run_read_commands()
    assert hidden_project.is_converged()
    hidden_project.check_requests()


def test_an_update_hides_unknown_fields(applied_project: HiddenFieldsProject) -> None:
    applied_project.declare("two")
    assert applied_project.list_planned_fields() == expect_hidden("spec")
    assert "(hidden, not in the catalogue, changed)" in applied_project.run("plan").stdout
    applied_project.run_read_commands()
    applied_project.apply("--format", "github")
    assert {
        name: applied_project.list_sent_configs("PATCH")[-1][name]
        for name in build_unknown_fields("click two")
    } in (
        build_unknown_fields("click two"),
        build_unknown_fields("lake two"),
    )
    applied_project.run_read_commands()
    assert applied_project.is_converged()
    applied_project.check_requests()


@pytest.mark.long
def test_a_replacement_hides_unknown_fields(applied_project: HiddenFieldsProject) -> None:
    applied_project.declare("two", bucket="second")
    fields = applied_project.list_planned_fields()["destination.lake"]
    hidden = {path: shown for path, shown in fields.items() if shown.startswith("hidden")}
    assert hidden == expect_hidden("spec")["destination.lake"]
    assert fields["config.bucket"] == "clear spec"
    applied_project.run_read_commands()
    applied_project.apply("--target", "lake")
    applied_project.apply()
    applied_project.run_read_commands()
    assert applied_project.is_converged()
    applied_project.check_requests()


def test_drift_hides_unknown_fields(applied_project: HiddenFieldsProject) -> None:
    applied_project.change_live("live")
    assert applied_project.list_planned_fields() == expect_hidden("drift")
    drift = applied_project.run("drift", "--detailed-exitcode")
    assert drift.exit == 2
    assert "    config.zz_plain         (hidden, not in the catalogue, changed)\n" in drift.stdout
    applied_project.run_read_commands()
    applied_project.apply()
    assert applied_project.is_converged()
    applied_project.check_requests()


@pytest.mark.long
def test_a_conflict_hides_unknown_fields(applied_project: HiddenFieldsProject) -> None:
    applied_project.change_live("live")
    applied_project.declare("three")
    assert applied_project.list_planned_fields() == expect_hidden("conflict")
    applied_project.run_read_commands()
    applied_project.apply()
    assert applied_project.is_converged()
    applied_project.check_requests()


def test_an_adoption_hides_unknown_fields(applied_project: HiddenFieldsProject) -> None:
    memory = applied_project.project.folder / "specs" / ".reconciler" / "state.json"
    memory.unlink()
    assert "Found at Fivetran as declared" in applied_project.run("plan").stdout
    applied_project.run_read_commands()
    applied_project.apply()
    kept = json.loads(memory.read_text())["records"]["destination.lake"]
    assert set(build_unknown_fields("lake one")) <= kept["fingerprints"]["config"].keys()
    assert set(build_unknown_fields("lake one")).isdisjoint(kept["applied"]["config"])
    applied_project.change_live("live")
    assert applied_project.list_planned_fields() == expect_hidden("drift"), "what was adopted is remembered"
    applied_project.check_requests()


@pytest.mark.parametrize("forget", [False, True])
def test_a_removal_hides_unknown_fields(forget: bool, applied_project: HiddenFieldsProject) -> None:
    applied_project.change_live("live")
    gone = [
        {"group": key, "id": applied_project.find_id(key)} | ({"forget": True} if forget else {})
        for key in ("lake", "click")
    ]
    applied_project.write({}, gone)
    applied_project.run_read_commands()
    document = applied_project.run("plan", "--format", "terraform-json").document
    [lake] = [each for each in document["resource_changes"] if each["address"] == "fivetran_destination.lake"]
    assert lake["change"]["before"]["config"]["zz_plain"] == "(sensitive value)"
    assert lake["change"]["before_sensitive"]["config"]["zz_plain"] is True
    applied_project.apply("--allow", "deletes=2", "--reason", "as agreed")
    applied_project.run_read_commands()
    applied_project.check_requests()


@pytest.mark.long
def test_a_recreated_destination_hides_unknown_fields(applied_project: HiddenFieldsProject) -> None:
    applied_project.server.app.dashboard.remove("destination", applied_project.find_id("lake"))
    applied_project.run_read_commands()
    recreate = ("--recreate", "destination.lake")
    assert (
        applied_project.list_planned_fields(*recreate)["destination.lake"]["config.zz_plain"] == "hidden spec"
    )
    applied_project.apply(*recreate)
    assert applied_project.is_converged()
    applied_project.check_requests()


@pytest.mark.sampled(every=5)
@pytest.mark.parametrize("status", [400, 409, 500])
@pytest.mark.parametrize("update", [False, True])
def test_an_error_that_quotes_the_request_hides_unknown_fields(
    status: int, update: bool, hidden_project: HiddenFieldsProject
) -> None:
    hidden_project.declare("one")
    method, path = ("PATCH", "/v1/destinations/*") if update else ("POST", "/v1/destinations")
    if update:
        hidden_project.apply()
        hidden_project.declare("two")
    quoted = ", ".join(iter_texts(hidden_project.build_lake("two" if update else "one")))
    fault = f"{method} {path} times 20 status {status} {shlex.quote(f'message={quoted}')}"
    hidden_project.server.app.faults.add(parse_fault(fault))
    failed = hidden_project.apply(
        "--target", "lake", expected_exit=6
    )  # the content of another request is not known
    assert "••••••••" in failed.stdout
    hidden_project.run_read_commands()
    hidden_project.server.app.faults.clear()
    hidden_project.project.advance_time()
    hidden_project.apply()
    assert hidden_project.is_converged()
    hidden_project.check_requests()


@pytest.mark.sampled(every=3)
@pytest.mark.parametrize("fault", ["after-effect reset", "before-effect reset", "after-effect status 503"])
def test_a_lost_answer_hides_unknown_fields(fault: str, applied_project: HiddenFieldsProject) -> None:
    applied_project.server.app.faults.add(parse_fault(f"PATCH /v1/destinations/* times 20 {fault}"))
    applied_project.declare("two")
    applied_project.apply(expected_exit=6)
    applied_project.run_read_commands()
    applied_project.server.app.faults.clear()
    applied_project.apply()
    assert applied_project.is_converged()
    applied_project.check_requests()


@pytest.mark.long
@pytest.mark.parametrize("update", [False, True])
def test_a_killed_run_hides_unknown_fields(update: bool, hidden_project: HiddenFieldsProject) -> None:
    hidden_project.declare("one")
    if update:
        hidden_project.apply()
        hidden_project.declare("two")
    writes = ("PATCH" if update else "POST", "/v1/destinations")

    def is_held(method: str, path: str) -> bool:
        return method == writes[0] and path.startswith(writes[1])

    with (
        serve_blocking(hidden_project.server, is_held) as (gate, url),
        BackgroundProcess(
            "apply", "--auto-approve", directory=hidden_project.project.folder, **build_credentials(url)
        ) as process,
    ):
        assert gate.reached.wait(PROCESS_TIMEOUT)
        process.signal(signal.SIGKILL)
        process.wait_for_exit()
    assert (hidden_project.project.folder / "specs/.reconciler/state.json.journal").stat().st_size
    hidden_project.run_read_commands()
    hidden_project.project.advance_time()
    hidden_project.apply()
    hidden_project.run_read_commands()
    assert hidden_project.is_converged()
    hidden_project.check_requests()


@pytest.mark.long
def test_a_state_in_git_stores_no_hidden_values(
    project: Project, server: EmulatedFivetran, tmp_path: Path
) -> None:
    upstream = BareRepository(tmp_path / "upstream.git")
    upstream.clone(project.folder)
    hidden_project = HiddenFieldsProject(project, server, f"state: git:origin/{BRANCH}\n")
    hidden_project.declare("one")
    hidden_project.apply()
    assert hidden_project.is_converged()
    hidden_project.change_live("live")
    assert hidden_project.list_planned_fields() == expect_hidden("spec"), (
        "without a key nobody knows who changed them"
    )
    hidden_project.declare("two")
    hidden_project.apply()
    assert hidden_project.is_converged()
    hidden_project.run_read_commands()
    record = json.loads(upstream.read_files()["state.json"])["records"]["destination.lake"]
    assert record["fingerprints"]["config"]["zz_plain"] == "hidden"
    get_detector().add_artefact("the branch of the state", upstream.read_log())
    hidden_project.check_requests()


@pytest.mark.long
def test_a_stopped_approved_plan_hides_unknown_fields(applied_project: HiddenFieldsProject) -> None:
    applied_project.declare("two")
    digest = applied_project.run("plan", "--format", "json").document["digest"]
    applied_project.server.app.faults.add(parse_fault("PATCH /v1/destinations/* #1 status 400"))
    stopped = applied_project.run("apply", "--expect", digest, "--parallelism", "1")
    assert stopped.exit == 6
    assert json.loads((applied_project.project.folder / "specs/.reconciler/state.json").read_text())[
        "reviewed"
    ]
    resumed = applied_project.run("apply", "--expect", digest)
    assert resumed.exit == 0, resumed.stdout + resumed.stderr
    assert applied_project.is_converged()


def test_a_saved_plan_is_refused_after_an_edit_of_a_hidden_value(
    applied_project: HiddenFieldsProject,
) -> None:
    applied_project.declare("two")
    assert applied_project.run("plan", "--out", "saved").exit == 0
    applied_project.declare("three")
    refused = applied_project.run("apply", "saved")
    assert refused.exit == 4
    assert "error[plan-spec-changed]" in refused.stderr
    for path in (*LAKE_FIELDS, *CLICKHOUSE_FIELDS):
        assert f"`{path}`" in refused.stderr
    applied_project.declare("two")
    assert applied_project.run("apply", "saved").exit == 0
    assert applied_project.is_converged()


@pytest.mark.sampled(every=3)
@pytest.mark.parametrize(
    "rule",
    [
        "require: {config.zz_plain: 'canary of a policy'}",
        "require: {config.zz_nested.zz_inner.zz_deep: ['canary of a policy', 'vault:*']}",
        "forbid: {config.zz_plain: 'canary*'}",
        "forbid: {config.zz_absent: 'canary of a policy', config.zz_listed: 'canary*'}",
    ],
)
def test_a_policy_reports_neither_hidden_values_nor_its_own(
    rule: str, project: Project, server: EmulatedFivetran
) -> None:
    get_detector().add_secret("a policy", "canary of a policy")
    hidden_project = HiddenFieldsProject(project, server, f"policies: [{rule}]\n")
    hidden_project.declare("one")
    assert hidden_project.run("plan").exit == 3
    hidden_project.run_read_commands()


def test_a_reference_to_a_value_is_hidden_like_a_literal(project: Project, server: EmulatedFivetran) -> None:
    """The API may return any value there, whatever the visibility of the declared value."""
    hidden_project = HiddenFieldsProject(project, server, environ={"NEW": "a-value-of-nobody"})
    get_detector().add_secret("the value", "a-value-of-nobody")
    lake = hidden_project.build_lake("one")
    lake["config"]["zz_plain"] = {"value": "env:NEW"}
    hidden_project.write({"lake": lake})
    hidden_project.apply()
    assert hidden_project.list_sent_configs("POST")[0]["zz_plain"] == "a-value-of-nobody"
    assert hidden_project.is_converged()
    hidden_project.server.app.dashboard.change_destination(
        hidden_project.find_id("lake"), config={"zz_plain": make_canary("live")}
    )
    assert hidden_project.list_planned_fields() == {"destination.lake": {"config.zz_plain": "hidden drift"}}
    hidden_project.run_read_commands()


def move_lake(applied_project: HiddenFieldsProject, options: Mapping[str, object]) -> None:
    applied_project.write(
        {"pond": applied_project.build_lake("one"), "click": applied_project.build_clickhouse("one")}
    )
    main = applied_project.project.folder / "specs" / "groups" / "main.yaml"
    content = json.loads(main.read_text())
    content["groups"]["pond"] |= options
    applied_project.project.write("specs/groups/main.yaml", json.dumps(content, ensure_ascii=False))


@pytest.mark.long
def test_a_moved_key_keeps_fingerprints_of_hidden_values(applied_project: HiddenFieldsProject) -> None:
    move_lake(applied_project, {"was": "lake", "name": "lake"})
    assert applied_project.is_converged()
    applied_project.apply()
    applied_project.change_live("live")
    assert (
        applied_project.list_planned_fields()["destination.pond"]
        == expect_hidden("drift")["destination.lake"]
    )


OAUTH = {"OAUTH_CLIENT": "client-of-nobody", "OAUTH_SECRET": "secret-of-nobody", "SCOPE": "read:all"}


@pytest.fixture
def oauth_project(project: Project, server: EmulatedFivetran) -> HiddenFieldsProject:
    """A field that the catalogue does not describe, with references inside."""
    hidden_project = HiddenFieldsProject(project, server, environ=OAUTH)
    lake = hidden_project.build_lake("one")
    lake["extra_config"] = {
        "oauth": {
            "client": {"secret": "env:OAUTH_CLIENT"},
            "rows": [{"client_secret": {"secret": "env:OAUTH_SECRET"}, "scope": {"value": "env:SCOPE"}}],
            "kind": "zz",
        }
    }
    hidden_project.write({"lake": lake})
    return hidden_project


def resolve_oauth(environ: Mapping[str, str]) -> object:
    row = {"client_secret": environ["OAUTH_SECRET"], "scope": environ["SCOPE"]}
    return {"client": environ["OAUTH_CLIENT"], "rows": [row], "kind": "zz"}


@pytest.mark.long
def test_references_inside_a_mapping_are_resolved(oauth_project: HiddenFieldsProject) -> None:
    printed = oauth_project.run("plan").stdout
    assert "(secret env:OAUTH_CLIENT, env:OAUTH_SECRET, env:SCOPE)" in printed
    oauth_project.run_read_commands()
    assert oauth_project.run("plan", "--secrets", "skip").exit == 0
    oauth_project.apply()
    assert oauth_project.list_sent_configs("POST")[0]["oauth"] == resolve_oauth(OAUTH)
    assert oauth_project.is_converged()
    oauth_project.environ = {**OAUTH, "OAUTH_SECRET": "rotated-of-nobody"}
    assert oauth_project.list_planned_fields() == {"destination.lake": {"config.oauth": "secret spec"}}
    oauth_project.run_read_commands()
    assert oauth_project.run("plan", "--out", "saved").exit == 0
    assert oauth_project.run("apply", "saved").exit == 0
    assert oauth_project.list_sent_configs("PATCH") == [{"oauth": resolve_oauth(oauth_project.environ)}]
    assert oauth_project.is_converged()
    oauth_project.check_requests()


def test_a_sandbox_invents_values_of_references_inside_a_mapping(oauth_project: HiddenFieldsProject) -> None:
    oauth_project.environ = {}
    result = oauth_project.project.run("apply", "--sandbox", "--auto-approve")
    assert result.exit == 0, result.stderr
    assert oauth_project.project.run("plan", "--sandbox", "--detailed-exitcode").exit == 0


def test_an_unresolvable_reference_inside_a_mapping_stops_the_plan(
    oauth_project: HiddenFieldsProject,
) -> None:
    oauth_project.environ = {name: value for name, value in OAUTH.items() if name != "OAUTH_SECRET"}
    refused = oauth_project.run("plan")
    assert refused.exit == 1
    assert "error[secret-unavailable]: `config.oauth` needs `env:OAUTH_SECRET`" in refused.stderr


@pytest.mark.parametrize("kept", ["with-key", "without-key"])
@pytest.mark.parametrize("shown", [True, False], ids=["echoed", "not-shown"])
def test_a_reference_replaces_a_literal_and_a_literal_a_reference(
    shown: bool, kept: str, project: Project
) -> None:
    """A new value set by the advice of `literal-secret` is sent, whatever the state holds."""
    behaviour = Behaviour(unknown_config="echoed" if shown else "dropped")
    with serve_fivetran(behaviour=behaviour) as server:
        hidden_project = HiddenFieldsProject(project, server, environ={"NEW": "a-new-value-of-nobody"})
        lake = hidden_project.build_lake("one")
        hidden_project.write({"lake": lake})
        hidden_project.apply()
        if kept == "without-key":
            memory = project.folder / "specs/.reconciler/state.json"
            state = json.loads(memory.read_text())
            config = state["records"]["destination.lake"]["fingerprints"]["config"]
            config |= dict.fromkeys(config, "hidden")
            memory.write_text(json.dumps(state))
        lake["config"]["zz_plain"] = {"secret": "env:NEW"}
        hidden_project.write({"lake": lake})
        assert hidden_project.list_planned_fields() == {
            "destination.lake": {"config.zz_plain": "secret spec"}
        }
        hidden_project.apply()
        assert hidden_project.list_sent_configs("PATCH") == [{"zz_plain": "a-new-value-of-nobody"}]
        assert hidden_project.is_converged()
        lake["config"]["zz_plain"] = make_canary("plain again")
        hidden_project.write({"lake": lake})
        assert hidden_project.list_planned_fields() == {
            "destination.lake": {"config.zz_plain": "hidden spec"}
        }
        hidden_project.apply()
        assert hidden_project.is_converged()


def test_a_hidden_literal_is_resent_on_request(applied_project: HiddenFieldsProject) -> None:
    option = ("--resend-secret", "destination.lake:config.zz_plain")
    text = applied_project.run("plan", *option).stdout
    assert "config.zz_plain  (hidden, not in the catalogue, unchanged, sent anyway)" in text
    applied_project.apply(*option)
    assert applied_project.list_sent_configs("PATCH") == [{"zz_plain": make_canary("plain lake one")}]
    applied_project.change_live("live")
    lake = applied_project.list_planned_fields()["destination.lake"]
    assert applied_project.run("plan", *option, "--detailed-exitcode").exit == 2
    assert lake["config.zz_plain"] == "hidden drift"


@pytest.mark.parametrize(
    ("change", "command", "code"),
    [
        ({"regoin": "x"}, ("validate",), "unknown-key"),
        ({"service": "managed_data_lakes"}, ("validate",), "unknown-service"),
        ({"region": 5}, ("validate",), "wrong-type"),
        ({"config": {"bucket": "second"}, "lifecycle": {}}, ("plan",), "replace-refused"),
        ({"config": {"bucket": "second"}}, ("plan",), "protected"),
        ({"config": {"http_path": {"secret": "env:NOWHERE"}}}, ("plan",), "secret-unavailable"),
    ],
)
def test_no_excerpt_shows_hidden_values(
    change: dict[str, object], command: tuple[str, ...], code: str, hidden_project: HiddenFieldsProject
) -> None:
    """In flow style one line has all fields."""
    hidden_project = HiddenFieldsProject(
        hidden_project.project, hidden_project.server, "protected: [lake]\n" if code == "protected" else ""
    )
    lake = hidden_project.build_lake("one")
    hidden_project.write({"lake": lake})
    hidden_project.apply()
    for name, value in change.items():
        lake[name] = {**lake["config"], **value} if name == "config" and isinstance(value, dict) else value
    if code == "secret-unavailable":
        del lake["extra_config"]["http_path"]
    hidden_project.write({"lake": lake})
    refused = hidden_project.run(*command)
    assert f"error[{code}]" in refused.stderr
    assert "••••••••" in refused.stderr


@pytest.mark.parametrize("service", ["clickhouse", "brand_new_warehouse", "singlestore"])
def test_a_field_public_in_one_service_is_hidden_in_an_undescribed_config(
    service: str, hidden_project: HiddenFieldsProject
) -> None:
    click = {
        "service": service,
        "region": 5,
        "time_zone_offset": "0",
        "config": {"host": make_canary("host")},
    }
    hidden_project.write({"click": click})
    refused = hidden_project.run("validate")
    assert "error[wrong-type]" in refused.stderr
    assert "••••••••" in refused.stderr


@pytest.mark.long
def test_a_branch_that_removes_a_literal_can_be_planned(project: Project, server: EmulatedFivetran) -> None:
    """The base is a branch on which the literal is no error yet."""
    hidden_project = HiddenFieldsProject(project, server, environ={"NEW": "a-new-value-of-nobody"})
    lake = hidden_project.build_lake("one")
    lake["config"]["spare_token"] = make_canary("literal")
    hidden_project.write({"lake": lake})
    commit(project.folder, "before")
    refused = hidden_project.run("plan")
    assert (refused.exit, "error[literal-secret]" in refused.stderr) == (1, True)
    lake["config"]["spare_token"] = {"secret": "env:NEW"}
    hidden_project.write({"lake": lake})
    planned = hidden_project.run("plan", "--changed-since", "before")
    assert planned.exit == 0, planned.stderr
    assert "+ destination.lake" in planned.stdout
