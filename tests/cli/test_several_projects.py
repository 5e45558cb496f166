"""Plans and drift of several projects: each as by itself, and one table with one exit code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest
from applied_project import PAIR, get_error_code
from cli_harness import CommandResult, EmulatedFivetran, Project
from git_repo import run_git
from secret_leak_detector import allow_values

from reconciler.cli.context import CommandContext, make_settings
from reconciler.cli.exit import ExitCode, get_worst_exit_code
from reconciler.cli.output import OutputOptions
from reconciler.cli.projects import OnPlan, choose_columns, run_projects
from reconciler.report.formats import Document, list_formats
from reconciler.workspace.project_search import find_all_projects

pytestmark = pytest.mark.sampled(every=6, tests=3)

EU, US, BROKEN = "eu/reconciler.yaml", "us/reconciler.yaml", "broken/reconciler.yaml"


class Projects:
    """Projects `eu` and `us` of one account with a pair each, and `broken`, whose project file is wrong."""

    def __init__(self, project: Project, server: EmulatedFivetran) -> None:
        self.project, self.server = project, server
        (project.folder / "specs/reconciler.yaml").unlink()
        for name in ("eu", "us"):
            self.declare(name)
        project.write(BROKEN, "version: 1\nspecs: ['none.yaml']\nlimts: {}\n")

    def declare(self, name: str, keys: tuple[str, ...] = (), settings: str = "") -> None:
        """Write a project with a pair of its own name, and more pairs."""
        head = f"version: 1\naccount_id: {self.server.account_id}\nspecs: ['main.yaml']\n"
        self.project.write(f"{name}/reconciler.yaml", head + settings)
        pairs = "".join(PAIR.format(key=key) for key in (name, *keys))
        self.project.write(f"{name}/main.yaml", f"version: 1\ngroups:\n{pairs}")

    def run(self, *arguments: str, environ: Mapping[str, str] | None = None) -> CommandResult:
        return self.project.run_against(self.server, *arguments, environ=environ)

    def run_each(self, command: str, *options: str) -> CommandResult:
        """Run a command over `eu`, `broken` and `us`."""
        words = [word for name in (EU, BROKEN, US) for word in ("--project", name)]
        return self.run(command, *words, *options)

    def apply(self, name: str) -> None:
        result = self.run("apply", "--auto-approve", "--project", name)
        assert result.exit == 0, result.stderr


@pytest.fixture
def projects(project: Project, server: EmulatedFivetran) -> Projects:
    return Projects(project, server)


def read_table(result: CommandResult) -> dict[str, list[str]]:
    """Read the table at the end of the output: the cells by the first word of their row."""
    rows = [line.split() for line in result.stdout.rpartition("\n\n")[2].splitlines()]
    return {row[0]: row[1:] for row in rows}


def test_each_project_has_its_plan_and_a_row(projects: Projects) -> None:
    result = projects.run_each("plan")
    assert result.exit == 1  # the worst of 0, 1 and 0
    headings = [line for line in result.stdout.splitlines() if line.startswith("Project ")]
    assert headings == [f"Project {name}" for name in (EU, BROKEN, US)]
    assert read_table(result) == {
        "add": ["change", "destroy", "refused", "failed"],
        EU: ["2", "0", "0", "0", "0"],
        BROKEN: ["-", "-", "-", "-", "1"],
        US: ["2", "0", "0", "0", "0"],
        "3": ["projects", "4", "0", "0", "0", "1"],
    }
    assert "did you mean `limits`?" in result.stderr


def test_the_plan_of_a_project_is_its_plan_alone(projects: Projects) -> None:
    projects.apply(EU)
    for options in ((), ("--verbose",), ("--drift-only",)):
        alone = projects.run("plan", "--project", US, *options).stdout
        several = projects.run_each("plan", *options).stdout
        part = several.partition(f"Project {US}\n")[2]
        assert strip_times(part).startswith(strip_times(alone))


def strip_times(text: str) -> str:
    """Strip the seconds that a plan took."""
    lines = [line.partition(" · read ")[0] for line in text.splitlines()]
    return "\n".join(lines)


def test_one_document_has_the_documents_of_all_projects(projects: Projects) -> None:
    document = projects.run_each("plan", "--format", "json").document
    assert (document["format"], document["exit"]) == (1, {"code": 1, "reason": "failed"})
    eu, broken, us = document["projects"]
    assert [each["project"] for each in (eu, broken, us)] == [EU, BROKEN, US]
    alone = projects.run("plan", "--project", US, "--format", "json").document
    assert us.pop("totals") == {"add": 2, "change": 0, "destroy": 0, "refused": 0, "failed": 0}
    assert us.pop("project") == US
    times = {"seconds": 0, "format": 1, "tool": alone["tool"]}
    assert {**us, **times} == {**alone, **times}
    assert broken["diagnostics"][0]["code"] == "unknown-key"
    assert broken["totals"] == {"add": None, "change": None, "destroy": None, "refused": None, "failed": 1}
    assert broken["exit"] == {"code": 1, "reason": "failed"}


def test_drift_has_a_table_of_its_own(projects: Projects) -> None:
    projects.apply(EU)
    projects.apply(US)
    dashboard = projects.server.app.dashboard
    [id] = dashboard.find_group_ids("us")
    dashboard.change_destination(id, time_zone_offset="+3")
    result = projects.run("drift", "--project", EU, "--project", US, "--detailed-exitcode")
    assert result.exit == 2
    table = read_table(result)
    assert table["changed"] == ["gone", "refused", "failed"]
    assert (table[EU], table[US]) == (["0", "0", "0", "0"], ["1", "0", "0", "0"])
    assert read_table(projects.run("plan", "--drift-only", "--project", EU, "--project", US)) == table


def test_a_refused_plan_counts_its_blockers(projects: Projects) -> None:
    projects.declare("us", settings="policies: [{allowed-regions: [AWS_US_EAST_1]}]\n")
    result = projects.run("plan", "--project", EU, "--project", US)
    assert result.exit == 3
    assert read_table(result)[US] == ["2", "0", "0", "1", "0"]


def test_projects_know_no_secrets_of_each_other(projects: Projects) -> None:
    """A redacted value would change the digest of a plan."""
    allow_values("GCP_US_EAST4")
    projects.apply(US)
    main = projects.project.folder / "us/main.yaml"
    projects.project.write("us/main.yaml", main.read_text().replace("GCP_US_EAST4", "AWS_US_EAST_1"))
    alone = projects.run("plan", "--project", US, "--format", "json").document["digest"]
    projects.project.write(
        "eu/main.yaml",
        "version: 1\ngroups:\n  eu:\n    destination:\n      service: big_query\n      time_zone_offset: '0'\n"
        "      config: {project_id: acme, data_set_location: US, secret_key: {secret: 'env:EU_KEY'}}\n",
    )
    document = projects.run(
        "plan", "--project", EU, "--project", US, "--format", "json", environ={"EU_KEY": "GCP_US_EAST4"}
    ).document
    assert document["projects"][1]["digest"] == alone


def test_all_finds_every_project_of_the_repository(projects: Projects) -> None:
    run_git(projects.project.folder, "init", "-q")
    inside = projects.project.enter("eu")
    result = inside.run_against(projects.server, "plan", "--all")
    assert result.exit == 1
    assert list(read_table(result))[1:-1] == [f"../{BROKEN}", "reconciler.yaml", f"../{US}"]


def test_all_has_a_table_for_a_single_project_too(projects: Projects) -> None:
    result = projects.project.enter("eu").run_against(projects.server, "plan", "--all")
    assert result.exit == 0
    assert read_table(result)["1"] == ["project", "2", "0", "0", "0", "0"]


def test_the_variable_has_one_project_and_all_wins(projects: Projects) -> None:
    environ = {"RECONCILER_PROJECT": f"{EU}{os.pathsep}{US}"}
    assert projects.run("plan", environ=environ).exit == 1  # there is no such file
    alone = projects.run("plan", environ={"RECONCILER_PROJECT": US})
    assert (alone.exit, "Project " in alone.stdout) == (0, False)
    assert len(read_table(projects.run("plan", "--all", environ={"RECONCILER_PROJECT": US}))) == 5


def test_a_project_named_twice_is_one_project(projects: Projects) -> None:
    twice = projects.run("plan", "--project", EU, "--project", f"./{EU}")
    assert twice.exit == 0
    assert "Project " not in twice.stdout


@pytest.mark.parametrize("form", sorted({*list_formats(Document.PLAN)} - {"text", "json"}))
def test_a_format_for_one_project_is_wrong_usage(projects: Projects, form: str) -> None:
    result = projects.run_each("plan", "--format", form)
    assert (result.exit, get_error_code(result)) == (64, "wrong-usage")
    assert projects.server.calls == []


@pytest.mark.parametrize(
    "options",
    [
        ("plan", "--project", EU, "--project", US, "--out", "plan.json"),
        ("plan", "--all", "--project", EU),
        ("apply", "--project", EU, "--project", US),
        ("validate", "--project", EU, "--project", US),
        ("state", "list", "--project", EU, "--project", US),
    ],
    ids=" ".join,
)
def test_what_is_about_one_project_is_wrong_usage_for_several(
    projects: Projects, options: tuple[str, ...]
) -> None:
    result = projects.run(*options)
    assert (result.exit, get_error_code(result)) == (64, "wrong-usage")
    assert projects.server.calls == []


def test_all_without_a_project_is_wrong_usage(project: Project) -> None:
    (project.folder / "specs/reconciler.yaml").unlink()
    assert get_error_code(project.run("plan", "--all")) == "wrong-usage"


def test_several_projects_are_planned_against_one_snapshot(projects: Projects) -> None:
    projects.apply(EU)
    assert projects.run("snapshot", "--project", EU, "--out", "account.yaml").exit == 0
    result = projects.project.run("plan", "--against", "account.yaml", "--project", EU, "--project", US)
    assert result.exit == 0
    assert (read_table(result)[EU][0], read_table(result)[US][0]) == ("0", "2")


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_interrupt_ends_the_run_and_a_bug_does_not(form: str, capfd: pytest.CaptureFixture[str]) -> None:
    def work(context: CommandContext, on_plan: OnPlan) -> ExitCode:
        match context.settings.project.name:
            case "bug":
                raise ZeroDivisionError
            case "interrupt":
                raise KeyboardInterrupt
        context.print_document(ExitCode.OK, {})
        return ExitCode.OK

    projects = [Path("bug"), Path("good"), Path("interrupt"), Path("never")]
    settings, columns = make_settings(projects[0]), choose_columns(is_drift=False)
    code = run_projects(projects, settings, OutputOptions(), form, work=work, columns=columns)
    assert code is ExitCode.INTERRUPTED
    output = capfd.readouterr().out
    assert "never" not in output
    assert all(path.name in output for path in projects[:3])


def test_the_worst_exit_code_is_the_exit_code_of_all() -> None:
    order = [0, 2, 7, 3, 4, 5, 6, 64, 1, 70, 130]
    assert sorted(order) == sorted(map(int, ExitCode))
    for better, worse in pairwise(order):
        assert get_worst_exit_code([ExitCode(worse), ExitCode(better)]) == worse


def test_project_files_are_found_below_a_folder(tmp_path: Path) -> None:
    names = ["reconciler.yaml", "specs/reconciler.yaml", "a/b/reconciler.yaml", "z/reconciler.yaml"]
    left_out = [
        ".hidden/reconciler.yaml",
        "node_modules/x/reconciler.yaml",
        "sub/.git/config",
        "sub/reconciler.yaml",
        "a/other.yaml",
    ]
    for name in (*names, *left_out):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to("a")
    found = [str(path) for path in find_all_projects(tmp_path)]
    assert found == ["a/b/reconciler.yaml", "reconciler.yaml", "specs/reconciler.yaml", "z/reconciler.yaml"]
