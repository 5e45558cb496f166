"""S-45: what the catalogue does not know is hidden wherever something is written, and kept as a fingerprint only.

The values are canaries. That none of them is in an output, a file, a log or an event is what the fixture for all tests
looks for, in every disguise; these tests make the product write all that it writes.
"""

from __future__ import annotations

import json
import shlex
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest
from background import Background
from canaries import watch
from command_line import PATIENCE
from gate import gated
from git_folder import commit
from harness import Fivetran, Project, credentials, fivetran
from hidden_fields import OF_CLICK, OF_THE_LAKE, Hidden, canary, hidden_as, leaves, shapes
from shared_states import BRANCH, Upstream

from reconciler.emulator.behaviour import Behaviour
from reconciler.emulator.fault_text import parse_fault


@pytest.fixture
def hidden(project: Project, server: Fivetran) -> Hidden:
    """A project with hidden fields, of which nothing is applied."""
    return Hidden(project, server)


@pytest.fixture
def applied(hidden: Hidden) -> Hidden:
    """The same after an apply."""
    hidden.declare("one")
    hidden.apply()
    return hidden


@pytest.mark.parametrize("block", [False, True], ids=["flow", "block"])
def test_a_creation(block: bool, hidden: Hidden) -> None:
    hidden.block = block
    hidden.declare("one")
    created = hidden.planned()
    for address, fields in hidden_as("spec").items():
        assert {path: how for path, how in created[address].items() if path in fields} == fields
    hidden.look()
    text = hidden.run("plan").stdout
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in text.splitlines() if line.strip()}
    assert lines["config.zz_nested"] == "(hidden, not in the catalogue)"
    assert lines["config.http_path"] == "(hidden, below extra_config)"
    hidden.apply("--format", "json")
    lake, click = sorted(hidden.sent("POST"), key=len, reverse=True)
    assert {name: lake[name] for name in shapes("lake one")} == shapes("lake one")
    assert click["host"] == canary("host click one")
    hidden.look()
    assert hidden.is_settled()
    hidden.check_requests()


def test_an_update(applied: Hidden) -> None:
    applied.declare("two")
    assert applied.planned() == hidden_as("spec")
    assert "(hidden, not in the catalogue, changed)" in applied.run("plan").stdout
    applied.look()
    applied.apply("--format", "github")
    assert {name: applied.sent("PATCH")[-1][name] for name in shapes("click two")} in (
        shapes("click two"),
        shapes("lake two"),
    )
    applied.look()
    assert applied.is_settled()
    applied.check_requests()


def test_a_replacement(applied: Hidden) -> None:
    applied.declare("two", bucket="second")
    plan = applied.planned()
    assert plan["destination.lake"] == {
        **hidden_as("spec")["destination.lake"],
        "config.bucket": "clear spec",
    }
    applied.look()
    applied.apply("--target", "lake")
    applied.apply()
    applied.look()
    assert applied.is_settled()
    applied.check_requests()


def test_a_change_outside_the_specs(applied: Hidden) -> None:
    applied.change_outside("live")
    assert applied.planned() == hidden_as("drift")
    drift = applied.run("drift", "--detailed-exitcode")
    assert drift.exit == 2
    assert "(hidden, not in the catalogue, changed)   drift: changed outside the specs" in drift.stdout
    applied.look()
    applied.apply()
    assert applied.is_settled()
    applied.check_requests()


def test_a_change_on_both_sides(applied: Hidden) -> None:
    applied.change_outside("live")
    applied.declare("three")
    assert applied.planned() == hidden_as("conflict")
    applied.look()
    applied.apply()
    assert applied.is_settled()
    applied.check_requests()


