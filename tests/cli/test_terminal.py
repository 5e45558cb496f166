"""Terminal sessions: prompts, live progress, Ctrl-C."""

from __future__ import annotations

import shlex
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cli_harness import EmulatedFivetran, build_credentials
from command_line import COMMAND, PROCESS_TIMEOUT, TerminalProcess, run

from reconciler.emulator.serve import serve_in_thread

pytestmark = pytest.mark.sampled(every=6, tests=3)

QUESTION = 'Only "yes" is accepted: '
PROJECT = "version: 1\nspecs: ['groups/*.yaml']\n"
ENTRIES = "version: 1\ngroups:\n  first: {}\n  second: {}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project of two groups without an account id."""
    (tmp_path / "specs/groups").mkdir(parents=True)
    (tmp_path / "specs/reconciler.yaml").write_text(PROJECT)
    (tmp_path / "specs/groups/main.yaml").write_text(ENTRIES)
    return tmp_path


@dataclass
class BlockingServer:
    """A server that holds every write until the test releases it."""

    app: Any
    reached: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "GET":
            self.reached.set()
            assert self.opened.wait(PROCESS_TIMEOUT)
        answer: Iterable[bytes] = self.app(environ, start_response)
        return answer


@pytest.fixture
def blocking_server(server: EmulatedFivetran) -> Iterator[tuple[BlockingServer, str]]:
    """A blocking server before the account of `server`, with its address."""
    blocking_server = BlockingServer(server.app)
    with serve_in_thread(blocking_server) as url:
        yield blocking_server, url
        blocking_server.opened.set()


def test_the_answer_yes_applies_the_plan(folder: Path) -> None:
    with TerminalProcess("apply", "--sandbox", directory=folder) as terminal:
        terminal.wait_for(QUESTION)
        assert "Plan: 2 to add, 0 to change, 0 to destroy." in terminal.output
        terminal.type("yes\n")
        assert terminal.wait_for_exit() == 0
        assert "Applied: 2 created in " in terminal.text
        assert "Checked: a new plan is empty." in terminal.text
        assert run("plan", "--sandbox", "--detailed-exitcode", directory=folder).code == 0


@pytest.mark.parametrize("file", ["out", "err"])
def test_an_invisible_plan_is_refused_without_a_prompt(file: str, folder: Path) -> None:
    number = {"out": "", "err": "2"}[file]
    command = f"{shlex.join(COMMAND)} apply --sandbox {number}> redirected"
    with TerminalProcess(directory=folder, command=["sh", "-c", command]) as terminal:
        assert terminal.wait_for_exit() == 64
        assert "error[no-terminal]" in terminal.output + (folder / "redirected").read_text()


LAKE = """\
version: 1
groups:
  lake:
    name: Data lake
    destination:
      service: managed_data_lake
      region: AWS_US_EAST_1
      time_zone_offset: "0"
      config: {storage_provider: AWS, bucket: BUCKET, prefix_path: a, region: us-east-1,
        fivetran_role_arn: "arn:aws:iam::123456789012:role/lake"}
      lifecycle: {allow_replace: true}
"""


@dataclass
class DestructiveProject:
    """A folder whose specs delete or replace existing objects: pairs of other projects, and a data lake."""

    folder: Path
    server: EmulatedFivetran
    ids: dict[str, str] = field(default_factory=dict)

    def declare(self, removed: str, *, replaced: bool) -> None:
        dashboard = self.server.app.dashboard
        (self.folder / "specs/reconciler.yaml").write_text(
            f"{PROJECT}limits: {{deletes: 9, replacements: 9}}\n"
        )
        lines = ""
        for name in removed:
            self.ids[name] = dashboard.add_group(f"{name} prod")
            dashboard.add_destination(self.ids[name], "snowflake", config={"database": "X"})
            lines += f"  - {{group: {name}, id: {self.ids[name]}, name: {name} prod}}\n"
        if replaced:
            self.ids["lake"] = dashboard.add_group("Data lake")
            dashboard.add_destination(
                self.ids["lake"], "managed_data_lake", config={"storage_provider": "AWS", "bucket": "first"}
            )
        bucket = LAKE.replace("BUCKET", "second") if replaced else "version: 1\ngroups:\n  new: {}\n"
        specs = bucket + (f"removed:\n{lines}" if lines else "")
        (self.folder / "specs/groups/main.yaml").write_text(specs)

    def apply_with_answer(self, answer: str, *options: str) -> tuple[int, str]:
        """Apply with this answer at the prompt; return the exit code and the prompt on one line."""
        environ = build_credentials(self.server.url)
        with TerminalProcess("apply", *options, directory=self.folder, **environ) as terminal:
            terminal.wait_for(" to go on: ")
            terminal.type(answer)
            code = terminal.wait_for_exit()
            return code, " ".join(terminal.text.partition("Apply these changes")[2].split())


