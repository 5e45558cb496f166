"""Files of an earlier release: read, reported, and redacted of values that are hidden now."""

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

pytestmark = pytest.mark.sampled(every=6, tests=2)

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


def create_destinations(
    hidden: HiddenFieldsProject, name: str, destinations: dict[str, Any]
) -> HiddenFieldsProject:
    """Create the destinations of that time in the account."""
    for key, block in destinations.items():
        id = hidden.server.app.dashboard.add_group(key, ABOUT[name]["ids"][key])
        extra = block.get("extra_config", {})
        hidden.server.app.dashboard.add_destination(
            id, block["service"], region=block["region"], config={**block["config"], **extra}
        )
    return hidden


def copy_into_project(hidden: HiddenFieldsProject, source: Path, to: str) -> Path:
    """Copy a file of that release into the project. The leak detector searches it after its first change."""
    file = hidden.project.folder / to
    file.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, file)
    get_detector().add_written_file(file, source.read_text())
    return file


@pytest.fixture
def earlier_project(project: Project, server: EmulatedFivetran) -> HiddenFieldsProject:
    """A project with the state of that release, and specs equal to the account."""
    assert server.account_id == ABOUT["hidden"]["account"]
    hidden = HiddenFieldsProject(project, server)
    create_destinations(
        hidden, "hidden", {"lake": hidden.build_lake("one"), "click": hidden.build_clickhouse("one")}
    )
    for name in ("state.json", "state.json.journal", "state.json.key"):
        copy_into_project(hidden, FILES / "hidden" / name, f"specs/.reconciler/{name}")
    hidden.declare("one")
    make_canary("plain lake two")  # the plan that the state remembers is about these
    build_unknown_fields("lake two"), build_unknown_fields("click two")
    return hidden


def read_state(hidden: HiddenFieldsProject) -> dict[str, Any]:
    folder = hidden.project.folder / "specs" / ".reconciler"
    content: dict[str, Any] = json.loads((folder / "state.json").read_text())
    return content


def count_warnings(result: CommandResult, code: str) -> int:
    return result.stderr.count(f"warning[{code}]")


def test_a_reading_command_reports_plain_values_in_the_state(earlier_project: HiddenFieldsProject) -> None:
    before = read_state(earlier_project)
    for arguments in READ_COMMANDS:
        result = earlier_project.run(*arguments)
        assert result.exit != 70, (arguments, result.stderr)
        assert count_warnings(result, "state-cleaned") == 0
        if arguments[0] in {"plan", "drift", "graph", "state"} and "warning" in result.stderr:
            assert count_warnings(result, "values-in-state") == 1, arguments
    printed = earlier_project.run("plan").stderr
    assert "destination.lake (`config.http_path`, `config.zz_extra`, `config.zz_listed`" in printed
    assert "destination.click (`config.host`" in printed
    for command in (("plan",), ("drift",), ("state", "list"), ("state", "show", "lake")):
        document = earlier_project.run(*command, "--format", "json").document
        assert "values-in-state" in [each["code"] for each in document["warnings"]]
    assert read_state(earlier_project) == before


def test_an_apply_redacts_the_state_and_reports_it_once(earlier_project: HiddenFieldsProject) -> None:
    assert earlier_project.is_converged(), "what it remembers is still known"
    cleaned = earlier_project.apply()
    assert count_warnings(cleaned, "state-cleaned") == 1
    assert count_warnings(cleaned, "values-in-state") == 0
    assert "destination.lake (`config.http_path`, `config.zz_extra`" in cleaned.stderr
    assert "a git branch, a versioned bucket and backups keep earlier versions of the state" in cleaned.stderr
    assert "canary" not in json.dumps(read_state(earlier_project))
    again = earlier_project.apply()
    assert (
        count_warnings(again, "state-cleaned")
        + count_warnings(earlier_project.run("plan"), "values-in-state")
        == 0
    )
    earlier_project.change_live("live")
    assert earlier_project.list_planned_fields() == expect_hidden("drift")


@pytest.mark.parametrize("words", ["one", "two"])
def test_a_fingerprint_replaces_a_plain_value(words: str, earlier_project: HiddenFieldsProject) -> None:
    """Holds before and after the state is written, with and without a change of the specs."""
    earlier_project.change_live("live")
    earlier_project.declare(words)
    origin = "drift" if words == "one" else "conflict"
    assert earlier_project.list_planned_fields() == expect_hidden(origin)
    earlier_project.apply()
    assert earlier_project.is_converged()