def test_an_adoption(applied: Hidden) -> None:
    memory = applied.project.folder / "specs" / ".reconciler" / "state.json"
    memory.unlink()
    assert "Found at Fivetran as declared" in applied.run("plan").stdout
    applied.look()
    applied.apply()
    kept = json.loads(memory.read_text())["records"]["destination.lake"]
    assert set(shapes("lake one")) <= kept["fingerprints"]["config"].keys()
    assert set(shapes("lake one")).isdisjoint(kept["applied"]["config"])
    applied.change_outside("live")
    assert applied.planned() == hidden_as("drift"), "what was adopted is remembered"
    applied.check_requests()


@pytest.mark.parametrize("forget", [False, True])
def test_a_removal(forget: bool, applied: Hidden) -> None:
    applied.change_outside("live")
    gone = [
        {"group": key, "id": applied.id_of(key)} | ({"forget": True} if forget else {})
        for key in ("lake", "click")
    ]
    applied.write({}, gone)
    applied.look()
    document = applied.run("plan", "--format", "terraform-json").document
    [lake] = [each for each in document["resource_changes"] if each["address"] == "fivetran_destination.lake"]
    assert lake["change"]["before"]["config"]["zz_plain"] == "(sensitive value)"
    assert lake["change"]["before_sensitive"]["config"]["zz_plain"] is True
    applied.apply("--allow", "deletes=2", "--reason", "as agreed")
    applied.look()
    applied.check_requests()


def test_what_is_gone_and_is_made_again(applied: Hidden) -> None:
    applied.server.app.dashboard.remove("destination", applied.id_of("lake"))
    applied.look()
    recreate = ("--recreate", "destination.lake")
    assert applied.planned(*recreate)["destination.lake"]["config.zz_plain"] == "hidden spec"
    applied.apply(*recreate)
    assert applied.is_settled()
    applied.check_requests()


@pytest.mark.parametrize("status", [400, 409, 500])
@pytest.mark.parametrize("update", [False, True])
def test_a_call_that_fails_and_quotes_what_was_sent(status: int, update: bool, hidden: Hidden) -> None:
    hidden.declare("one")
    method, path = ("PATCH", "/v1/destinations/*") if update else ("POST", "/v1/destinations")
    if update:
        hidden.apply()
        hidden.declare("two")
    quoted = ", ".join(leaves(hidden.lake("two" if update else "one")))
    fault = f"{method} {path} times 20 status {status} {shlex.quote(f'message={quoted}')}"
    hidden.server.app.faults.add(parse_fault(fault))
    failed = hidden.apply("--target", "lake", code=6)  # what another request held is not known
    assert "••••••••" in failed.stdout
    hidden.look()
    hidden.server.app.faults.clear()
    hidden.project.time_passes()
    hidden.apply()
    assert hidden.is_settled()
    hidden.check_requests()


@pytest.mark.parametrize("fault", ["after-effect reset", "before-effect reset", "after-effect status 503"])
def test_an_answer_that_is_lost(fault: str, applied: Hidden) -> None:
    applied.server.app.faults.add(parse_fault(f"PATCH /v1/destinations/* times 20 {fault}"))
    applied.declare("two")
    applied.apply(code=6)
    applied.look()
    applied.server.app.faults.clear()
    applied.apply()
    assert applied.is_settled()
    applied.check_requests()


@pytest.mark.parametrize("update", [False, True])
def test_a_run_that_is_killed(update: bool, hidden: Hidden) -> None:
    hidden.declare("one")
    if update:
        hidden.apply()
        hidden.declare("two")
    writes = ("PATCH" if update else "POST", "/v1/destinations")

    def holds(method: str, path: str) -> bool:
        return method == writes[0] and path.startswith(writes[1])

    with (
        gated(hidden.server, holds) as (gate, url),
        Background("apply", "--auto-approve", directory=hidden.project.folder, **credentials(url)) as process,
    ):
        assert gate.reached.wait(PATIENCE)
        process.signal(signal.SIGKILL)
        process.end()
    assert (hidden.project.folder / "specs/.reconciler/state.json.journal").stat().st_size
    hidden.look()
    hidden.project.time_passes()
    hidden.apply()
    hidden.look()
    assert hidden.is_settled()
    hidden.check_requests()