@pytest.fixture
def destructive_project(folder: Path, server: EmulatedFivetran) -> DestructiveProject:
    return DestructiveProject(folder, server)


@pytest.mark.long
def test_the_removal_of_one_entry_prompts_for_its_key(destructive_project: DestructiveProject) -> None:
    """A group and its destination count as one entry."""
    destructive_project.declare("a", replaced=False)
    id = destructive_project.ids["a"]
    for answer in ("yes\n", "1\n", "A\n", "\n", "\x04"):
        code, question = destructive_project.apply_with_answer(answer)
        assert code == 1
        assert (
            f'? This deletes group.a ("a prod", id {id}) and its destination (snowflake). Type its key, a,'
            in question
        )
        assert destructive_project.server.writes == []
    assert destructive_project.apply_with_answer("a\n")[0] == 0
    assert f"DELETE /v1/groups/{id}" in destructive_project.server.writes


def test_the_replacement_of_one_entry_prompts_for_its_key(destructive_project: DestructiveProject) -> None:
    destructive_project.declare("", replaced=True)
    code, question = destructive_project.apply_with_answer("yes\n")
    assert (code, destructive_project.server.writes) == (1, [])
    shown = f'This replaces destination.lake ("Data lake", id {destructive_project.ids["lake"]}, managed_data_lake).'
    assert f"{shown} Type its key, lake, to go on:" in question
    destructive_project.apply_with_answer("lake\n")
    assert (
        destructive_project.server.writes[0] == f"DELETE /v1/destinations/{destructive_project.ids['lake']}"
    )


@pytest.mark.long
def test_the_removal_of_several_entries_prompts_for_their_number(
    destructive_project: DestructiveProject,
) -> None:
    destructive_project.declare("ab", replaced=True)
    for answer in ("yes\n", "a\n", "5\n", "2\n"):
        code, question = destructive_project.apply_with_answer(answer)
        assert (code, destructive_project.server.writes) == (1, [])
    assert "This deletes 2 and replaces 1 entries: " in question
    assert all(
        each in question
        for each in ('"a prod"', '"b prod"', '"Data lake"', *destructive_project.ids.values())
    )
    assert "Type their number, 3, to go on:" in question
    destructive_project.apply_with_answer("3\n")
    assert len([call for call in destructive_project.server.writes if call.startswith("DELETE")]) == 5


def test_an_approved_plan_prompts_for_its_account_only(destructive_project: DestructiveProject) -> None:
    destructive_project.declare("a", replaced=False)
    environ = build_credentials(destructive_project.server.url)
    with TerminalProcess(
        "apply", "--auto-approve", directory=destructive_project.folder, **environ
    ) as terminal:
        terminal.wait_for(QUESTION)
        terminal.type("yes\n")
        assert terminal.wait_for_exit() == 0


@pytest.mark.parametrize("answer", ["no\n", "y\n", "YES\n", "\n", "\x04"])
def test_every_answer_but_yes_applies_nothing(answer: str, folder: Path) -> None:
    with TerminalProcess("apply", "--sandbox", directory=folder) as terminal:
        terminal.wait_for(QUESTION)
        terminal.type(answer)
        assert terminal.wait_for_exit() == 1
        assert "\r\nNothing was applied.\r\n" in terminal.output, "on a line of its own"
        assert run("plan", "--sandbox", "--detailed-exitcode", directory=folder).code == 2


def test_ctrl_c_at_the_prompt_sends_nothing(folder: Path, server: EmulatedFivetran) -> None:
    with TerminalProcess("apply", directory=folder, **build_credentials(server.url)) as terminal:
        terminal.wait_for(QUESTION)
        terminal.signal(signal.SIGINT)
        assert terminal.wait_for_exit() == 130
        assert terminal.text.endswith(f"{QUESTION}\r\nInterrupted before anything was changed.\r\n")
        assert server.writes == []


