"""`reconciler init`: credentials, the account, and the files of a new project."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from cli_harness import KEY, SECRET, EmulatedFivetran, Project, build_credentials, serve_fivetran
from command_line import TerminalProcess, run
from git_repo import run_git

from reconciler.emulator.fault_text import parse_fault
from reconciler.emulator.switches import Behaviour
from reconciler.operations.initialisation import AccountFacts, KeyKind, write_project
from reconciler.spec.nodes import to_plain
from reconciler.spec.source import parse

pytestmark = pytest.mark.sampled(every=4, tests=3)

QUESTION = 'Only "yes" is accepted: '
PROJECT = "specs/reconciler.yaml"
FILES = {".gitignore", PROJECT, "specs/.schema/project.json", "specs/.schema/spec.json"}
PIPELINES = {
    "github": {
        ".github/CODEOWNERS",
        ".github/workflows/apply.yaml",
        ".github/workflows/nightly.yaml",
        ".github/workflows/pull-request.yaml",
    },
    "gitlab": {".gitlab-ci.yml"},
    "atlantis": {"atlantis.yaml", "repos.yaml"},
}


@pytest.fixture
def empty(project: Project) -> Project:
    """An empty folder."""
    (project.folder / PROJECT).unlink()
    (project.folder / "specs").rmdir()
    return project


def read_files(folder: Path) -> dict[str, str]:
    """Read the files of a folder, without the account of a sandbox and without git's own."""
    names = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    return {
        name: (folder / name).read_text()
        for name in names
        if not name.startswith((".git/", "specs/.reconciler/"))
    }


def add_pair(server: EmulatedFivetran, name: str) -> None:
    identifier = server.app.dashboard.add_group(name)
    server.app.dashboard.add_destination(identifier, "snowflake", config={"database": "X"})


def test_a_project_is_written_for_the_account_of_the_credentials(
    empty: Project, server: EmulatedFivetran
) -> None:
    add_pair(server, "sales")
    server.app.dashboard.add_group("finance")
    result = empty.run_against(server, "init", "--yes")
    assert result.exit == 0, result.stderr
    identity = server.app.dashboard.identity
    [account, *_] = result.stdout.splitlines()
    assert account.startswith("account ")
    assert f"({identity.account_id}) · key of a user · 2 groups, 1 destination" in account
    assert read_files(empty.folder).keys() == FILES
    assert (empty.folder / PROJECT).read_text() == (
        "# yaml-language-server: $schema=.schema/project.json\n"
        "version: 1\n"
        f"account_id: {identity.account_id}\n"
        'specs: ["groups/*.yaml"]\n'
    )
    for name in FILES:
        assert f"wrote   {name}\n" in result.stdout
    assert "The account has 2 groups. Write specs for them; nothing at Fivetran changes:\n" in result.stdout
    assert "  reconciler import  writes an entry for each group\n" in result.stdout
    assert server.writes == []


def test_the_written_project_is_well_formed_and_adopts_an_existing_group(
    empty: Project, server: EmulatedFivetran
) -> None:
    server.app.dashboard.add_group("sales")
    assert empty.run_against(server, "init", "--yes").exit == 0
    example = empty.run("catalogue", "show", "snowflake", "--example").stdout
    empty.write("specs/groups/example.yaml", example)
    assert empty.run("validate").exit == 0
    empty.write_groups("  sales: {}\n", file="example")
    assert empty.run("fmt", "--check").exit == 0
    planned = empty.run_against(server, "plan")
    assert planned.exit == 0, planned.stderr
    assert "<- group.sales" in planned.stdout
    assert "No changes." in planned.stdout


def test_git_takes_the_written_files_alone(empty: Project) -> None:
    run_git(empty.folder, "init", "-q")
    assert empty.run("init", "--sandbox").exit == 0
    for secret in ("plan.json", ".env"):
        empty.write(secret, "")
    run_git(empty.folder, "add", "-A")
    staged = subprocess.run(
        ["git", "ls-files"], cwd=empty.folder, capture_output=True, text=True, check=True
    ).stdout
    assert set(staged.splitlines()) == FILES