def test_a_state_in_git_keeps_nothing_of_them(project: Project, server: Fivetran, tmp_path: Path) -> None:
    upstream = Upstream(tmp_path / "upstream.git")
    upstream.clone(project.folder)
    hidden = Hidden(project, server, f"state: git:origin/{BRANCH}\n")
    hidden.declare("one")
    hidden.apply()
    assert hidden.is_settled()
    hidden.change_outside("live")
    assert hidden.planned() == hidden_as("spec"), "without a key nobody knows who changed them"
    hidden.declare("two")
    hidden.apply()
    assert hidden.is_settled()
    hidden.look()
    record = json.loads(upstream.files()["state.json"])["records"]["destination.lake"]
    assert record["fingerprints"]["config"]["zz_plain"] == "hidden"
    watch().artefact("the branch of the state", upstream.everything())
    hidden.check_requests()


def test_a_plan_that_was_approved_and_stopped_part_way(applied: Hidden) -> None:
    applied.declare("two")
    digest = applied.run("plan", "--format", "json").document["digest"]
    applied.server.app.faults.add(parse_fault("PATCH /v1/destinations/* #1 status 400"))
    stopped = applied.run("apply", "--expect", digest, "--parallelism", "1")
    assert stopped.exit == 6
    assert json.loads((applied.project.folder / "specs/.reconciler/state.json").read_text())["reviewed"]
    resumed = applied.run("apply", "--expect", digest)
    assert resumed.exit == 0, resumed.stdout + resumed.stderr
    assert applied.is_settled()


def test_a_saved_plan_is_held_to_what_it_hides(applied: Hidden) -> None:
    applied.declare("two")
    assert applied.run("plan", "--out", "saved").exit == 0
    applied.declare("three")
    refused = applied.run("apply", "saved")
    assert refused.exit == 4
    assert "error[plan-spec-changed]" in refused.stderr
    for path in (*OF_THE_LAKE, *OF_CLICK):
        assert f"`{path}`" in refused.stderr
    applied.declare("two")
    assert applied.run("apply", "saved").exit == 0
    assert applied.is_settled()


@pytest.mark.parametrize(
    "rule",
    [
        "require: {config.zz_plain: 'canary of a policy'}",
        "require: {config.zz_nested.zz_inner.zz_deep: ['canary of a policy', 'vault:*']}",
        "forbid: {config.zz_plain: 'canary*'}",
        "forbid: {config.zz_absent: 'canary of a policy', config.zz_listed: 'canary*'}",
    ],
)
def test_a_policy_names_neither_their_values_nor_its_own(
    rule: str, project: Project, server: Fivetran
) -> None:
    watch().secret("a policy", "canary of a policy")
    hidden = Hidden(project, server, f"policies: [{rule}]\n")
    hidden.declare("one")
    assert hidden.run("plan").exit == 3
    hidden.look()


def test_a_reference_to_a_value_is_hidden_like_a_literal(project: Project, server: Fivetran) -> None:
    """Nobody knows what the API shows there, whatever the specs say about the declared value."""
    hidden = Hidden(project, server, environ={"NEW": "a-value-of-nobody"})
    watch().secret("the value", "a-value-of-nobody")
    lake = hidden.lake("one")
    lake["config"]["zz_plain"] = {"value": "env:NEW"}
    hidden.write({"lake": lake})
    hidden.apply()
    assert hidden.sent("POST")[0]["zz_plain"] == "a-value-of-nobody"
    assert hidden.is_settled()
    hidden.server.app.dashboard.change_destination(hidden.id_of("lake"), config={"zz_plain": canary("live")})
    assert hidden.planned() == {"destination.lake": {"config.zz_plain": "hidden drift"}}
    hidden.look()