def test_the_prompt_names_an_account_missing_in_the_project(folder: Path, server: EmulatedFivetran) -> None:
    account = server.app.dashboard.identity
    with TerminalProcess(
        "apply", "--auto-approve", directory=folder, **build_credentials(server.url)
    ) as terminal:
        terminal.wait_for(QUESTION)
        assert f"({account.account_id})?\r\n{QUESTION}" in terminal.output
        terminal.type("no\n")
        assert terminal.wait_for_exit() == 1
        assert server.writes == []


def test_without_a_terminal_an_unconfirmed_account_is_refused_before_any_request(
    folder: Path, server: EmulatedFivetran
) -> None:
    done = run("apply", "--auto-approve", directory=folder, **build_credentials(server.url))
    assert done.code == 3
    assert "error[account-unconfirmed]" in done.err
    assert "account_id:" in done.err
    assert server.calls == []


def test_without_a_terminal_and_without_approval_no_request_is_sent(
    folder: Path, server: EmulatedFivetran
) -> None:
    done = run("apply", directory=folder, stdin="yes\n", **build_credentials(server.url))
    assert done.code == 64
    assert done.err.startswith("error[no-terminal]: ")
    assert server.calls == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_first_signal_lets_requests_in_flight_finish(
    number: int, folder: Path, server: EmulatedFivetran, blocking_server: tuple[BlockingServer, str]
) -> None:
    held, url = blocking_server
    with _start_apply(folder, server, url) as terminal:
        assert held.reached.wait(PROCESS_TIMEOUT)
        terminal.signal(number)
        terminal.wait_for("calls in flight have a few seconds to end")
        held.opened.set()
        assert terminal.wait_for_exit() == 6
        assert server.writes == ["POST /v1/groups"]
        assert "Applied: 1 created in " in terminal.text
        assert "Not applied: 1 cancelled." in terminal.text


def test_a_second_signal_exits_at_once(
    folder: Path, server: EmulatedFivetran, blocking_server: tuple[BlockingServer, str]
) -> None:
    held, url = blocking_server
    with _start_apply(folder, server, url) as terminal:
        assert held.reached.wait(PROCESS_TIMEOUT)
        terminal.signal(signal.SIGINT)
        terminal.wait_for("Ctrl-C again stops at once.")
        terminal.signal(signal.SIGINT)
        assert terminal.wait_for_exit() == 6
        assert "Stopped at once" in terminal.output
        assert terminal.output.count("\x1b[?25l") == terminal.output.count("\x1b[?25h"), "the cursor is back"


def _start_apply(folder: Path, server: EmulatedFivetran, url: str) -> TerminalProcess:
    """Start an apply at a terminal and answer yes."""
    identity = server.app.dashboard.identity.account_id
    (folder / "specs/reconciler.yaml").write_text(f"{PROJECT}account_id: {identity}\n")
    return TerminalProcess(
        "apply", "--auto-approve", "--parallelism", "1", directory=folder, **build_credentials(url)
    )


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [(["--no-color"], {}), ([], {"NO_COLOR": "1"}), ([], {"TERM": "dumb"})],
)
def test_colours_can_be_switched_off(arguments: list[str], environ: dict[str, str], folder: Path) -> None:
    with TerminalProcess("plan", "--sandbox", "-q", *arguments, directory=folder, **environ) as terminal:
        assert terminal.wait_for_exit() == 0
        assert "\x1b" not in terminal.output


def test_a_terminal_gets_colours_and_a_pipe_does_not(folder: Path) -> None:
    with TerminalProcess("plan", "--sandbox", directory=folder) as terminal:
        assert terminal.wait_for_exit() == 0
        assert "\x1b[32m+ \x1b[0m" in terminal.output
        assert "\x1b" not in run("plan", "--sandbox", directory=folder).out


def test_a_full_disk_is_reported_and_apply_continues(folder: Path, server: EmulatedFivetran) -> None:
    (folder / "specs/reconciler.yaml").write_text(
        f"{PROJECT}account_id: {server.app.dashboard.identity.account_id}\n"
    )
    done = run(
        "apply",
        "--auto-approve",
        directory=folder,
        stdout_file=Path("/dev/full"),
        **build_credentials(server.url),
    )
    assert done.code == 1
    assert "error[output-lost]" in done.err
    assert server.writes == ["POST /v1/groups", "POST /v1/groups"]