def test_a_sandbox_needs_no_account_and_asks_nothing(empty: Project) -> None:
    result = empty.run("init", "--sandbox")
    assert (result.exit, result.stderr) == (0, "")
    assert "The account has no groups." in result.stdout
    assert "  reconciler plan --sandbox " in result.stdout
    assert "\naccount_id" not in (empty.folder / PROJECT).read_text()
    empty.write_groups("  sales: {}\n")
    assert empty.run("plan", "--sandbox").exit == 0


def test_a_new_folder_is_made_and_named_in_the_next_steps(empty: Project) -> None:
    result = empty.run("init", "a team/fivetran", "--sandbox")
    assert result.exit == 0
    assert f"wrote   a team/fivetran/{PROJECT}\n" in result.stdout
    assert "\n  cd 'a team/fivetran'\n" in result.stdout
    assert read_files(empty.folder / "a team/fivetran").keys() == FILES


@pytest.mark.parametrize("ci", PIPELINES)
def test_a_pipeline_is_written_with_a_shared_state(ci: str, empty: Project, server: EmulatedFivetran) -> None:
    run_git(empty.folder, "init", "-q")
    result = empty.run_against(server, "init", "--yes", "--ci", ci)
    assert result.exit == 0, result.stderr
    assert read_files(empty.folder).keys() == FILES | PIPELINES[ci]
    text = (empty.folder / PROJECT).read_text()
    assert "state: git:origin/fivetran-state\n" in text
    assert 'fingerprint_key: {secret: "env:FINGERPRINT_KEY"}\n' in text
    assert "`reconciler help pipelines`" in result.stdout
    empty.write_groups("  sales: {}\n")
    assert empty.run("validate", "--strict").exit == 0
    assert empty.run("fmt", "--check").exit == 0


def test_existing_files_are_named_and_left_alone(empty: Project, server: EmulatedFivetran) -> None:
    kept = {
        PROJECT: f"account_id: {server.account_id}\nversion: 1\nspecs: [all.yaml]\n",
        ".gitignore": "*.log\n",
        ".github/workflows/apply.yaml": "mine\n",
    }
    for name, text in kept.items():
        empty.write(name, text)
    result = empty.run_against(server, "init", "--yes", "--ci", "github")
    assert result.exit == 0, result.stderr
    for name, text in kept.items():
        assert f"exists  {name}, left as it is\n" in result.stdout
        assert (empty.folder / name).read_text() == text
    assert read_files(empty.folder).keys() == FILES | PIPELINES["github"]
    before = read_files(empty.folder)
    again = empty.run_against(server, "init", "--yes", "--ci", "github")
    assert again.exit == 0
    assert "wrote" not in again.stdout
    assert read_files(empty.folder) == before


def test_a_project_file_in_the_folder_itself_is_no_second_project(
    empty: Project, server: EmulatedFivetran
) -> None:
    empty.write("reconciler.yaml", "version: 1\nspecs: ['*.yaml']\n")
    result = empty.run_against(server, "init", "--yes")
    assert "exists  reconciler.yaml, left as it is\n" in result.stdout
    assert PROJECT not in read_files(empty.folder)


def test_a_run_after_a_failed_write_completes_the_project(empty: Project, server: EmulatedFivetran) -> None:
    obstacle = empty.write(".github", "a file in place of a folder")
    failed = empty.run_against(server, "init", "--yes", "--ci", "github")
    assert failed.exit == 1
    assert "error[file-unwritable]: cannot write `.github/CODEOWNERS`: " in failed.stderr
    assert "run `reconciler init` again" in failed.stderr
    assert read_files(empty.folder).keys() == FILES - {PROJECT} | {".github"}, "a project is complete"
    obstacle.unlink()
    assert empty.run_against(server, "init", "--yes", "--ci", "github").exit == 0
    assert read_files(empty.folder).keys() == FILES | PIPELINES["github"]