def moved(applied: Hidden, options: Mapping[str, object]) -> None:
    applied.write({"pond": applied.lake("one"), "click": applied.click("one")})
    main = applied.project.folder / "specs" / "groups" / "main.yaml"
    content = json.loads(main.read_text())
    content["groups"]["pond"] |= options
    applied.project.write("specs/groups/main.yaml", json.dumps(content, ensure_ascii=False))


def test_another_key_changes_nothing_of_what_is_known(applied: Hidden) -> None:
    moved(applied, {"was": "lake", "name": "lake"})
    assert applied.is_settled()
    applied.apply()
    applied.change_outside("live")
    assert applied.planned()["destination.pond"] == hidden_as("drift")["destination.lake"]


OAUTH = {"OAUTH_CLIENT": "client-of-nobody", "OAUTH_SECRET": "secret-of-nobody", "SCOPE": "read:all"}


@pytest.fixture
def oauth(project: Project, server: Fivetran) -> Hidden:
    """A field that the catalogue does not describe, with references inside."""
    hidden = Hidden(project, server, environ=OAUTH)
    lake = hidden.lake("one")
    lake["extra_config"] = {
        "oauth": {
            "client": {"secret": "env:OAUTH_CLIENT"},
            "rows": [{"client_secret": {"secret": "env:OAUTH_SECRET"}, "scope": {"value": "env:SCOPE"}}],
            "kind": "zz",
        }
    }
    hidden.write({"lake": lake})
    return hidden


def sent_oauth(environ: Mapping[str, str]) -> object:
    row = {"client_secret": environ["OAUTH_SECRET"], "scope": environ["SCOPE"]}
    return {"client": environ["OAUTH_CLIENT"], "rows": [row], "kind": "zz"}


def test_references_inside_a_mapping_are_sent_as_their_values(oauth: Hidden) -> None:
    told = oauth.run("plan").stdout
    assert "(secret env:OAUTH_CLIENT, env:OAUTH_SECRET, env:SCOPE)" in told
    oauth.look()
    assert oauth.run("plan", "--secrets", "skip").exit == 0
    oauth.apply()
    assert oauth.sent("POST")[0]["oauth"] == sent_oauth(OAUTH)
    assert oauth.is_settled()
    oauth.environ = {**OAUTH, "OAUTH_SECRET": "rotated-of-nobody"}
    assert oauth.planned() == {"destination.lake": {"config.oauth": "secret spec"}}
    oauth.look()
    assert oauth.run("plan", "--out", "saved").exit == 0
    assert oauth.run("apply", "saved").exit == 0
    assert oauth.sent("PATCH") == [{"oauth": sent_oauth(oauth.environ)}]
    assert oauth.is_settled()
    oauth.check_requests()


def test_a_sandbox_makes_up_what_references_inside_a_mapping_stand_for(oauth: Hidden) -> None:
    oauth.environ = {}
    applied = oauth.project.run("apply", "--sandbox", "--auto-approve")
    assert applied.exit == 0, applied.stderr
    assert oauth.project.run("plan", "--sandbox", "--detailed-exitcode").exit == 0


def test_one_reference_inside_a_mapping_that_cannot_be_had_stops_the_plan(oauth: Hidden) -> None:
    oauth.environ = {name: value for name, value in OAUTH.items() if name != "OAUTH_SECRET"}
    refused = oauth.run("plan")
    assert refused.exit == 1
    assert "error[secret-unavailable]: `config.oauth` needs `env:OAUTH_SECRET`" in refused.stderr