def test_without_a_key_no_fingerprint_is_stored_and_no_change_planned(
    earlier_project: HiddenFieldsProject,
) -> None:
    (earlier_project.project.folder / "specs/.reconciler/state.json.key").unlink()
    assert earlier_project.is_converged()
    move = earlier_project.run("state", "move", "lake", "pond")
    assert (move.exit, count_warnings(move, "state-cleaned")) == (0, 1)
    kept = read_state(earlier_project)["records"]["destination.pond"]
    assert set(kept["fingerprints"]["config"].values()) == {HIDDEN_LITERAL}
    assert earlier_project.run("state", "move", "pond", "lake").exit == 0
    assert earlier_project.is_converged()


def test_a_state_command_redacts_the_state(earlier_project: HiddenFieldsProject) -> None:
    forgotten = earlier_project.run("state", "forget", "click", "--auto-approve", "--format", "json")
    assert [each["code"] for each in forgotten.document["warnings"]] == ["state-cleaned"]
    assert "canary" not in json.dumps(read_state(earlier_project))
    earlier_project.apply()
    assert earlier_project.is_converged()


def test_the_catalogue_decides_visibility_if_specs_are_invalid(earlier_project: HiddenFieldsProject) -> None:
    """Values of fields known to the catalogue are shown, also if they were declared below `extra_config`."""
    allow_values(earlier_project.build_lake("one")["extra_config"]["http_path"])
    earlier_project.project.write("specs/groups/main.yaml", "version: 1\ngroups: [\n")
    shown = earlier_project.run("state", "show", "lake")
    assert (shown.exit, count_warnings(shown, "values-in-state")) == (0, 1)
    earlier_project.declare("one")
    earlier_project.apply()


def test_a_refused_apply_leaves_the_state_unchanged(earlier_project: HiddenFieldsProject) -> None:
    before = read_state(earlier_project)
    earlier_project.write(
        {}, [{"group": key, "id": earlier_project.find_id(key)} for key in ("lake", "click")]
    )
    refused = earlier_project.run("apply", "--auto-approve")
    assert (refused.exit, count_warnings(refused, "state-cleaned")) == (3, 0)
    assert read_state(earlier_project) == before


def test_a_plan_approved_under_the_earlier_release_is_resumed(earlier_project: HiddenFieldsProject) -> None:
    earlier_project.declare("two")
    resumed = earlier_project.run("apply", "--expect", ABOUT["hidden"]["digest"])
    assert resumed.exit == 0, resumed.stdout + resumed.stderr
    assert earlier_project.list_sent_configs("PATCH")[0].keys() >= build_unknown_fields("click two").keys()
    assert count_warnings(resumed, "state-cleaned") == 1
    assert earlier_project.is_converged()


def test_a_plan_approved_under_the_earlier_release_is_refused_after_an_edit_of_a_hidden_value(
    earlier_project: HiddenFieldsProject,
) -> None:
    earlier_project.declare("three")
    refused = earlier_project.run("apply", "--expect", ABOUT["hidden"]["digest"])
    assert refused.exit == 4
    assert "error[plan-spec-changed]" in refused.stderr


def test_backups_of_the_state_are_redacted(earlier_project: HiddenFieldsProject) -> None:
    folder = earlier_project.project.folder / "specs" / ".reconciler"
    rescued = copy_into_project(
        earlier_project, FILES / "hidden" / "state.json", "specs/.reconciler/state.json.rescued-3"
    )
    stuck = copy_into_project(
        earlier_project, FILES / "hidden" / "state.json", "specs/.reconciler/state.json.rescued-4"
    )
    foreign = folder / "state.json.rescued-5"
    foreign.write_text("no state")
    (folder / f".{stuck.name}.{os.getpid()}.new").mkdir()  # so that it cannot be written
    cleaned = earlier_project.apply()
    assert "canary" not in rescued.read_text()
    assert json.loads(rescued.read_text())["lineage"] == read_state(earlier_project)["lineage"]
    assert f"{stuck.name}` holds such values too, and could not be written: delete it" in cleaned.stderr
    assert foreign.read_text() == "no state"


