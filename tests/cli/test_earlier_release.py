"""What the release before wrote: read, told of, never printed, and rid of values that are hidden now."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cli_harness import CommandResult, EmulatedFivetran, Project
from fake_clock import HastyClock
from git_repo import run_git
from hidden_fields import READ_COMMANDS, HiddenFieldsProject, build_unknown_fields, expect_hidden, make_canary
from remote_backends import BRANCH, BareRepository
from secret_leak_detector import allow_values, get_detector

from reconciler.model.record import HIDDEN_LITERAL
from reconciler.report.formats import Document, list_formats

FILES = Path(__file__).parents[1] / "earlier_release"
ABOUT = {name: json.loads((FILES / name / "about.json").read_text()) for name in ("hidden", "public")}
ORDERS = {
    "service": "snowflake",
    "region": "AWS_US_EAST_1",
    "time_zone_offset": "0",
    "config": {
        "host": "h.example",
        "database": "ORDERS",
        "auth": "PASSWORD",
        "user": "LOADER",
        "password": {"secret": "env:PASSWORD"},
    },
}


def planted(hidden: HiddenFieldsProject, name: str, destinations: dict[str, Any]) -> HiddenFieldsProject:
    """The account as it was then, with these destinations."""
    for key, block in destinations.items():
        id = hidden.server.app.dashboard.add_group(key, ABOUT[name]["ids"][key])
        extra = block.get("extra_config", {})
        hidden.server.app.dashboard.add_destination(
            id, block["service"], region=block["region"], config={**block["config"], **extra}
        )
    return hidden


def put(hidden: HiddenFieldsProject, source: Path, to: str) -> Path:
    """A file of that release in the project. It is looked into as soon as anything else is in it."""
    file = hidden.project.folder / to
    file.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, file)
    get_detector().add_written_file(file, source.read_text())
    return file


@pytest.fixture
def earlier(project: Project, server: EmulatedFivetran) -> HiddenFieldsProject:
    """A project with the state of that release, and specs that say what is in effect."""
    assert server.account_id == ABOUT["hidden"]["account"]
    hidden = HiddenFieldsProject(project, server)
    planted(hidden, "hidden", {"lake": hidden.build_lake("one"), "click": hidden.build_clickhouse("one")})
    for name in ("state.json", "state.json.journal", "state.json.key"):
        put(hidden, FILES / "hidden" / name, f"specs/.reconciler/{name}")
    hidden.declare("one")
    make_canary("plain lake two")  # the plan that the state remembers is about these
    build_unknown_fields("lake two"), build_unknown_fields("click two")
    return hidden


def state(hidden: HiddenFieldsProject) -> dict[str, Any]:
    folder = hidden.project.folder / "specs" / ".reconciler"
    content: dict[str, Any] = json.loads((folder / "state.json").read_text())
    return content


def warned(result: CommandResult, code: str) -> int:
    return result.stderr.count(f"warning[{code}]")


def test_a_command_that_only_reads_says_what_the_state_holds(earlier: HiddenFieldsProject) -> None:
    before = state(earlier)
    for arguments in READ_COMMANDS:
        result = earlier.run(*arguments)
        assert result.exit != 70, (arguments, result.stderr)
        assert warned(result, "state-cleaned") == 0
        if arguments[0] in {"plan", "drift", "graph", "state"} and "warning" in result.stderr:
            assert warned(result, "values-in-state") == 1, arguments
    told = earlier.run("plan").stderr
    assert "destination.lake (`config.http_path`, `config.zz_extra`, `config.zz_listed`" in told
    assert "destination.click (`config.host`" in told
    for command in (("plan",), ("drift",), ("state", "list"), ("state", "show", "lake")):
        document = earlier.run(*command, "--format", "json").document
        assert "values-in-state" in [each["code"] for each in document["warnings"]]
    assert state(earlier) == before


def test_an_apply_cleans_the_state_and_says_so_once(earlier: HiddenFieldsProject) -> None:
    assert earlier.is_converged(), "what it remembers is still known"
    cleaned = earlier.apply()
    assert warned(cleaned, "state-cleaned") == 1
    assert warned(cleaned, "values-in-state") == 0
    assert "destination.lake (`config.http_path`, `config.zz_extra`" in cleaned.stderr
    assert "a git branch, a versioned bucket and backups keep earlier versions of the state" in cleaned.stderr
    assert "canary" not in json.dumps(state(earlier))
    again = earlier.apply()
    assert warned(again, "state-cleaned") + warned(earlier.run("plan"), "values-in-state") == 0
    earlier.change_live("live")
    assert earlier.list_planned_fields() == expect_hidden("drift")


@pytest.mark.parametrize("words", ["one", "two"])
def test_a_fingerprint_stands_for_what_was_in_clear(words: str, earlier: HiddenFieldsProject) -> None:
    """Before and after the state is written, with and without a change of the specs."""
    earlier.change_live("live")
    earlier.declare(words)
    origin = "drift" if words == "one" else "conflict"
    assert earlier.list_planned_fields() == expect_hidden(origin)
    earlier.apply()
    assert earlier.is_converged()


def test_without_a_key_nothing_is_kept_and_nothing_changes(earlier: HiddenFieldsProject) -> None:
    (earlier.project.folder / "specs/.reconciler/state.json.key").unlink()
    assert earlier.is_converged()
    move = earlier.run("state", "move", "lake", "pond")
    assert (move.exit, warned(move, "state-cleaned")) == (0, 1)
    kept = state(earlier)["records"]["destination.pond"]
    assert set(kept["fingerprints"]["config"].values()) == {HIDDEN_LITERAL}
    assert earlier.run("state", "move", "pond", "lake").exit == 0
    assert earlier.is_converged()


def test_a_correction_by_hand_cleans_it_too(earlier: HiddenFieldsProject) -> None:
    forgotten = earlier.run("state", "forget", "click", "--auto-approve", "--format", "json")
    assert [each["code"] for each in forgotten.document["warnings"]] == ["state-cleaned"]
    assert "canary" not in json.dumps(state(earlier))
    earlier.apply()
    assert earlier.is_converged()


def test_where_the_specs_are_of_no_use_the_catalogue_is(earlier: HiddenFieldsProject) -> None:
    """Values of fields that it describes are then shown, also where they stood below `extra_config`."""
    allow_values(earlier.build_lake("one")["extra_config"]["http_path"])
    earlier.project.write("specs/groups/main.yaml", "version: 1\ngroups: [\n")
    shown = earlier.run("state", "show", "lake")
    assert (shown.exit, warned(shown, "values-in-state")) == (0, 1)
    earlier.declare("one")
    earlier.apply()


def test_an_apply_that_is_refused_leaves_the_state_as_it_is(earlier: HiddenFieldsProject) -> None:
    before = state(earlier)
    earlier.write({}, [{"group": key, "id": earlier.find_id(key)} for key in ("lake", "click")])
    refused = earlier.run("apply", "--auto-approve")
    assert (refused.exit, warned(refused, "state-cleaned")) == (3, 0)
    assert state(earlier) == before


def test_a_plan_that_was_approved_then_is_resumed(earlier: HiddenFieldsProject) -> None:
    earlier.declare("two")
    resumed = earlier.run("apply", "--expect", ABOUT["hidden"]["digest"])
    assert resumed.exit == 0, resumed.stdout + resumed.stderr
    assert earlier.list_sent_configs("PATCH")[0].keys() >= build_unknown_fields("click two").keys()
    assert warned(resumed, "state-cleaned") == 1
    assert earlier.is_converged()


def test_a_plan_that_was_approved_then_is_refused_where_a_hidden_value_was_edited(
    earlier: HiddenFieldsProject,
) -> None:
    earlier.declare("three")
    refused = earlier.run("apply", "--expect", ABOUT["hidden"]["digest"])
    assert refused.exit == 4
    assert "error[plan-spec-changed]" in refused.stderr


def test_states_that_were_rescued_are_cleaned(earlier: HiddenFieldsProject) -> None:
    folder = earlier.project.folder / "specs" / ".reconciler"
    rescued = put(earlier, FILES / "hidden" / "state.json", "specs/.reconciler/state.json.rescued-3")
    stuck = put(earlier, FILES / "hidden" / "state.json", "specs/.reconciler/state.json.rescued-4")
    foreign = folder / "state.json.rescued-5"
    foreign.write_text("no state")
    (folder / f".{stuck.name}.{os.getpid()}.new").mkdir()  # so that it cannot be written
    cleaned = earlier.apply()
    assert "canary" not in rescued.read_text()
    assert json.loads(rescued.read_text())["lineage"] == state(earlier)["lineage"]
    assert f"{stuck.name}` holds such values too, and could not be written: delete it" in cleaned.stderr
    assert foreign.read_text() == "no state"


def test_a_state_in_git(project: Project, server: EmulatedFivetran, tmp_path: Path) -> None:
    upstream = BareRepository(tmp_path / "upstream.git")
    upstream.clone(project.folder)
    branch = tmp_path.with_name(f"{tmp_path.name}-of-the-state")  # nothing that the product makes
    run_git(tmp_path, "clone", "-q", str(upstream.path), str(branch))
    run_git(branch, "checkout", "-q", "--orphan", BRANCH)
    run_git(branch, "rm", "-q", "-rf", ".")
    shutil.copy(FILES / "hidden" / "state.json", branch / "state.json")
    run_git(branch, "add", "state.json")
    run_git(branch, "commit", "-q", "-m", "the state of the release before")
    run_git(branch, "push", "-q", "origin", BRANCH)
    hidden = HiddenFieldsProject(project, server, f"state: git:origin/{BRANCH}\n")
    planted(hidden, "hidden", {"lake": hidden.build_lake("one"), "click": hidden.build_clickhouse("one")})
    hidden.declare("one")
    assert warned(hidden.run("plan"), "values-in-state") == 1
    assert warned(hidden.apply(), "state-cleaned") == 1
    kept = upstream.read_files()["state.json"]
    assert "canary" not in kept
    assert (
        json.loads(kept)["records"]["destination.lake"]["fingerprints"]["config"]["zz_plain"]
        == HIDDEN_LITERAL
    )
    assert warned(hidden.run("plan"), "values-in-state") == 0
    assert hidden.is_converged()


@pytest.fixture
def at_that_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans are valid for a week."""
    plan = json.loads((FILES / "hidden" / "plan.json").read_text())["content"]
    made = datetime.fromisoformat(plan["created_at"])
    monkeypatch.setattr(HastyClock, "ahead", made + timedelta(hours=1) - datetime.now(UTC))


