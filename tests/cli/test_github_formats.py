"""`--format github`: the summary of a step and its outputs, for plans, saved plans, failures and validation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cli_harness import CommandResult, EmulatedFivetran, Project

from reconciler.cli.context import CommandContext, make_settings, run_command
from reconciler.cli.exit import ExitCode
from reconciler.cli.output import OutputOptions
from reconciler.emulator.setup_tests import SetupTest
from reconciler.report.github import MAX_SUMMARY_BYTES

pytestmark = pytest.mark.sampled(every=6, tests=3)

ENTRY = """\
  orders:
    destination:
      service: big_query
      region: GCP_US_EAST4
      time_zone_offset: "0"
      config: {project_id: acme, data_set_location: US, secret_key: {secret: "env:THE_KEY"}}
"""
WRONG = ENTRY.replace("big_query", "big_qery")
KEYS = {"THE_KEY": "key-for-the-warehouse", "GITHUB_WORKSPACE": ""}


class Step:
    """A step of a GitHub job, with the files of its summary and outputs."""

    def __init__(self, project: Project, folder: Path) -> None:
        self.project = project
        self.summary_file, self.output_file = folder / "summary.md", folder / "outputs"
        self.environ = {
            **KEYS,
            "GITHUB_STEP_SUMMARY": str(self.summary_file),
            "GITHUB_OUTPUT": str(self.output_file),
        }

    def run(self, server: EmulatedFivetran, *arguments: str) -> CommandResult:
        return self.project.run_against(server, *arguments, "--format", "github", environ=self.environ)

    @property
    def summary(self) -> str:
        return self.summary_file.read_text()

    @property
    def outputs(self) -> dict[str, str]:
        """Read the outputs as the runner does: the last line of a name wins."""
        return dict(line.split("=", 1) for line in self.output_file.read_text().splitlines())


@pytest.fixture
def step(project: Project, server: EmulatedFivetran, tmp_path_factory: pytest.TempPathFactory) -> Step:
    project.write(
        "specs/reconciler.yaml", f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\n"
    )
    project.write_groups(ENTRY)
    return Step(project, tmp_path_factory.mktemp("job"))


def test_a_plan_writes_its_comment_and_step_outputs(step: Step, server: EmulatedFivetran) -> None:
    result = step.run(server, "plan", "--detailed-exitcode")
    assert result.exit == 2
    assert "Plan: 2 to add, 0 to change, 0 to destroy." in result.stdout
    digest = step.outputs["digest"]
    assert len(digest) == 64
    assert step.outputs == {
        "digest": digest,
        "has-changes": "true",
        "refused": "false",
        "add": "2",
        "change": "0",
        "destroy": "0",
        "exit-code": "2",
        "reason": "changes",
    }
    assert step.summary.splitlines()[1] == (
        "## Needs approval: 2 to do · Plan: 2 to add, 0 to change, 0 to destroy."
    )
    assert digest in step.summary


def test_github_files_are_appended_to(step: Step, server: EmulatedFivetran) -> None:
    step.summary_file.write_text("before\n")
    step.output_file.write_text("other=1\n")
    step.run(server, "plan")
    step.run(server, "plan")
    assert step.summary.startswith("before\n")
    assert step.summary.count("· Plan: 2 to add") == 2
    assert step.outputs["other"] == "1"


def test_a_saved_plan_writes_the_same_outputs(step: Step, server: EmulatedFivetran) -> None:
    assert step.run(server, "plan", "--out", "plan.json").exit == 0
    made, comment = step.outputs, step.summary
    step.output_file.unlink()
    step.summary_file.unlink()
    result = step.project.run("show", "plan.json", "--format", "github", environ=step.environ)
    assert result.exit == 0
    assert (step.outputs, step.summary) == (made, comment)


def test_a_refused_plan_writes_its_outputs(step: Step, server: EmulatedFivetran) -> None:
    other = server.app.dashboard.add_group("old")
    server.app.dashboard.add_connection(other, "salesforce", "crm")
    step.project.write(
        "specs/groups/main.yaml",
        f"version: 1\ngroups:\n{ENTRY}removed:\n  - {{group: old, id: {other}, name: old}}\n",
    )
    result = step.run(server, "plan")
    assert result.exit == 3
    assert "::error file=specs/groups/main.yaml" in result.stdout
    assert (step.outputs["refused"], step.outputs["has-changes"]) == ("true", "true")
    assert (step.outputs["exit-code"], step.outputs["reason"]) == ("3", "refused")
    assert "**Apply refuses this plan:**" in step.summary


def test_a_failure_writes_its_cause_and_overrides_outputs_of_an_earlier_plan(
    step: Step, server: EmulatedFivetran
) -> None:
    step.run(server, "plan")
    step.project.write_groups(WRONG)
    result = step.run(server, "plan")
    assert result.exit == 1
    assert "::error file=specs/groups/main.yaml,line=5" in result.stdout
    assert step.outputs == {
        "digest": "",
        "has-changes": "",
        "refused": "false",
        "add": "",
        "change": "",
        "destroy": "",
        "exit-code": "1",
        "reason": "failed",
    }
    assert "## No plan: 1 error" in step.summary
    assert "error[unknown-service]" in step.summary


@pytest.mark.parametrize(
    ("work", "code", "reason"),
    [("bug", "70", "bug"), ("interrupt", "130", "interrupted")],
)
def test_every_end_of_a_command_sets_the_outputs(
    work: str, code: str, reason: str, step: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(session: CommandContext) -> ExitCode:
        raise KeyboardInterrupt if work == "interrupt" else ValueError("hidden")

    for name, value in step.environ.items():
        monkeypatch.setenv(name, value)
    settings = make_settings(Path("specs/reconciler.yaml"), sandbox=True)
    assert run_command(settings, OutputOptions(no_color=True), "github", fail) == int(code)
    assert (step.outputs["exit-code"], step.outputs["reason"]) == (code, reason)
    assert step.outputs["has-changes"] == ""
    assert "## No plan: 1 error" in step.summary


def test_an_apply_writes_its_results(step: Step, server: EmulatedFivetran) -> None:
    result = step.run(server, "apply", "--auto-approve")
    assert result.exit == 0
    assert "## Applied\n" in step.summary
    assert "+ group.orders" in step.summary
    assert "Applied: 2 created" in step.summary
    assert (step.outputs["add"], step.outputs["exit-code"], step.outputs["reason"]) == ("2", "0", "ok")
    again = step.run(server, "apply", "--auto-approve")
    assert again.exit == 0
    assert step.outputs["has-changes"] == "false"
    assert "## No changes." in step.summary


def test_a_partly_failed_apply_writes_its_failures(step: Step, server: EmulatedFivetran) -> None:
    failure = SetupTest("Permission Test", "FAILED", "no access")
    server.app.dashboard.script_setup_tests(group_name="orders", finally_always=[failure])
    result = step.run(server, "apply", "--auto-approve")
    assert result.exit == 6
    assert "::error file=specs/groups/main.yaml,line=4,col=5,title=setup-tests-failed::" in result.stdout
    assert "## Not everything was applied" in step.summary
    assert (step.outputs["exit-code"], step.outputs["reason"]) == ("6", "incomplete")


def test_an_apply_that_cannot_start_writes_its_cause(step: Step, server: EmulatedFivetran) -> None:
    step.project.write_groups(WRONG)
    assert step.run(server, "apply", "--auto-approve").exit == 1
    assert "## Not applied: 1 error" in step.summary
    assert step.outputs["has-changes"] == ""


def test_validate_writes_its_findings(step: Step) -> None:
    right = step.project.run("validate", "--format", "github", environ=step.environ)
    assert right.exit == 0
    assert "## Valid: 1 group, 1 destination in 1 file." in step.summary
    assert step.outputs == {"refused": "false", "exit-code": "0", "reason": "ok"}
    step.project.write_groups(WRONG)
    wrong = step.project.run("validate", "--format", "github", environ=step.environ)
    assert wrong.exit == 1
    assert "## Not valid: 1 error" in step.summary
    assert step.outputs["exit-code"] == "1"


def test_validate_writes_warnings_into_the_summary(step: Step) -> None:
    step.project.write_groups(ENTRY.replace("big_query", "panoply"))
    assert step.project.run("validate", "--format", "github", environ=step.environ).exit == 0
    assert "warning[legacy-service]" in step.summary


def test_a_drift_report_writes_no_summary(step: Step, server: EmulatedFivetran) -> None:
    result = step.run(server, "plan", "--drift-only")
    assert result.exit == 0
    assert step.outputs["has-changes"] == "false"
    assert step.outputs["digest"] == ""
    assert not step.summary_file.exists()


@pytest.mark.parametrize("form", ["text", "json", "markdown", "sarif"])
def test_other_formats_write_no_github_files(form: str, step: Step, server: EmulatedFivetran) -> None:
    step.project.run_against(server, "plan", "--format", form, environ=step.environ)
    assert not step.summary_file.exists()
    assert not step.output_file.exists()


def test_github_format_without_a_runner_writes_no_files(step: Step, server: EmulatedFivetran) -> None:
    result = step.project.run_against(server, "plan", "--format", "github", environ=KEYS)
    assert result.exit == 0
    assert "job-file" not in result.stderr


def use_missing_folder(step: Step) -> None:
    step.environ["GITHUB_STEP_SUMMARY"] = str(step.summary_file / "below" / "nothing")


def use_folder_as_file(step: Step) -> None:
    step.summary_file.mkdir()


def fill_summary(step: Step) -> None:
    step.summary_file.write_bytes(b"x" * (MAX_SUMMARY_BYTES - 500))


@pytest.mark.parametrize("spoil", [use_missing_folder, use_folder_as_file, fill_summary])
def test_an_unwritable_summary_is_one_warning_and_no_failure(
    spoil: Callable[[Step], None], step: Step, server: EmulatedFivetran
) -> None:
    spoil(step)
    result = step.run(server, "plan")
    assert result.exit == 0
    assert result.stderr.count("warning[job-file-unwritable]") == 1
    assert "GITHUB_STEP_SUMMARY" in result.stderr
    assert step.outputs["add"] == "2"


def test_unwritable_outputs_are_one_warning(step: Step, server: EmulatedFivetran) -> None:
    step.output_file.mkdir()
    result = step.run(server, "plan")
    assert result.exit == 0
    assert "nothing was added to the file that `GITHUB_OUTPUT` names" in result.stderr
    assert "## Needs approval: 2 to do · Plan:" in step.summary


@pytest.mark.parametrize("taken", [0, MAX_SUMMARY_BYTES - 2_000])
def test_the_summary_stays_within_the_size_limit_of_a_step(
    taken: int, step: Step, server: EmulatedFivetran
) -> None:
    """Two thousand entries fit into an empty summary, but not beside its present content."""
    entry = ENTRY.replace(" config: {project_id: acme", " config: {project_id: " + "a" * 60)
    many = 900 if taken == 0 else 20
    step.project.write_groups("".join(entry.replace("orders", f"orders_{number}") for number in range(many)))
    step.summary_file.write_bytes(b"x" * taken)
    assert step.run(server, "plan", "-q").exit == 0
    size = step.summary_file.stat().st_size
    assert size <= MAX_SUMMARY_BYTES
    is_whole = "It is not valid for approval" not in step.summary
    assert is_whole is (taken == 0)
    assert size > 60_000