def test_a_state_in_git_is_redacted(project: Project, server: EmulatedFivetran, tmp_path: Path) -> None:
    upstream = BareRepository(tmp_path / "upstream.git")
    upstream.clone(project.folder)
    branch = tmp_path.with_name(f"{tmp_path.name}-of-the-state")  # no file of the product
    run_git(tmp_path, "clone", "-q", str(upstream.path), str(branch))
    run_git(branch, "checkout", "-q", "--orphan", BRANCH)
    run_git(branch, "rm", "-q", "-rf", ".")
    shutil.copy(FILES / "hidden" / "state.json", branch / "state.json")
    run_git(branch, "add", "state.json")
    run_git(branch, "commit", "-q", "-m", "the state of the release before")
    run_git(branch, "push", "-q", "origin", BRANCH)
    hidden = HiddenFieldsProject(project, server, f"state: git:origin/{BRANCH}\n")
    create_destinations(
        hidden, "hidden", {"lake": hidden.build_lake("one"), "click": hidden.build_clickhouse("one")}
    )
    hidden.declare("one")
    assert count_warnings(hidden.run("plan"), "values-in-state") == 1
    assert count_warnings(hidden.apply(), "state-cleaned") == 1
    kept = upstream.read_files()["state.json"]
    assert "canary" not in kept
    assert (
        json.loads(kept)["records"]["destination.lake"]["fingerprints"]["config"]["zz_plain"]
        == HIDDEN_LITERAL
    )
    assert count_warnings(hidden.run("plan"), "values-in-state") == 0
    assert hidden.is_converged()


@pytest.fixture
def unexpired_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the clock to the day of the saved plan: plans are valid for a week."""
    plan = json.loads((FILES / "hidden" / "plan.json").read_text())["content"]
    made = datetime.fromisoformat(plan["created_at"])
    monkeypatch.setattr(HastyClock, "ahead", made + timedelta(hours=1) - datetime.now(UTC))


@pytest.mark.parametrize("form", list_formats(Document.PLAN))
def test_a_saved_plan_is_shown_without_hidden_values(form: str, earlier_project: HiddenFieldsProject) -> None:
    copy_into_project(earlier_project, FILES / "hidden" / "plan.json", "plan.json")
    shown = earlier_project.run("show", "plan.json", "--format", form)
    assert shown.exit == 0, shown.stderr
    if form == "text":
        assert "(hidden, not in the catalogue, changed)" in shown.stdout
        assert "(hidden, below extra_config, changed)" in shown.stdout


@pytest.mark.usefixtures("unexpired_plan")
def test_a_saved_plan_is_applied_or_refused_with_the_right_code(earlier_project: HiddenFieldsProject) -> None:
    copy_into_project(earlier_project, FILES / "hidden" / "plan.json", "plan.json")
    earlier_project.declare("three")
    refused = earlier_project.run("apply", "plan.json")
    assert (refused.exit, "error[plan-spec-changed]" in refused.stderr) == (4, True), refused.stderr
    earlier_project.declare("two")
    done = earlier_project.run("apply", "plan.json")
    assert done.exit == 0, done.stdout + done.stderr
    assert earlier_project.is_converged()


@pytest.mark.usefixtures("unexpired_plan")
def test_a_plan_without_hidden_values_keeps_its_digest(project: Project, server: EmulatedFivetran) -> None:
    """Its digest and its effects equal those of this release, also with a secret."""
    hidden = HiddenFieldsProject(project, server, environ={"PASSWORD": "password-of-orders"})
    lake = hidden.build_lake("one")
    del lake["extra_config"]
    lake["config"] = {name: value for name, value in lake["config"].items() if not name.startswith("zz")}
    create_destinations(hidden, "public", {"lake": lake})
    for name in ("state.json", "state.json.key"):
        copy_into_project(hidden, FILES / "public" / name, f"specs/.reconciler/{name}")
    copy_into_project(hidden, FILES / "public" / "plan.json", "plan.json")
    lake["time_zone_offset"] = "+2"
    lake["config"]["port"] = 443
    hidden.write({"lake": lake, "orders": ORDERS})
    assert hidden.run("plan", "--format", "json").document["digest"] == ABOUT["public"]["digest"]
    done = hidden.run("apply", "plan.json")
    assert done.exit == 0, done.stdout + done.stderr
    assert count_warnings(done, "state-cleaned") == 0
    assert hidden.is_converged()