@pytest.mark.parametrize("form", list_formats(Document.PLAN))
def test_a_saved_plan_is_shown_without_its_values(form: str, earlier: HiddenFieldsProject) -> None:
    put(earlier, FILES / "hidden" / "plan.json", "plan.json")
    shown = earlier.run("show", "plan.json", "--format", form)
    assert shown.exit == 0, shown.stderr
    if form == "text":
        assert "(hidden, not in the catalogue, changed)" in shown.stdout
        assert "(hidden, below extra_config, changed)" in shown.stdout


@pytest.mark.usefixtures("at_that_time")
def test_a_saved_plan_is_carried_out_or_refused_for_the_right_reason(earlier: HiddenFieldsProject) -> None:
    put(earlier, FILES / "hidden" / "plan.json", "plan.json")
    earlier.declare("three")
    refused = earlier.run("apply", "plan.json")
    assert (refused.exit, "error[plan-spec-changed]" in refused.stderr) == (4, True), refused.stderr
    earlier.declare("two")
    done = earlier.run("apply", "plan.json")
    assert done.exit == 0, done.stdout + done.stderr
    assert earlier.is_converged()


@pytest.mark.usefixtures("at_that_time")
def test_a_plan_without_hidden_values_means_what_it_meant(project: Project, server: EmulatedFivetran) -> None:
    """Its digest and its effects are those of today, also with a secret."""
    hidden = HiddenFieldsProject(project, server, environ={"PASSWORD": "password-of-orders"})
    lake = hidden.build_lake("one")
    del lake["extra_config"]
    lake["config"] = {name: value for name, value in lake["config"].items() if not name.startswith("zz")}
    planted(hidden, "public", {"lake": lake})
    for name in ("state.json", "state.json.key"):
        put(hidden, FILES / "public" / name, f"specs/.reconciler/{name}")
    put(hidden, FILES / "public" / "plan.json", "plan.json")
    lake["time_zone_offset"] = "+2"
    lake["config"]["port"] = 443
    hidden.write({"lake": lake, "orders": ORDERS})
    assert hidden.run("plan", "--format", "json").document["digest"] == ABOUT["public"]["digest"]
    done = hidden.run("apply", "plan.json")
    assert done.exit == 0, done.stdout + done.stderr
    assert warned(done, "state-cleaned") == 0
    assert hidden.is_converged()
