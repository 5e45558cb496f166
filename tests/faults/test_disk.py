"""S-10, S-11 and S-16 on real disks: full ones, vanishing ones, and output that does not get through.

Nothing is replaced here: limits are set on the real process, and files are taken away, while a write waits.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from background_process import BackgroundProcess
from blocking_server import BlockingServer, is_write, serve_blocking
from cli_harness import EmulatedFivetran, Project, build_credentials
from command_line import COMMAND, PROCESS_TIMEOUT, build_environment, run

from reconciler.emulator.serve import serve_in_thread
from reconciler.emulator.setup_tests import SetupTest

NO_BYTECODE = {"PYTHONDONTWRITEBYTECODE": "1"}
"""A limit on the size of files would leave modules cut short beside the sources, for every later process."""
TOO_LARGE = "File too large"  # what a limit on the size of files says, in place of a full disk
APPLY = ("apply", "--auto-approve", "--parallelism", "1")


class Team:
    """Groups in a project for the account of a server, and what a real apply leaves of them."""

    def __init__(self, project: Project, server: EmulatedFivetran) -> None:
        self.project, self.server = project, server
        self.state = project.folder / "specs" / ".reconciler" / "state.json"
        self.refuge = project.folder / "tmp"
        self.refuge.mkdir()
        project.write(
            "specs/reconciler.yaml",
            f"version: 1\naccount_id: {server.account_id}\nspecs: ['groups/*.yaml']\n",
        )
        self.wants("east", "north", "south")

    def wants(self, *names: str) -> None:
        self.names = sorted(names)
        self.project.write_groups("".join(f"  {name}: {{}}\n" for name in names))

    @property
    def journal(self) -> Path:
        return self.state.with_name("state.json.journal")

    @contextmanager
    def applying(
        self, *options: str, holds: Callable[[str, str], bool] = is_write
    ) -> Iterator[tuple[BackgroundProcess, BlockingServer]]:
        """A real apply that waits for Fivetran."""
        with (
            serve_blocking(self.server, holds) as (gate, url),
            BackgroundProcess(
                *APPLY,
                *options,
                directory=self.project.folder,
                TMPDIR=str(self.refuge),
                **NO_BYTECODE,
                **build_credentials(url),
            ) as process,
        ):
            gate.await_arrivals(1)
            yield process, gate

    def made(self) -> list[str]:
        return sorted(self.server.get(f"/groups/{id}")["name"] for id in self.server.list_ids("groups"))

    def plan_wants(self) -> list[str]:
        plan = self.project.run_against(self.server, "plan", "--format", "json")
        assert plan.exit == 0, plan.stderr
        return [change["address"] for change in plan.document["changes"]]

    def goes_on(self) -> None:
        """The next apply makes what is missing, and nothing twice."""
        again = self.project.run_against(self.server, *APPLY)
        assert again.exit == 0, again.stdout + again.stderr
        assert self.made() == self.names
        assert self.plan_wants() == []


@pytest.fixture
def team(project: Project, server: EmulatedFivetran) -> Team:
    """Three groups to be made."""
    return Team(project, server)


def no_larger_files(process: BackgroundProcess, size: int) -> None:
    """From now on no file of the process grows beyond so many bytes."""
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize("room", [0, 300], ids=["no snapshot", "no intents"])
def test_without_room_for_the_intents_nothing_is_sent(room: int, team: Team) -> None:
    with team.applying(holds=lambda method, path: path == "/v1/groups") as (process, gate):
        no_larger_files(process, room)
        gate.released.set()
        ended = process.wait_for_exit()
    assert ended.code == 1
    assert (
        f"error[state-unusable]: the state `specs/.reconciler/state.json` cannot be written: {TOO_LARGE}"
        in (ended.err)
    )
    assert team.server.writes == []
    assert [file.name for file in team.state.parent.iterdir() if file.name.endswith(".new")] == []
    assert not team.state.with_name("state.json.lock.holder").exists()
    team.goes_on()
    assert len(team.server.writes) == 3


def test_without_room_for_the_key_nothing_is_even_read(team: Team) -> None:
    small = (
        "import resource, runpy, sys; sys.argv[0] = 'reconciler';"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10));"
        "runpy.run_module('reconciler', run_name='__main__')"
    )
    with BackgroundProcess(
        *APPLY,
        command=[sys.executable, "-c", small],
        directory=team.project.folder,
        **NO_BYTECODE,
        **build_credentials(team.server.url),
    ) as process:
        ended = process.wait_for_exit()
    assert ended.code == 1
    assert (
        f"error[state-unusable]: the state `specs/.reconciler/state.json` cannot be written: {TOO_LARGE}"
        in (ended.err)
    )
    assert team.server.calls == []
    team.goes_on()


@pytest.mark.parametrize("in_flight", [1, 2])
def test_a_memory_that_fails_in_the_middle_stops_what_has_not_begun(in_flight: int, team: Team) -> None:
    with team.applying("--parallelism", str(in_flight)) as (process, gate):
        gate.await_arrivals(in_flight - 1)
        no_larger_files(process, team.journal.stat().st_size + 20)
        gate.released.set()
        ended = process.wait_for_exit()
    assert ended.code == 6
    assert team.made() == team.names[:in_flight], "what was under way is done, nothing else"
    for name in team.names[:in_flight]:
        assert f"error[not-remembered]: group.{name} is written (id `" in ended.err
    assert ended.err.count(f", but that could not be remembered: {TOO_LARGE}") == in_flight
    assert "+ group.south  skipped    not tried after `not-remembered`\n" in ended.out
    assert f"Not applied: {3 - in_flight} skipped." in ended.out
    assert "Traceback" not in ended.err
    # The snapshot at the end is smaller than the journal, and has everything.
    assert "state-not-kept" not in ended.err
    records = json.loads(team.state.read_text())["records"]
    assert sorted(records) == [f"group.{name}" for name in team.names[:in_flight]]
    assert all(record["id"] for record in records.values())
    assert team.plan_wants() == [f"group.{name}" for name in team.names[in_flight:]]
    team.goes_on()


def test_a_create_that_cannot_be_written_down_before_is_not_sent(team: Team) -> None:
    """S-11. The first one is made and remembered; the disk is full when the second one is about to leave."""
    with team.applying() as (process, gate):
        no_larger_files(process, team.journal.stat().st_size + 500)
        gate.released.set()
        ended = process.wait_for_exit()
    assert ended.code == 6
    assert team.server.writes == ["POST /v1/groups"]
    assert (
        f"error[not-remembered]: group.north was not sent, since that could not be remembered: {TOO_LARGE}"
        in ended.err
    )
    assert ended.err.count("error[not-remembered]") == 1
    assert "+ group.north  skipped    not tried after `not-remembered`\n" in ended.out
    assert "+ group.south  skipped    not tried after `not-remembered`\n" in ended.out
    team.goes_on()


def test_a_document_tells_what_was_not_remembered(team: Team) -> None:
    with team.applying("--format", "json") as (process, gate):
        no_larger_files(process, team.journal.stat().st_size + 20)
        gate.released.set()
        ended = process.wait_for_exit()
    assert (ended.code, ended.err) == (6, "")
    document = json.loads(ended.out)
    assert document["exit"] == {"code": 6, "reason": "incomplete"}
    assert [each["code"] for each in document["applied"]["problems"]] == ["not-remembered"]
    assert [each["status"] for each in document["applied"]["outcomes"]] == ["done", "skipped", "skipped"]


def test_a_state_that_cannot_be_kept_anywhere_is_found_again_by_looking(team: Team) -> None:
    with team.applying() as (process, gate):
        no_larger_files(process, 10)
        gate.released.set()
        ended = process.wait_for_exit()
    assert ended.code == 6
    assert "error[not-remembered]" in ended.err
    assert (
        f"error[state-not-kept]: the state `specs/.reconciler/state.json` could not be written: {TOO_LARGE}"
        in (ended.err)
    )
    assert "= note: it could not be written anywhere else" in ended.err
    assert list(team.refuge.iterdir()) == []
    assert "interrupted" in team.project.run("state", "list").stdout, "the intents are on disk"
    assert team.plan_wants() == ["group.north", "group.south"], "the first one is found"
    team.goes_on()
    assert len(team.server.writes) == 3


def a_folder_instead(team: Team) -> None:
    """Something else stands where the snapshot belongs; its folder can be written."""
    team.state.unlink()
    (team.state / "not-empty").mkdir(parents=True)


def no_folder(team: Team) -> None:
    """The folder of the state is gone, and no other one can be made."""
    team.state.parent.rename(team.state.parent.with_name("lost"))
    team.state.parent.write_text("")


@pytest.mark.parametrize("damage", [a_folder_instead, no_folder])
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_state_that_cannot_be_kept_in_its_place_is_rescued(
    damage: Callable[[Team], None], form: str, team: Team
) -> None:
    with team.applying("--format", form) as (process, gate):
        damage(team)
        gate.released.set()
        ended = process.wait_for_exit()
    assert ended.code == 6
    assert team.made() == team.names, "nothing was lost but the place of the state"
    folder = team.state.parent if damage is a_folder_instead else team.refuge
    [rescued] = folder.glob("state.json.rescued-*")
    assert stat.S_IMODE(rescued.stat().st_mode) == 0o600
    if form == "text":
        assert (
            "error[state-not-kept]: the state `specs/.reconciler/state.json` could not be written"
            in ended.err
        )
        assert f"= note: what this run did is written to `{rescued}`" in ended.err
        assert "then move that file to `specs/.reconciler/state.json`" in ended.err
    else:
        [problem] = json.loads(ended.out)["applied"]["problems"]
        assert problem["code"] == "state-not-kept"
        assert problem["notes"] == [f"what this run did is written to `{rescued}`"]
    # What the help says: correct the disk, move the file, go on.
    if damage is a_folder_instead:
        shutil.rmtree(team.state)
    else:
        team.state.parent.unlink()
        team.state.parent.mkdir()
    rescued.rename(team.state)
    remembered = json.loads(team.state.read_text())["records"]
    assert sorted(remembered) == [f"group.{name}" for name in team.names]
    assert team.plan_wants() == []
    team.project.write_groups("".join(f"  {name}: {{name: {name} 2}}\n" for name in team.names))
    assert team.project.run_against(team.server, *APPLY).exit == 0
    assert team.made() == [f"{name} 2" for name in team.names], "renamed, since their ids are known"


def test_a_log_of_events_that_is_full_stops_nothing(team: Team) -> None:
    log = team.project.folder / "log"
    for _ in range(12):
        team.project.run_against(team.server, "plan", "--events", "log")
    with team.applying("--events", "log") as (process, gate):
        # Much larger than the state, so that only the log meets the limit.
        size = log.stat().st_size + 10
        assert size > 4 * team.journal.stat().st_size
        no_larger_files(process, size)
        gate.released.set()
        ended = process.wait_for_exit()
    assert ended.code == 0
    assert ended.err.startswith("warning[events-lost]: the log `log` is incomplete, ")
    assert f"could not be written: {TOO_LARGE}" in ended.err
    assert team.made() == team.names
    assert team.plan_wants() == []
    again = team.project.run_against(team.server, *APPLY, "--events", "log")
    assert again.exit == 0, "what is torn is left behind"
    ends = [json.loads(line) for line in log.read_text().splitlines() if '"event": "run-' in line]
    assert [each["event"] for each in ends[-3:]] == ["run-started", "run-abandoned", "run-finished"]
    assert ends[-2]["unknown"] == ["group.east"]


def test_whatever_is_written_is_for_its_owner_only(team: Team) -> None:
    umask = os.umask(0)
    try:
        with team.applying("--events", "log") as (process, gate):
            during = sorted(team.state.parent.iterdir())
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in during}
            gate.released.set()
            assert process.wait_for_exit().code == 0
    finally:
        os.umask(umask)
    assert modes == dict.fromkeys(
        [
            "state.json",
            "state.json.journal",
            "state.json.key",
            "state.json.lock",
            "state.json.lock.holder",
        ],
        0o600,
    )
    assert stat.S_IMODE((team.project.folder / "log").stat().st_mode) == 0o600
    assert stat.S_IMODE(team.state.stat().st_mode) == 0o600


ODD = "l\u00fcneburg \x1b]8;;x\x07 \u202e \u2713"


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_terminal_that_shows_nothing_but_ascii_gets_all_it_can_show(form: str, team: Team) -> None:
    team.project.write_groups(
        "  east:\n    name: 'd\u00fcsseldorf \u2713'\n"
        "    destination: {service: big_query, time_zone_offset: '0', config: {project_id: acme}}\n"
    )
    team.server.app.dashboard.add_group(f"{ODD} LONELY")
    warned = [SetupTest(f"Permission {ODD}", "WARNING", f"{ODD} LONELY")]
    team.server.app.dashboard.script_setup_tests(finally_always=warned)

    def lonely(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answers with half a character, which no JSON should hold and any may."""
        return [b"".join(team.server.app(environ, start_response)).replace(b"LONELY", b"\\ud800")]

    with serve_in_thread(lonely) as url:
        ascii_only = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", **build_credentials(url)}
        ended = run(*APPLY, "--format", form, directory=team.project.folder, **ascii_only)
    assert ended.code == 0, ended.err
    assert ended.out.isascii()
    assert ended.err.isascii()
    assert "\x1b" not in ended.out
    assert len(team.server.list_ids("destinations")) == 1
    if form == "json":
        document = json.loads(ended.out)
        assert document["exit"]["code"] == 0
        assert document["plan"]["unmanaged"][0]["name"] == f"{ODD} \ufffd"
    else:
        assert "Applied: 2 created in " in ended.out
        assert "1 warning" in ended.out


def test_a_reader_that_goes_away_stops_no_apply(team: Team) -> None:
    with serve_blocking(team.server) as (gate, url):
        process = subprocess.Popen(
            [*COMMAND, *APPLY],
            cwd=team.project.folder,
            env=build_environment(**build_credentials(url)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        gate.await_arrivals(1)
        assert process.stdout is not None
        process.stdout.close()
        gate.released.set()
        _, err = process.communicate(timeout=PROCESS_TIMEOUT)
    assert (process.returncode, err) == (0, b"")
    assert team.made() == team.names
    assert team.plan_wants() == []