REFUSALS: Mapping[str, tuple[dict[str, str], str, str, list[str]]] = {
    # environment, fault, error code, parts of the message
    "no credentials": (
        {"FIVETRAN_APIKEY": "", "FIVETRAN_APISECRET": ""},
        "",
        "missing-credentials",
        ["`FIVETRAN_APIKEY` and `FIVETRAN_APISECRET` are not set", "made in Fivetran", "--sandbox"],
    ),
    "half of the credentials": (
        {"FIVETRAN_APISECRET": ""},
        "",
        "missing-credentials",
        ["`FIVETRAN_APISECRET` is not set"],
    ),
    "wrong credentials": (
        {"FIVETRAN_APISECRET": "another-secret"},
        "",
        "unauthorized",
        ["does not accept these credentials", "check `FIVETRAN_APIKEY`"],
    ),
    "no permission for the account": (
        {},
        "GET /v1/account/info status 403",
        "forbidden",
        ["GET http://", "/v1/account/info answered 403", "use a key whose role"],
    ),
    "no permission for groups": (
        {},
        "GET /v1/groups status 403",
        "forbidden",
        ["/v1/groups answered 403", "use a key whose role"],
    ),
    "no network": ({"FIVETRAN_API_URL": "http://127.0.0.1:1/v1"}, "", "unreachable", ["check the network"]),
}


@pytest.mark.sampled(every=2, tests=1)
@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_is_one_error_and_writes_nothing(
    case: str, empty: Project, server: EmulatedFivetran
) -> None:
    environ, fault, code, parts = REFUSALS[case]
    if fault:
        server.app.faults.add(parse_fault(fault))
    result = empty.run_against(server, "init", "--yes", "--ci", "github", environ=environ)
    assert result.exit == 1
    assert result.stderr.startswith(f"error[{code}]: ")
    assert result.stderr.count("error[") == 1
    assert [part for part in parts if part not in result.stderr] == []
    assert "Traceback" not in result.stderr
    assert (result.stdout, read_files(empty.folder)) == ("", {})


def test_an_existing_project_of_another_account_is_a_located_error(
    empty: Project, server: EmulatedFivetran
) -> None:
    empty.write(PROJECT, "version: 1\naccount_id: another_one\nspecs: [all.yaml]\n")
    result = empty.run_against(server, "init", "--yes")
    assert result.exit == 1
    assert "error[other-account]" in result.stderr
    assert f"  --> {PROJECT}:2:13\n" in result.stderr
    assert read_files(empty.folder).keys() == {PROJECT}
    assert empty.run("init", "--sandbox").exit == 0, "a sandbox has no account of its own"


def test_an_existing_project_with_an_error_is_a_located_error(
    empty: Project, server: EmulatedFivetran
) -> None:
    empty.write(PROJECT, "version: 1\nspcs: [all.yaml]\n")
    result = empty.run_against(server, "init", "--yes")
    assert result.exit == 1
    assert f"  --> {PROJECT}:2:1\n" in result.stderr
    assert read_files(empty.folder).keys() == {PROJECT}


MISUSES = [
    (("init", "some-file"), "`DIR`: directory `some-file` is a file", "`reconciler init --help`"),
    (("init", "--ci", "jenkins"), "`--ci`: `jenkins` is not one of", "`reconciler init --help`"),
    (("init", "below", "--ci", "github"), "this folder is below it", "`reconciler init . --ci …`"),
    (("init", "plain", "--ci", "gitlab"), "the project file is `plain/reconciler.yaml`", "copy a pipeline"),
]