@pytest.mark.parametrize("kept", ["with-key", "without-key"])
@pytest.mark.parametrize("shown", [True, False], ids=["echoed", "not-shown"])
def test_a_reference_takes_the_place_of_a_literal_and_gives_it_back(
    shown: bool, kept: str, project: Project
) -> None:
    """Whoever follows the advice of `literal-secret` with a new value has it sent, whatever is remembered."""
    behaviour = Behaviour(unknown_config="echoed" if shown else "dropped")
    with fivetran(behaviour=behaviour) as server:
        hidden = Hidden(project, server, environ={"NEW": "a-new-value-of-nobody"})
        lake = hidden.lake("one")
        hidden.write({"lake": lake})
        hidden.apply()
        if kept == "without-key":
            memory = project.folder / "specs/.reconciler/state.json"
            state = json.loads(memory.read_text())
            config = state["records"]["destination.lake"]["fingerprints"]["config"]
            config |= dict.fromkeys(config, "hidden")
            memory.write_text(json.dumps(state))
        lake["config"]["zz_plain"] = {"secret": "env:NEW"}
        hidden.write({"lake": lake})
        assert hidden.planned() == {"destination.lake": {"config.zz_plain": "secret spec"}}
        hidden.apply()
        assert hidden.sent("PATCH") == [{"zz_plain": "a-new-value-of-nobody"}]
        assert hidden.is_settled()
        lake["config"]["zz_plain"] = canary("plain again")
        hidden.write({"lake": lake})
        assert hidden.planned() == {"destination.lake": {"config.zz_plain": "hidden spec"}}
        hidden.apply()
        assert hidden.is_settled()


def test_a_hidden_literal_is_sent_again_for_the_asking(applied: Hidden) -> None:
    option = ("--resend-secret", "destination.lake:config.zz_plain")
    text = applied.run("plan", *option).stdout
    assert "config.zz_plain         (hidden, not in the catalogue, unchanged, sent anyway)" in text
    applied.apply(*option)
    assert applied.sent("PATCH") == [{"zz_plain": canary("plain lake one")}]
    applied.change_outside("live")
    lake = applied.planned()["destination.lake"]
    assert applied.run("plan", *option, "--detailed-exitcode").exit == 2
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
def test_no_excerpt_of_a_line_shows_them(
    change: dict[str, object], command: tuple[str, ...], code: str, hidden: Hidden
) -> None:
    """In flow style everything stands on one line."""
    hidden = Hidden(hidden.project, hidden.server, "protected: [lake]\n" if code == "protected" else "")
    lake = hidden.lake("one")
    hidden.write({"lake": lake})
    hidden.apply()
    for name, value in change.items():
        lake[name] = {**lake["config"], **value} if name == "config" and isinstance(value, dict) else value
    if code == "secret-unavailable":
        del lake["extra_config"]["http_path"]
    hidden.write({"lake": lake})
    refused = hidden.run(*command)
    assert f"error[{code}]" in refused.stderr
    assert "••••••••" in refused.stderr


@pytest.mark.parametrize("service", ["clickhouse", "brand_new_warehouse", "singlestore"])
def test_a_name_that_is_public_elsewhere_is_not_in_a_config_that_nobody_describes(
    service: str, hidden: Hidden
) -> None:
    click = {"service": service, "region": 5, "time_zone_offset": "0", "config": {"host": canary("host")}}
    hidden.write({"click": click})
    refused = hidden.run("validate")
    assert "error[wrong-type]" in refused.stderr
    assert "••••••••" in refused.stderr


def test_a_branch_that_takes_out_a_literal_can_be_planned(project: Project, server: Fivetran) -> None:
    """It is compared with a branch on which the literal was no error yet."""
    hidden = Hidden(project, server, environ={"NEW": "a-new-value-of-nobody"})
    lake = hidden.lake("one")
    lake["config"]["spare_token"] = canary("literal")
    hidden.write({"lake": lake})
    commit(project.folder, "before")
    refused = hidden.run("plan")
    assert (refused.exit, "error[literal-secret]" in refused.stderr) == (1, True)
    lake["config"]["spare_token"] = {"secret": "env:NEW"}
    hidden.write({"lake": lake})
    planned = hidden.run("plan", "--changed-since", "before")
    assert planned.exit == 0, planned.stderr
    assert "+ destination.lake" in planned.stdout
