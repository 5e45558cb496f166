"""Check an apply on full and vanishing disks, and with output that cannot be written (S-10, S-11, S-16).

The tests replace no part of the product: they limit or remove files of a real process while a write waits.
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
from applied_project import AppliedProject
from background_process import BackgroundProcess
from blocking_server import BlockingServer, is_write, serve_blocking
from cli_harness import EmulatedFivetran, Project, build_credentials
from command_line import COMMAND, PROCESS_TIMEOUT, build_environment, run

from reconciler.emulator.serve import serve_in_thread
from reconciler.emulator.setup_tests import SetupTest

pytestmark = pytest.mark.sampled(every=6, tests=3)

NO_BYTECODE = {"PYTHONDONTWRITEBYTECODE": "1"}
"""Keeps the file size limit from leaving truncated bytecode beside the sources for later processes."""
TOO_LARGE = "File too large"  # the error text of the file size limit, which stands for a full disk
APPLY = ("apply", "--auto-approve", "--parallelism", "1")


class DiskProject(AppliedProject):
    """Project with three groups to create, for a real apply whose disk fails."""

    def __init__(self, project: Project, server: EmulatedFivetran) -> None:
        super().__init__(project, server)
        self.temporary = project.folder / "tmp"
        self.temporary.mkdir()
        self.names = ["east", "north", "south"]
        self.write_settings()
        project.write_groups("".join(f"  {name}: {{}}\n" for name in self.names))

    @property
    def journal(self) -> Path:
        return self.state_file.with_name("state.json.journal")

    @contextmanager
    def start_apply(
        self, *options: str, holds: Callable[[str, str], bool] = is_write
    ) -> Iterator[tuple[BackgroundProcess, BlockingServer]]:
        """Start a real apply and wait until the server holds its first request."""
        with (
            serve_blocking(self.server, holds) as (gate, url),
            BackgroundProcess(
                *APPLY,
                *options,
                directory=self.folder,
                TMPDIR=str(self.temporary),
                **NO_BYTECODE,
                **build_credentials(url),
            ) as process,
        ):
            gate.await_arrivals(1)
            yield process, gate

    def list_names(self) -> list[str]:
        """List the names of all groups of the account."""
        return sorted(self.server.get(f"/groups/{id}")["name"] for id in self.server.list_ids("groups"))

    def list_planned(self) -> list[str]:
        """List the addresses of the planned changes."""
        plan = self.plan("--format", "json")
        assert plan.exit == 0, plan.stderr
        return [change["address"] for change in plan.document["changes"]]

    def check_next_apply(self) -> None:
        """Check that the next apply creates the missing groups, and none twice."""
        again = self.run(*APPLY)
        assert again.exit == 0, again.stdout + again.stderr
        assert self.list_names() == self.names
        assert self.list_planned() == []


@pytest.fixture
def disk_project(project: Project, server: EmulatedFivetran) -> DiskProject:
    """Create a project with three groups to create."""
    return DiskProject(project, server)


def limit_file_size(process: BackgroundProcess, size: int) -> None:
    """Limit all files of the process to this number of bytes."""
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.long
@pytest.mark.parametrize("room", [0, 300], ids=["no snapshot", "no intents"])
def test_an_apply_sends_no_write_if_the_intents_do_not_fit_on_disk(
    room: int, disk_project: DiskProject
) -> None:
    with disk_project.start_apply(holds=lambda method, path: path == "/v1/groups") as (process, gate):
        limit_file_size(process, room)
        gate.released.set()
        ended = process.wait_for_exit()
    assert ended.code == 1
    assert (
        f"error[state-unusable]: the state `specs/.reconciler/state.json` cannot be written: {TOO_LARGE}"
        in (ended.err)
    )
    assert disk_project.server.writes == []
    assert [
        file.name for file in disk_project.state_file.parent.iterdir() if file.name.endswith(".new")
    ] == []
    assert not disk_project.state_file.with_name("state.json.lock.holder").exists()
    disk_project.check_next_apply()
    assert len(disk_project.server.writes) == 3


def test_an_apply_sends_no_request_if_the_fingerprint_key_does_not_fit_on_disk(
    disk_project: DiskProject,
) -> None:
    small = (
        "import resource, runpy, sys; sys.argv[0] = 'reconciler';"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10));"
        "runpy.run_module('reconciler', run_name='__main__')"
    )
    with BackgroundProcess(
        *APPLY,
        command=[sys.executable, "-c", small],
        directory=disk_project.folder,
        **NO_BYTECODE,
        **build_credentials(disk_project.server.url),
    ) as process:
        ended = process.wait_for_exit()
    assert ended.code == 1
    assert (
        f"error[state-unusable]: the state `specs/.reconciler/state.json` cannot be written: {TOO_LARGE}"
        in (ended.err)
    )
    assert disk_project.server.calls == []
    disk_project.check_next_apply()


@pytest.mark.parametrize("in_flight", [1, 2])
def test_a_failing_journal_stops_the_changes_that_have_not_started(
    in_flight: int, disk_project: DiskProject
) -> None:
    with disk_project.start_apply("--parallelism", str(in_flight)) as (process, gate):
        gate.await_arrivals(in_flight - 1)
        limit_file_size(process, disk_project.journal.stat().st_size + 20)
        gate.released.set()
        ended = process.wait_for_exit()
    assert ended.code == 6
    assert disk_project.list_names() == disk_project.names[:in_flight], "only the calls in flight took effect"
    for name in disk_project.names[:in_flight]:
        assert f"error[not-remembered]: group.{name} is written (id `" in ended.err
    assert ended.err.count(f", but that could not be recorded: {TOO_LARGE}") == in_flight
    assert "+ group.south  skipped    not tried after `not-remembered`\n" in ended.out
    assert f"Not applied: {3 - in_flight} skipped." in ended.out
    assert "Traceback" not in ended.err
    # The final snapshot fits below the limit, because it is smaller than the journal.
    assert "state-not-kept" not in ended.err
    records = disk_project.read_state()["records"]
    assert sorted(records) == [f"group.{name}" for name in disk_project.names[:in_flight]]
    assert all(record["id"] for record in records.values())
    assert disk_project.list_planned() == [f"group.{name}" for name in disk_project.names[in_flight:]]
    disk_project.check_next_apply()


@pytest.mark.long
def test_a_create_is_not_sent_if_its_record_cannot_be_written(disk_project: DiskProject) -> None:
    """Fill the disk after the first group is created and recorded, before the second request is sent (S-11)."""
    with disk_project.start_apply() as (process, gate):
        limit_file_size(process, disk_project.journal.stat().st_size + 500)
        gate.released.set()
        ended = process.wait_for_exit()
    assert ended.code == 6
    assert disk_project.server.writes == ["POST /v1/groups"]
    assert (
        f"error[not-remembered]: group.north was not sent, since that could not be recorded: {TOO_LARGE}"
        in ended.err
    )
    assert ended.err.count("error[not-remembered]") == 1
    assert "+ group.north  skipped    not tried after `not-remembered`\n" in ended.out
    assert "+ group.south  skipped    not tried after `not-remembered`\n" in ended.out
    disk_project.check_next_apply()


@pytest.mark.long
def test_a_json_document_reports_the_missing_records(disk_project: DiskProject) -> None:
    with disk_project.start_apply("--format", "json") as (process, gate):
        limit_file_size(process, disk_project.journal.stat().st_size + 20)
        gate.released.set()
        ended = process.wait_for_exit()
    assert (ended.code, ended.err) == (6, "")
    document = json.loads(ended.out)
    assert document["exit"] == {"code": 6, "reason": "incomplete"}
    assert [each["code"] for each in document["applied"]["problems"]] == ["not-remembered"]
    assert [each["status"] for each in document["applied"]["outcomes"]] == ["done", "skipped", "skipped"]


@pytest.mark.long
def test_created_groups_are_recovered_if_the_state_can_be_written_nowhere(disk_project: DiskProject) -> None:
    with disk_project.start_apply() as (process, gate):
        limit_file_size(process, 10)
        gate.released.set()
        ended = process.wait_for_exit()
    assert ended.code == 6
    assert "error[not-remembered]" in ended.err
    assert (
        f"error[state-not-kept]: the state `specs/.reconciler/state.json` could not be written: {TOO_LARGE}"
        in (ended.err)
    )
    assert "= note: it could not be written anywhere else" in ended.err
    assert list(disk_project.temporary.iterdir()) == []
    assert "interrupted" in disk_project.project.run("state", "list").stdout, "the intents are on disk"
    assert disk_project.list_planned() == ["group.north", "group.south"], "the first group is recovered"
    disk_project.check_next_apply()
    assert len(disk_project.server.writes) == 3


def replace_by_folder(disk_project: DiskProject) -> None:
    """Replace the snapshot by a folder; its parent folder stays writable."""
    disk_project.state_file.unlink()
    (disk_project.state_file / "not-empty").mkdir(parents=True)


def remove_folder(disk_project: DiskProject) -> None:
    """Remove the folder of the state, so that it cannot be created again."""
    disk_project.state_file.parent.rename(disk_project.state_file.parent.with_name("lost"))
    disk_project.state_file.parent.write_text("")


@pytest.mark.parametrize("damage", [replace_by_folder, remove_folder])
@pytest.mark.parametrize("form", ["text", "json"])
def test_an_unwritable_state_is_saved_to_a_backup_file(
    damage: Callable[[DiskProject], None], form: str, disk_project: DiskProject
) -> None:
    with disk_project.start_apply("--format", form) as (process, gate):
        damage(disk_project)
        gate.released.set()
        ended = process.wait_for_exit()
    assert ended.code == 6
    assert disk_project.list_names() == disk_project.names, (
        "every group is created although the state cannot be written"
    )
    folder = disk_project.state_file.parent if damage is replace_by_folder else disk_project.temporary
    [rescued] = folder.glob("state.json.rescued-*")
    assert stat.S_IMODE(rescued.stat().st_mode) == 0o600
    if form == "text":
        assert (
            "error[state-not-kept]: the state `specs/.reconciler/state.json` could not be written"
            in ended.err
        )
        assert f"= note: the state of this run is written to `{rescued}`" in ended.err
        assert "then move that file to `specs/.reconciler/state.json`" in ended.err
    else:
        [problem] = json.loads(ended.out)["applied"]["problems"]
        assert problem["code"] == "state-not-kept"
        assert problem["notes"] == [f"the state of this run is written to `{rescued}`"]
    # Follow the help text: repair the disk, move the backup into place, apply again.
    if damage is replace_by_folder:
        shutil.rmtree(disk_project.state_file)
    else:
        disk_project.state_file.parent.unlink()
        disk_project.state_file.parent.mkdir()
    rescued.rename(disk_project.state_file)
    records = disk_project.read_state()["records"]
    assert sorted(records) == [f"group.{name}" for name in disk_project.names]
    assert disk_project.list_planned() == []
    disk_project.project.write_groups(
        "".join(f"  {name}: {{name: {name} 2}}\n" for name in disk_project.names)
    )
    assert disk_project.run(*APPLY).exit == 0
    assert disk_project.list_names() == [f"{name} 2" for name in disk_project.names], (
        "renamed, since their ids are known"
    )


@pytest.mark.long
def test_an_apply_continues_if_the_event_log_is_full(disk_project: DiskProject) -> None:
    log = disk_project.folder / "log"
    for _ in range(12):
        disk_project.run("plan", "--events", "log")
    with disk_project.start_apply("--events", "log") as (process, gate):
        # The log is much larger than the state, so that only the log reaches the limit.
        size = log.stat().st_size + 10
        assert size > 4 * disk_project.journal.stat().st_size
        limit_file_size(process, size)
        gate.released.set()
        ended = process.wait_for_exit()
    assert ended.code == 0
    assert ended.err.startswith("warning[events-lost]: the log `log` is incomplete, ")
    assert f"could not be written: {TOO_LARGE}" in ended.err
    assert disk_project.list_names() == disk_project.names
    assert disk_project.list_planned() == []
    again = disk_project.run(*APPLY, "--events", "log")
    assert again.exit == 0, "the next run ignores the torn line"
    ends = [json.loads(line) for line in log.read_text().splitlines() if '"event": "run-' in line]
    assert [each["event"] for each in ends[-3:]] == ["run-started", "run-abandoned", "run-finished"]
    assert ends[-2]["unknown"] == ["group.east"]


def test_all_files_are_readable_by_their_owner_only(disk_project: DiskProject) -> None:
    umask = os.umask(0)
    try:
        with disk_project.start_apply("--events", "log") as (process, gate):
            during = sorted(disk_project.state_file.parent.iterdir())
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in during}
            gate.released.set()
            assert process.wait_for_exit().code == 0
    finally:
        os.umask(umask)
    assert modes == dict.fromkeys(
        [
            ".gitignore",
            "state.json",
            "state.json.journal",
            "state.json.key",
            "state.json.lock",
            "state.json.lock.holder",
        ],
        0o600,
    )
    assert stat.S_IMODE((disk_project.folder / "log").stat().st_mode) == 0o600
    assert stat.S_IMODE(disk_project.state_file.stat().st_mode) == 0o600


ODD = "l\u00fcneburg \x1b]8;;x\x07 \u202e \u2713"


@pytest.mark.parametrize("form", ["text", "json"])
def test_output_to_an_ascii_terminal_is_escaped(form: str, disk_project: DiskProject) -> None:
    disk_project.project.write_groups(
        "  east:\n    name: 'd\u00fcsseldorf \u2713'\n"
        "    destination: {service: big_query, time_zone_offset: '0', config: {project_id: acme}}\n"
    )
    disk_project.dashboard.add_group(f"{ODD} LONELY")
    warned = [SetupTest(f"Permission {ODD}", "WARNING", f"{ODD} LONELY")]
    disk_project.dashboard.script_setup_tests(finally_always=warned)

    def answer_with_lone_surrogate(
        environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer with a lone surrogate, which JSON permits as an escape."""
        return [b"".join(disk_project.server.app(environ, start_response)).replace(b"LONELY", b"\\ud800")]

    with serve_in_thread(answer_with_lone_surrogate) as url:
        ascii_only = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", **build_credentials(url)}
        ended = run(*APPLY, "--format", form, directory=disk_project.folder, **ascii_only)
    assert ended.code == 0, ended.err
    assert ended.out.isascii()
    assert ended.err.isascii()
    assert "\x1b" not in ended.out
    assert len(disk_project.server.list_ids("destinations")) == 1
    if form == "json":
        document = json.loads(ended.out)
        assert document["exit"]["code"] == 0
        assert document["plan"]["unmanaged"][0]["name"] == f"{ODD} \ufffd"
    else:
        assert "Applied: 2 created in " in ended.out
        assert "1 warning" in ended.out


def test_an_apply_continues_if_the_reader_closes_the_pipe(disk_project: DiskProject) -> None:
    with serve_blocking(disk_project.server) as (gate, url):
        process = subprocess.Popen(
            [*COMMAND, *APPLY],
            cwd=disk_project.folder,
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
    assert disk_project.list_names() == disk_project.names
    assert disk_project.list_planned() == []