@pytest.mark.sampled(every=2)
@pytest.mark.parametrize(("words", "problem", "advice"), MISUSES)
def test_wrong_usage_is_reported_before_any_request(
    words: tuple[str, ...], problem: str, advice: str, empty: Project, server: EmulatedFivetran
) -> None:
    """The folder is a repository with a file, a folder `below`, and a repository `plain` with a project file."""
    for name in (".git/x", "some-file", "below/x", "plain/.git/x", "plain/reconciler.yaml"):
        empty.write(name, "")
    before = read_files(empty.folder)
    result = empty.run_against(server, *words, "--yes")
    assert result.exit == 64
    assert problem in result.stderr
    assert advice in result.stderr
    assert server.calls == []
    assert read_files(empty.folder) == before


def test_without_a_terminal_the_account_is_not_taken_unseen(tmp_path: Path, server: EmulatedFivetran) -> None:
    done = run("init", directory=tmp_path, stdin="yes\n", **build_credentials(server.url))
    assert done.code == 64
    assert done.err.startswith("error[no-terminal]: init asks whether the account is the right one")
    assert "add `--yes`" in done.err
    assert (server.calls, read_files(tmp_path)) == ([], {})


@pytest.mark.parametrize(
    ("answer", "code", "last"),
    [
        ("yes\n", 0, "shows what apply would change"),
        ("no\n", 1, "key of the right account."),
        ("y\n", 1, "key of the right account."),
        ("\x04", 1, "key of the right account."),
    ],
)
def test_the_answer_at_a_terminal_decides(
    answer: str, code: int, last: str, tmp_path: Path, server: EmulatedFivetran
) -> None:
    with TerminalProcess("init", directory=tmp_path, **build_credentials(server.url)) as terminal:
        terminal.wait_for(QUESTION)
        assert f"({server.account_id})" in terminal.text
        assert "Is this the account of your specs?\r\n" in terminal.text
        assert read_files(tmp_path) == {}
        terminal.type(answer)
        assert terminal.wait_for_exit() == code
        assert " ".join(terminal.text.split()).endswith(last)
    assert read_files(tmp_path).keys() == (FILES if code == 0 else set())
    assert server.writes == []


def test_ctrl_c_at_the_question_writes_nothing(tmp_path: Path, server: EmulatedFivetran) -> None:
    with TerminalProcess("init", directory=tmp_path, **build_credentials(server.url)) as terminal:
        terminal.wait_for(QUESTION)
        terminal.signal(signal.SIGINT)
        assert terminal.wait_for_exit() == 130
        assert terminal.text.endswith(f"{QUESTION}\r\nInterrupted before anything was changed.\r\n")
    assert read_files(tmp_path) == {}


@pytest.mark.sampled(every=2)
@pytest.mark.parametrize("account_id", ["intently_yarn", "true", "123", "1e3", "null", "0x10", "a-b", "0_1"])
def test_the_id_of_any_account_is_written_as_text(account_id: str, tmp_path: Path) -> None:
    from reconciler.cli.context import make_settings

    facts = AccountFacts(account_id, "", KeyKind.UNKNOWN, 0, 0)
    write_project(make_settings(tmp_path / PROJECT), tmp_path, facts, None)
    text = (tmp_path / PROJECT).read_text()
    assert to_plain(parse(text, PROJECT))["account_id"] == account_id
    assert ('"' in text.splitlines()[2]) == ("_" not in account_id or account_id == "0_1")


def test_the_key_of_a_system_is_named(empty: Project) -> None:
    with serve_fivetran(behaviour=Behaviour(key_kind="system")) as server:
        result = empty.run_against(server, "init", "--yes")
    assert " · system key · 0 groups, 0 destinations\n" in result.stdout


def test_neither_output_nor_files_repeat_the_key(empty: Project, server: EmulatedFivetran) -> None:
    result = empty.run_against(server, "init", "--yes")
    texts = result.stdout + result.stderr + "".join(read_files(empty.folder).values())
    assert [each for each in (KEY, SECRET) if each in texts] == []
